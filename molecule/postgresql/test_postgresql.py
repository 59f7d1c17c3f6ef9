# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PostgreSQL as the apps, the backups and their operator meet it."""

from __future__ import annotations

import itertools
import json
import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import psycopg
import pytest
from ansible_collections.onebox.stack.plugins.module_utils._tuning import tuning
from docker.models.containers import Container
from psycopg import errors
from testinfra.host import Host

from observing import running, wait_until

BACKUP = "onebox_backup"
PAGE = 8192
# How the server refuses a client.
REJECTED, NO_RULE = r"pg_hba\.conf rejects connection for host", r"no pg_hba\.conf entry for host"
NO_PASSWORD = r"password authentication failed|no password supplied"


@pytest.fixture
def connect(
    reach: Callable[..., str], secrets: dict[str, str], tmp_path: Path
) -> Iterator[Callable[..., psycopg.Connection]]:
    """Connect over the network as the user of an app: `connect("shop")`; others give their password and database."""
    connections = []

    def connect(user: str, password: str | None = None, database: str | None = None) -> psycopg.Connection:
        # The client wants a directory, in which the socket has a name of its choice.
        directory = tmp_path / str(len(connections))
        directory.mkdir()
        (directory / ".s.PGSQL.5432").symlink_to(reach("postgresql", 5432))
        connections.append(None)
        connections[-1] = psycopg.connect(
            host=str(directory),
            user=user,
            password=secrets[f"{user}_postgresql_password"] if password is None else password,
            dbname=database or user,
            autocommit=True,
            connect_timeout=10,
        )
        return connections[-1]

    yield connect
    for connection in filter(None, connections):
        connection.close()


@pytest.fixture
def superuser(container: Callable[..., Container]) -> Callable[..., list[str]]:
    """Run SQL as the superuser inside the container, where alone it is let in; returns the lines of the answer."""

    def superuser(sql: str, database: str = "postgres") -> list[str]:
        client = ["psql", "--no-psqlrc", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", "--username=postgres"]
        code, output = container("postgresql").exec_run([*client, f"--dbname={database}", f"--command={sql}"])
        assert code == 0, output.decode()
        return str(output.decode()).splitlines()

    return superuser


@pytest.fixture
def job(
    engine: docker.DockerClient, container: Callable[..., Container], secrets: dict[str, str]
) -> Callable[[str], bytes]:
    """Run a shell command in a container of its own, beside the server, as the user for backups."""

    def job(command: str) -> bytes:
        server = container("postgresql")
        environment = {"PGHOST": "onebox-postgresql", "PGUSER": BACKUP}
        environment["PGPASSWORD"] = secrets["postgresql_backup_password"]
        return bytes(
            engine.containers.run(
                server.image,
                ["sh", "-c", command],
                user="999:999",
                environment=environment,
                network=next(iter(server.attrs["NetworkSettings"]["Networks"])),
                remove=True,
                # What it writes can be read back from this driver's log alone.
                log_config=docker.types.LogConfig(type="json-file"),
            )
        )

    return job


@pytest.fixture
def site(play: Callable[..., Any]) -> Callable[..., Any]:
    """Run the part of the site's playbook that is about the database server and its apps."""
    return lambda *options: play("playbooks/site.yml", "--tags", "postgresql,app", "-v", *options)


def rows(connection: psycopg.Connection, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    cursor = connection.execute(sql, values or None)
    return cursor.fetchall() if cursor.description else []


def test_an_app_reaches_its_database_by_the_names_and_the_secret_that_it_was_given(
    container: Callable[..., Container],
) -> None:
    login = '--host="$DB_HOST" --port="$DB_PORT" --username="$DB_USERNAME" "$DB_DATABASE"'
    ask = f'PGPASSWORD="$(cat "$DB_PASSWORD_FILE")" psql --tuples-only --no-align {login}'
    code, output = container("news-letter-worker").exec_run(
        ["sh", "-c", f"{ask} --command='SELECT current_database(), host(inet_server_addr())'"]
    )
    assert code == 0, output.decode()
    (network,) = container("postgresql").attrs["NetworkSettings"]["Networks"].values()
    assert output.decode().strip() == f"news_letter|{network['IPAddress']}"


def test_an_app_owns_its_database(connect: Callable[..., psycopg.Connection]) -> None:
    app = connect("news_letter")
    rows(app, "CREATE TABLE letters (id SERIAL PRIMARY KEY, body TEXT)")
    rows(app, "CREATE SCHEMA old CREATE TABLE letters (id INT)")
    rows(app, "CREATE EXTENSION pg_trgm")
    assert rows(app, "INSERT INTO letters (body) VALUES (%s) RETURNING id", "hello") == [(1,)]
    rows(app, "DROP EXTENSION pg_trgm")
    rows(app, "DROP SCHEMA old CASCADE")
    rows(app, "DROP TABLE letters")


@pytest.mark.parametrize("database", ["shop", "postgres", "template1"])
def test_an_app_is_not_let_into_another_database(
    connect: Callable[..., psycopg.Connection], superuser: Callable[..., list[str]], database: str
) -> None:
    with pytest.raises(psycopg.OperationalError, match=NO_RULE):
        connect("news_letter", database=database)
    # The rights say the same, should that file ever let somebody in.
    assert superuser(f"SELECT has_database_privilege('news_letter', '{database}', 'CONNECT')") == ["f"]


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE ROLE eve",
        "CREATE DATABASE more",
        "ALTER ROLE news_letter CREATEDB",
        "SET ROLE postgres",
        "SET ROLE shop",
        "CREATE EXTENSION file_fdw",
        "COPY (SELECT 1) TO PROGRAM 'cat'",
        "COPY (SELECT 1) TO '/tmp/1'",
        "SELECT pg_read_file('/run/secrets/postgresql_superuser_password')",
        "SELECT lo_import('/run/secrets/postgresql_superuser_password')",
        "SELECT rolpassword FROM pg_authid",
        "SELECT pg_reload_conf()",
        "SET log_min_duration_statement = -1",
    ],
)
def test_an_app_has_no_rights_beyond_its_database(connect: Callable[..., psycopg.Connection], sql: str) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        rows(connect("news_letter"), sql)


def test_a_client_with_a_wrong_password_or_none_is_refused(connect: Callable[..., psycopg.Connection]) -> None:
    for user, password in (("shop", "wrong"), ("shop", ""), (BACKUP, "wrong"), (BACKUP, "")):
        with pytest.raises(psycopg.OperationalError, match=NO_PASSWORD):
            connect(user, password)
    for user in ("nobody", "news_letter"):
        with pytest.raises(psycopg.OperationalError, match=NO_RULE):
            connect(user, "wrong", database="shop")


def test_the_superuser_is_let_in_inside_the_container_only(
    connect: Callable[..., psycopg.Connection],
    superuser: Callable[..., list[str]],
    container: Callable[..., Container],
    secrets: dict[str, str],
) -> None:
    assert superuser("SELECT current_user") == ["postgres"]
    with pytest.raises(psycopg.OperationalError, match=REJECTED):
        connect("postgres", secrets["postgresql_superuser_password"])
    login = 'PGPASSWORD="$(cat /run/secrets/postgresql_superuser_password)" psql --host=127.0.0.1 --username=postgres'
    code, output = container("postgresql").exec_run(["sh", "-c", f"{login} --command='SELECT 1'"])
    assert code != 0
    assert b"pg_hba.conf rejects connection" in output


def test_only_the_superuser_the_backups_and_the_apps_may_log_in(superuser: Callable[..., list[str]]) -> None:
    login = "SELECT rolname, rolsuper, rolcreaterole, rolcreatedb, rolreplication FROM pg_roles WHERE rolcanlogin"
    assert sorted(superuser(login)) == [
        "news_letter|f|f|f|f",
        "onebox_backup|f|f|f|f",
        "postgres|t|t|t|t",
        "shop|f|f|f|f",
    ]
    assert sorted(superuser("SELECT datname FROM pg_database")) == [
        "news_letter",
        "postgres",
        "shop",
        "template0",
        "template1",
    ]


def test_a_backup_in_a_container_of_its_own_reads_all_of_every_database_and_changes_nothing(
    connect: Callable[..., psycopg.Connection], job: Callable[[str], bytes]
) -> None:
    app = connect("shop")
    rows(app, "CREATE SCHEMA hidden CREATE TABLE orders (id INT)")
    rows(app, "ALTER TABLE hidden.orders ENABLE ROW LEVEL SECURITY")
    rows(app, "INSERT INTO hidden.orders VALUES (4711)")
    ((large_object,),) = rows(app, "SELECT lo_from_bytea(0, %s)", b"an invoice")
    found = job(
        "for name in $(psql -AtXc 'SELECT datname FROM pg_database WHERE datallowconn' postgres"
        " | grep -v template1); do pg_dump $name; done"
    ).decode()
    assert [f"CREATE TABLE {name}" in found for name in ("hidden.orders", "none")] == [True, False]
    assert "\n4711\n" in found
    assert b"an invoice".hex() in found
    for sql in ("INSERT INTO hidden.orders VALUES (1)", "CREATE TABLE t ()", f"SELECT lo_unlink({large_object})"):
        with pytest.raises(docker.errors.ContainerError, match=r"read-only transaction|permission denied"):
            job(f'psql --set=ON_ERROR_STOP=1 --command="{sql}" shop')
    rows(app, "SELECT lo_unlink(%s)", large_object)
    rows(app, "DROP SCHEMA hidden CASCADE")


def test_the_server_keeps_to_what_follows_from_the_containers_limit(
    connect: Callable[..., psycopg.Connection], container: Callable[..., Container], superuser: Callable[..., list[str]]
) -> None:
    limit_mib = container("postgresql").attrs["HostConfig"]["Memory"] // 2**20
    app = connect("shop")
    ((connections,),) = rows(app, "SELECT current_setting('max_connections')")
    for name, value in tuning(limit_mib, "postgresql", connections=int(connections), cpus=2).items():
        ((in_force,),) = rows(app, "SELECT current_setting(%s)", name)
        if re.fullmatch(r"\d+(kB|MB)", str(value)):
            size = "SELECT abs(pg_size_bytes(%s) - pg_size_bytes(%s))"
            assert rows(app, size, value, in_force)[0][0] < PAGE, name
        else:
            assert in_force == str(value), name
    assert superuser("SELECT count(*) FROM pg_file_settings WHERE error IS NOT NULL") == ["0"]


def test_no_commit_and_no_page_is_given_up_for_speed(connect: Callable[..., psycopg.Connection]) -> None:
    app = connect("shop")
    for name in ("fsync", "full_page_writes", "synchronous_commit", "data_checksums"):
        assert rows(app, "SELECT current_setting(%s)", name) == [("on",)], name


def test_what_is_set_by_hand_cannot_outlast_the_inventory(container: Callable[..., Container]) -> None:
    alter = ["psql", "--username=postgres", "--command=ALTER SYSTEM SET fsync = off"]
    code, output = container("postgresql").exec_run(alter)
    assert (code, "ALTER SYSTEM is not allowed in this environment" in output.decode()) == (1, True)


def test_a_slow_query_is_in_the_containers_log_without_the_values_that_were_bound_to_it(
    connect: Callable[..., psycopg.Connection], container: Callable[..., Container]
) -> None:
    rows(connect("shop"), "SELECT pg_sleep(2.1), %s::text AS a_slow_one", "a bound value")
    rows(connect("shop"), "SELECT pg_sleep(0.1), %s::text AS a_quick_one", "a bound value")
    log = container("postgresql").logs(tail=50).decode()
    assert "SELECT pg_sleep(2.1), $1::text AS a_slow_one" in log
    assert "a_quick_one" not in log
    assert "a bound value" not in log


def test_the_health_check_fails_while_the_server_does_not_answer(
    container: Callable[..., Container], host: Host
) -> None:
    server = container("postgresql")
    check = ["sh", "-c", server.attrs["Config"]["Healthcheck"]["Test"][1]]
    process = str(server.attrs["State"]["Pid"])
    assert server.exec_run(check).exit_code == 0
    host.check_output("kill -STOP %s", process)
    frozen = server.exec_run(["timeout", "5", *check]).exit_code
    host.check_output("kill -CONT %s", process)
    assert frozen != 0
    assert server.exec_run(check).exit_code == 0


def test_the_health_check_is_not_taken_in_by_the_server_that_makes_a_data_directory(
    container: Callable[..., Container], engine: docker.DockerClient
) -> None:
    server = container("postgresql")
    check = ["sh", "-c", server.attrs["Config"]["Healthcheck"]["Test"][1]]
    on_the_socket_alone = "initdb --no-sync -A trust >/dev/null && exec postgres -c listen_addresses="
    new = engine.containers.run(
        server.image, ["bash", "-c", on_the_socket_alone], entrypoint=[], user="999:999", detach=True
    )
    try:
        assert wait_until(lambda: new.exec_run(["psql", "--username=postgres", "--command=SELECT 1"]).exit_code == 0)
        assert new.exec_run(["pg_isready"]).exit_code == 0
        assert new.exec_run(check).exit_code != 0
    finally:
        new.remove(force=True, v=True)


def test_the_server_stops_at_once_and_in_order_although_clients_are_connected(
    connect: Callable[..., psycopg.Connection], container: Callable[..., Container]
) -> None:
    before = container("postgresql")
    client = connect("shop")
    before.stop()
    stopped = container("postgresql")
    assert stopped.attrs["State"]["ExitCode"] == 0
    assert "received fast shutdown request" in (log := stopped.logs(tail=20).decode())
    assert log.rstrip().endswith("database system is shut down")
    with pytest.raises(psycopg.OperationalError):
        rows(client, "SELECT 1")
    stopped.start()
    assert wait_until(lambda: container("postgresql").health == "healthy")


def write_until_it_fails(connection: psycopg.Connection, committed: list[int]) -> None:
    for number in itertools.count():
        connection.execute("INSERT INTO written VALUES (%s)", (number,))
        committed.append(number)


def test_what_was_committed_is_there_after_the_server_was_killed(
    connect: Callable[..., psycopg.Connection],
    superuser: Callable[..., list[str]],
    container: Callable[..., Container],
    host: Host,
) -> None:
    before = container("postgresql")
    writer = connect("shop")
    rows(writer, "CREATE TABLE written (id INT PRIMARY KEY)")
    committed: list[int] = []
    kill = "systemd-run --on-active=1 --timer-property=AccuracySec=50ms kill -9 %s"
    host.check_output(kill, str(before.attrs["State"]["Pid"]))
    with pytest.raises(psycopg.OperationalError, match=r"server closed the connection|unexpected postmaster exit"):
        write_until_it_fails(writer, committed)
    assert len(committed) > 10
    assert wait_until(lambda: running(container("postgresql")) != running(before))
    assert wait_until(lambda: container("postgresql").health == "healthy")
    assert container("postgresql").id == before.id
    assert "automatic recovery in progress" in container("postgresql").logs(tail=20).decode()
    reader = connect("shop")
    found = [number for (number,) in rows(reader, "SELECT id FROM written ORDER BY id")]
    assert found[: len(committed)] == committed
    superuser("CREATE EXTENSION amcheck", "shop")
    superuser("SELECT bt_index_check('written_pkey', heapallindexed => true)", "shop")
    superuser("DROP EXTENSION amcheck", "shop")
    assert superuser("SELECT sum(checksum_failures) FROM pg_stat_database") == ["0"]
    rows(reader, "DROP TABLE written")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"shared_bufers": "1GB"}, 'unrecognized configuration parameter "shared_bufers"'),
        # Only a server that starts finds this one.
        ({"shared_preload_libraries": "nothing"}, 'could not access file "nothing"'),
    ],
)
def test_a_setting_that_the_server_refuses_stops_the_run_before_the_server_is_touched(
    site: Callable[..., Any],
    container: Callable[..., Container],
    snapshot: Callable[[], str],
    settings: dict[str, Any],
    reason: str,
) -> None:
    before = snapshot(), running(container("postgresql"))
    run = site("--diff", "-e", json.dumps({"postgresql_settings": settings}))
    assert run.exit_code != 0
    assert "postgresql: postgresql refuses its new settings; the ones in force are kept" in run.output
    assert reason in run.output.replace("\\", "")
    assert (snapshot(), running(container("postgresql"))) == before


def test_a_statement_that_the_server_refuses_shows_no_password_and_changes_nobody_s(
    site: Callable[..., Any],
    connect: Callable[..., psycopg.Connection],
    container: Callable[..., Container],
    secrets: dict[str, str],
) -> None:
    before = running(container("postgresql"))
    # A role of the server's own lets nobody change its password. No inventory can say so: it is refused before.
    databases = [{"name": "shop", "user": "pg_monitor", "secret": "shop_postgresql_password"}]
    run = site("-vvv", "--diff", "-e", json.dumps({"__postgresql_databases": databases}))
    assert run.exit_code != 0
    assert "postgresql: postgresql did not take up its new settings" in run.output
    assert 'role name "pg_monitor" is reserved' in run.output.replace("\\", "")
    assert "The configuration before this run is in force again." in run.output
    log = container("postgresql").logs(tail=50).decode()
    assert 'role name "pg_monitor" is reserved' in log
    assert [name for name, value in secrets.items() if value in run.output + log] == []
    assert rows(connect("shop"), "SELECT 1") == [(1,)]
    assert running(container("postgresql")) == before


def test_passwords_change_only_when_that_is_asked_for_and_are_never_shown(
    site: Callable[..., Any],
    connect: Callable[..., psycopg.Connection],
    container: Callable[..., Container],
    process_lists: Callable[[], str],
    secrets: dict[str, str],
    store: Path,
) -> None:
    names = ("postgresql_superuser_password", "postgresql_backup_password", "shop_postgresql_password")
    new = {name: f"New-{uuid.uuid4()}" for name in names}
    store.write_text(json.dumps({**secrets, **new}))

    refused = site("-vvv", "--diff")
    assert refused.exit_code != 0
    assert "_password: the value given differs from the one in force on this host" in refused.output
    assert rows(connect("shop"), "SELECT 1") == [(1,)]

    done = site("-vvv", "--diff", "-e", f"onebox_rotate_secrets={','.join(new)}")
    assert done.exit_code == 0, done.output
    assert "+new (hidden)" in done.output
    assert done.changed == ["onebox.stack.postgresql : Run PostgreSQL", "onebox.stack.app : Run shop"]
    assert rows(connect("shop", new["shop_postgresql_password"]), "SELECT 1") == [(1,)]
    assert rows(connect("news_letter"), "SELECT 1") == [(1,)]
    assert rows(connect(BACKUP, new["postgresql_backup_password"], "shop"), "SELECT 1") == [(1,)]
    for user, password in (("shop", "shop_postgresql_password"), (BACKUP, "postgresql_backup_password")):
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            connect(user, secrets[password], "shop")

    lists = process_lists()
    assert "psql --username=postgres" in lists
    log = container("postgresql").logs().decode()
    for secret in (*secrets.values(), *new.values()):
        assert secret not in refused.output + done.output
        assert secret not in lists
        assert secret not in log


def test_an_app_that_comes_gets_a_database_and_one_that_goes_leaves_its_own_and_the_server_runs_on(
    play: Callable[..., Any],
    connect: Callable[..., psycopg.Connection],
    superuser: Callable[..., list[str]],
    container: Callable[..., Container],
    store: Path,
    host: Host,
) -> None:
    before = running(container("postgresql"))
    variables = host.ansible.get_variables()
    apps = variables["onebox_apps"]
    more = {"onebox_apps": {**apps, "wiki": apps["shop"]}}
    come = play("playbooks/site.yml", "--tags", "postgresql", "-v", "-e", json.dumps(more))
    assert (come.exit_code, come.actions) == (
        0,
        [
            "write /opt/onebox/services/postgresql/conf/pg_hba.conf",
            "write /opt/onebox/secrets/postgresql/wiki_postgresql_password",
            "write /opt/onebox/secrets/postgresql/databases.sql",
            "load the settings of postgresql",
        ],
    ), come.output
    password = json.loads(store.read_text())["wiki_postgresql_password"]
    rows(connect("wiki", password), "CREATE TABLE pages (id INT)")

    go = play("playbooks/site.yml", "--tags", "postgresql", "-v")
    assert (go.exit_code, go.actions) == (
        0,
        [
            "write /opt/onebox/services/postgresql/conf/pg_hba.conf",
            "write /opt/onebox/secrets/postgresql/databases.sql",
            "remove /opt/onebox/secrets/postgresql/wiki_postgresql_password",
            "load the settings of postgresql",
        ],
    ), go.output
    assert superuser("SELECT tablename FROM pg_tables WHERE schemaname = 'public'", "wiki") == ["pages"]
    with pytest.raises(psycopg.OperationalError, match=NO_RULE):
        connect("wiki", password)
    assert running(container("postgresql")) == before

    asked = json.dumps({"postgresql_absent_databases": ["wiki"]})
    dropped = play("playbooks/site.yml", "--tags", "postgresql", "-v", "-e", asked)
    assert dropped.exit_code == 0, dropped.output
    assert (
        superuser(
            "SELECT 1 FROM pg_database WHERE datname = 'wiki' UNION SELECT 1 FROM pg_roles WHERE rolname = 'wiki'"
        )
        == []
    )
    assert play("playbooks/site.yml", "--tags", "postgresql").exit_code == 0


def test_a_database_that_is_declared_beside_those_of_the_apps_has_a_user_of_its_own(
    play: Callable[..., Any],
    connect: Callable[..., psycopg.Connection],
    superuser: Callable[..., list[str]],
    store: Path,
) -> None:
    declared = json.dumps({"postgresql_databases": [{"name": "reports", "user": "analyst"}]})
    assert play("playbooks/site.yml", "--tags", "postgresql", "-e", declared).exit_code == 0
    password = json.loads(store.read_text())["reports_postgresql_password"]
    analyst = connect("analyst", password, "reports")
    rows(analyst, "CREATE TABLE sums (id INT)")
    with pytest.raises(psycopg.OperationalError, match=NO_RULE):
        connect("analyst", password, "shop")
    assert play("playbooks/site.yml", "--tags", "postgresql").exit_code == 0
    superuser("DROP DATABASE reports WITH (FORCE)")
    superuser("DROP ROLE analyst")


def test_an_app_taken_out_of_the_inventory_is_removed_when_that_is_allowed_and_its_database_stays(
    site: Callable[..., Any],
    connect: Callable[..., psycopg.Connection],
    superuser: Callable[..., list[str]],
    engine: docker.DockerClient,
    snapshot: Callable[[], str],
    host: Host,
) -> None:
    rows(connect("news_letter"), "CREATE TABLE letters (id INT)")
    apps = host.ansible.get_variables()["onebox_apps"]
    fewer = json.dumps({"onebox_apps": {name: app for name, app in apps.items() if name != "news-letter"}})
    before = snapshot()
    refused = site("-e", fewer)
    assert "the host runs what the inventory no longer has: news-letter." in refused.output
    assert "-e onebox_remove=news-letter" in refused.output
    assert snapshot() == before

    gone = site("-e", fewer, "-e", "onebox_remove=news-letter")
    assert gone.exit_code == 0, gone.output
    assert "onebox-news-letter-worker-1" not in {one.name for one in engine.containers.list(all=True)}
    assert not host.file("/opt/onebox/services/news-letter").exists
    assert not host.file("/opt/onebox/secrets/news-letter").exists
    assert superuser("SELECT tablename FROM pg_tables WHERE schemaname = 'public'", "news_letter") == ["letters"]
    assert site("-e", fewer).changed == []

    back = site()
    assert back.exit_code == 0, back.output
    assert rows(connect("news_letter"), "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == [("letters",)]
    rows(connect("news_letter"), "DROP TABLE letters")


def test_a_password_whose_change_was_cut_off_between_the_database_and_the_app_is_changed_by_the_next_run(
    play: Callable[..., Any],
    site: Callable[..., Any],
    connect: Callable[..., psycopg.Connection],
    container: Callable[..., Container],
    secrets: dict[str, str],
    store: Path,
) -> None:
    name = "shop_postgresql_password"
    began = play("playbooks/site.yml", "--tags", "postgresql", "-e", f"onebox_rotate_secrets={name}")
    assert began.exit_code == 0, began.output
    new = json.loads(store.read_text())[name]
    assert new != secrets[name]
    assert rows(connect("shop", new), "SELECT 1") == [(1,)]
    ask = (
        'PGPASSWORD="$(cat "$DB_PASSWORD_FILE")" psql --host="$DB_HOST" --username="$DB_USERNAME" "$DB_DATABASE" -c ""'
    )
    assert container("shop-worker").exec_run(["sh", "-c", ask]).exit_code != 0

    # Another operator, with nothing but what the host tells, or with what was in force before.
    store.write_text(json.dumps({other: value for other, value in secrets.items() if other != name}))
    assert site("--check").exit_code == 0
    assert json.loads(store.read_text())[name] == new
    store.write_text(json.dumps(secrets))
    refused = site()
    assert f"{name}: the value given differs from the one in force on this host" in refused.output
    assert rows(connect("shop", new), "SELECT 1") == [(1,)]

    store.write_text(json.dumps({**secrets, name: new}))
    done = site()
    assert (done.exit_code, done.changed) == (0, ["onebox.stack.app : Run shop"]), done.output
    assert container("shop-worker").exec_run(["sh", "-c", ask]).exit_code == 0


def test_who_is_let_in_by_hand_is_let_out_again_by_the_next_run_and_the_server_runs_on(
    site: Callable[..., Any],
    container: Callable[..., Container],
    connect: Callable[..., psycopg.Connection],
    host: Host,
) -> None:
    before = running(container("postgresql"))
    rules = "/opt/onebox/services/postgresql/conf/pg_hba.conf"
    host.check_output("sed -i '1i host all all all trust' %s", rules)
    container("postgresql").kill("SIGHUP")
    assert wait_until(lambda: "received SIGHUP" in container("postgresql").logs(tail=3).decode())
    assert rows(connect("postgres", "", "postgres"), "SELECT current_user") == [("postgres",)]

    repair = site()
    assert (repair.exit_code, repair.actions) == (0, [f"write {rules}", "load the settings of postgresql"]), (
        repair.output
    )
    with pytest.raises(psycopg.OperationalError, match=REJECTED):
        connect("postgres", "", "postgres")
    assert running(container("postgresql")) == before


def test_a_server_whose_data_is_gone_is_not_started_without_it_until_the_data_is_given_up(
    site: Callable[..., Any],
    connect: Callable[..., psycopg.Connection],
    container: Callable[..., Container],
    engine: docker.DockerClient,
    snapshot: Callable[[], str],
) -> None:
    container("shop-worker").stop(timeout=0)
    (volume,) = (mount["Name"] for mount in container("postgresql").attrs["Mounts"] if mount["Type"] == "volume")
    container("postgresql").remove(force=True)
    engine.volumes.get(volume).remove()
    lost = snapshot()
    refused = site()
    assert refused.exit_code != 0
    assert f"postgresql: the host has a record of data in the volume {volume}, which is empty or gone" in refused.output
    assert snapshot() == lost
    assert volume not in {one.name for one in engine.volumes.list()}

    # The server that comes in its place must be told of the databases again.
    given_up = ("-e", "onebox_accept_data_loss=postgresql")
    drift = [
        "start postgresql (0 of 1 containers there)",
        "load the settings of postgresql",
        "start shop-worker (exited)",
    ]
    check = site("--check", "--diff", *given_up)
    assert (check.exit_code, check.actions) == (0, drift), check.output
    assert snapshot() == lost

    anew = site(*given_up)
    assert (anew.exit_code, anew.actions) == (0, drift), anew.output
    assert rows(connect("shop"), "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == []
    again = site("--check")
    assert (again.exit_code, again.changed) == (0, []), again.output


def test_drift_is_named_by_check_mode_and_exactly_that_is_repaired(
    site: Callable[..., Any],
    connect: Callable[..., psycopg.Connection],
    container: Callable[..., Container],
    snapshot: Callable[[], str],
) -> None:
    rows(connect("shop"), "CREATE TABLE orders (id INT)")
    container("shop-worker").stop(timeout=0)
    container("postgresql").remove(force=True)
    drifted = snapshot()
    drift = [
        "start postgresql (0 of 1 containers there)",
        "load the settings of postgresql",
        "start shop-worker (exited)",
    ]
    check = site("--check", "--diff")
    assert (check.exit_code, check.actions) == (0, drift), check.output
    assert snapshot() == drifted

    repair = site()
    assert (repair.exit_code, repair.actions) == (0, drift), repair.output
    assert rows(connect("shop"), "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == [("orders",)]
    again = site("--check")
    assert (again.exit_code, again.changed) == (0, []), again.output
    rows(connect("shop"), "DROP TABLE orders")
