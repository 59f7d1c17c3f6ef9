# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The database server as the apps and their operator meet it."""

from __future__ import annotations

import itertools
import json
import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pymysql
import pytest
from ansible_collections.onebox.stack.plugins.module_utils._tuning import tuning
from docker.models.containers import Container
from testinfra.host import Host

from observing import running, wait_until

ROLE = {"ansible.builtin.include_role": {"name": "onebox.stack.mysql"}}
ACCESS_DENIED, NO_RIGHT_ON_DATABASE, NO_RIGHT_ON_TABLE, NO_RIGHT, NO_LOCAL_FILES = 1045, 1044, 1142, 1227, 4166


@pytest.fixture
def connect(reach: Callable[..., str], secrets: dict[str, str]) -> Iterator[Callable[..., pymysql.Connection]]:
    """Connect over the network as the user of an app: `connect("shop")`; others give their password."""
    connections = []

    def connect(user: str, password: str | None = None, database: str | None = None) -> pymysql.Connection:
        connections.append(
            pymysql.connect(
                unix_socket=reach("mysql", 3306),
                user=user,
                password=secrets[f"{user}_mysql_password"] if password is None else password,
                database=database,
                autocommit=True,
                local_infile=True,
                connect_timeout=10,
                read_timeout=20,
            )
        )
        return connections[-1]

    yield connect
    for connection in connections:
        if connection.open:
            connection.close()


@pytest.fixture
def root(container: Callable[..., Container]) -> Callable[[str], list[list[str]]]:
    """Run SQL as root inside the container, where alone root is let in; returns the rows."""
    client = 'MYSQL_PWD="$(cat /run/secrets/mysql_root_password)" exec mariadb --user=root --batch --skip-column-names'

    def root(sql: str) -> list[list[str]]:
        code, output = container("mysql").exec_run(["sh", "-c", f'{client} --execute="$0"', sql])
        assert code == 0, output.decode()
        return [line.split("\t") for line in output.decode().splitlines()]

    return root


@pytest.fixture
def site(play: Callable[..., Any]) -> Callable[..., Any]:
    """Run the part of the site's playbook that is about the database server and its apps."""
    return lambda *options: play("playbooks/site.yml", "--tags", "mysql,app", "-v", *options)


def rows(connection: pymysql.Connection, sql: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def refusal(connection: pymysql.Connection, sql: str) -> int:
    """The number of the error with which the server refuses the statement."""
    with pytest.raises(pymysql.MySQLError) as refused:
        rows(connection, sql)
    return int(refused.value.args[0])


def test_an_app_reaches_its_database_by_the_names_and_the_secret_that_it_was_given(
    container: Callable[..., Container],
) -> None:
    client = "mariadb --skip-ssl-verify-server-cert --batch --skip-column-names"
    login = '--host="$DB_HOST" --port="$DB_PORT" --user="$DB_USERNAME" "$DB_DATABASE"'
    ask = f'MYSQL_PWD="$(cat "$DB_PASSWORD_FILE")" {client} {login} --execute="SELECT database(), @@hostname"'
    code, output = container("news-letter-worker").exec_run(["sh", "-c", ask])
    assert code == 0, output.decode()
    assert output.decode().split() == ["news_letter", container("mysql").attrs["Config"]["Hostname"]]


def test_an_app_has_all_rights_on_its_own_database_and_none_elsewhere(
    connect: Callable[..., pymysql.Connection], root: Callable[[str], list[list[str]]]
) -> None:
    root("CREATE DATABASE newsXletter; CREATE TABLE newsXletter.t (a INT); CREATE TABLE shop.orders (a INT)")
    app = connect("news_letter")
    grants = [re.sub(r" IDENTIFIED BY .*", "", grant) for (grant,) in rows(app, "SHOW GRANTS")]
    assert grants == [
        "GRANT USAGE ON *.* TO `news_letter`@`%`",
        "GRANT ALL PRIVILEGES ON `news\\_letter`.* TO `news_letter`@`%`",
    ]
    assert rows(app, "SHOW DATABASES") == [("information_schema",), ("news_letter",)]
    rows(app, "CREATE TABLE news_letter.t (a INT)")
    rows(app, "DROP TABLE news_letter.t")
    assert refusal(app, "USE shop") == NO_RIGHT_ON_DATABASE
    assert refusal(app, "SELECT * FROM shop.orders") == NO_RIGHT_ON_TABLE
    assert refusal(app, "SELECT * FROM mysql.global_priv") == NO_RIGHT_ON_TABLE
    assert refusal(app, "SELECT * FROM newsXletter.t") == NO_RIGHT_ON_TABLE
    assert refusal(app, "CREATE USER eve IDENTIFIED BY 'eve'") == NO_RIGHT
    assert refusal(app, "SELECT 1 INTO OUTFILE '/tmp/1'") == ACCESS_DENIED
    assert refusal(app, "LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE news_letter.t") == NO_LOCAL_FILES
    assert refusal(app, "SET GLOBAL slow_query_log = OFF") == NO_RIGHT
    root("DROP DATABASE newsXletter; DROP TABLE shop.orders")


def test_a_client_with_a_wrong_password_or_none_is_refused(connect: Callable[..., pymysql.Connection]) -> None:
    for user, password in (("shop", "wrong"), ("shop", ""), ("", ""), ("nobody", "")):
        with pytest.raises(pymysql.OperationalError, match="Access denied"):
            connect(user, password)


def test_root_is_let_in_inside_the_container_only(
    connect: Callable[..., pymysql.Connection], root: Callable[[str], list[list[str]]], secrets: dict[str, str]
) -> None:
    assert root("SELECT current_user()") == [["root@localhost"]]
    for user in ("root", "mysql", "healthcheck"):
        with pytest.raises(pymysql.OperationalError, match="Access denied"):
            connect(user, secrets["mysql_root_password"])


def test_only_the_apps_have_users_that_may_come_over_the_network(root: Callable[[str], list[list[str]]]) -> None:
    users = [tuple(row) for row in root("SELECT user, host FROM mysql.user")]
    assert {user for user, host in users if host not in ("localhost", "127.0.0.1", "::1")} == {"shop", "news_letter"}
    assert "" not in {user for user, _host in users}
    databases = {name for (name,) in root("SHOW DATABASES")}
    assert databases == {"information_schema", "mysql", "performance_schema", "sys", "shop", "news_letter"}


def test_the_server_keeps_to_what_follows_from_the_containers_limit(
    connect: Callable[..., pymysql.Connection], container: Callable[..., Container]
) -> None:
    limit_mib = container("mysql").attrs["HostConfig"]["Memory"] // 2**20
    in_force = dict(rows(connect("shop"), "SHOW GLOBAL VARIABLES"))
    # The apps have two workers.
    wanted = {**tuning(limit_mib, "mysql", connections=20), "innodb_flush_log_at_trx_commit": 1, "local_infile": "OFF"}
    units = {"K": 2**10, "M": 2**20}
    for name, value in wanted.items():
        number = re.fullmatch(r"(\d+)([KM])", str(value))
        plain = str(int(number[1]) * units[number[2]]) if number else str(value)
        assert in_force[name] in ({"0": ("0", "OFF")}.get(plain, plain)), name
    # On disk, not in memory that counts.
    kind = container("mysql").exec_run(["stat", "--file-system", "--format=%T", in_force["tmpdir"]]).output.decode()
    assert kind.strip() not in ("", "tmpfs")


def test_a_slow_query_is_in_the_containers_log(
    connect: Callable[..., pymysql.Connection], container: Callable[..., Container]
) -> None:
    rows(connect("shop"), "SELECT SLEEP(2.1), 'a slow one'")
    rows(connect("shop"), "SELECT SLEEP(0.1), 'a quick one'")
    log = container("mysql").logs(tail=50).decode()
    assert "SELECT SLEEP(2.1), 'a slow one'" in log
    assert "a quick one" not in log


def test_the_health_check_fails_while_the_server_does_not_answer(
    container: Callable[..., Container], host: Host
) -> None:
    server = container("mysql")
    check = server.attrs["Config"]["Healthcheck"]["Test"][1:]
    process = str(server.attrs["State"]["Pid"])
    assert server.exec_run(check).exit_code == 0
    host.check_output("kill -STOP %s", process)
    frozen = server.exec_run(["timeout", "5", *check]).exit_code
    host.check_output("kill -CONT %s", process)
    assert frozen != 0
    assert server.exec_run(check).exit_code == 0


def write_until_it_fails(connection: pymysql.Connection, committed: list[int]) -> None:
    with connection.cursor() as cursor:
        for number in itertools.count():
            cursor.execute("INSERT INTO written VALUES (%s)", (number,))
            committed.append(number)


def test_what_was_committed_is_there_after_the_server_was_killed(
    connect: Callable[..., pymysql.Connection], container: Callable[..., Container], host: Host
) -> None:
    before = container("mysql")
    writer = connect("shop", database="shop")
    rows(writer, "CREATE TABLE written (id INT PRIMARY KEY)")
    committed = []
    kill = "systemd-run --on-active=1 --timer-property=AccuracySec=50ms kill -9 %s"
    host.check_output(kill, str(before.attrs["State"]["Pid"]))
    with pytest.raises(pymysql.OperationalError, match="Lost connection"):
        write_until_it_fails(writer, committed)
    assert len(committed) > 10
    assert wait_until(lambda: running(container("mysql")) != running(before) and container("mysql").health == "healthy")
    assert container("mysql").id == before.id
    reader = connect("shop", database="shop")
    found = [number for (number,) in rows(reader, "SELECT id FROM written ORDER BY id")]
    assert found[: len(committed)] == committed
    assert [state for *_, state in rows(reader, "CHECK TABLE written EXTENDED")] == ["OK"]
    rows(reader, "DROP TABLE written")


def test_a_setting_that_the_server_does_not_know_stops_the_run_before_the_server_is_touched(
    site: Callable[..., Any], container: Callable[..., Container], snapshot: Callable[[], str]
) -> None:
    before = snapshot(), running(container("mysql"))
    run = site("--diff", "-e", '{"mysql_settings": {"innodb_buffer_pool_sise": "1G"}}')
    assert run.exit_code != 0
    assert "mysql: mysql refuses its new settings; the ones in force are kept" in run.output
    assert "unknown variable 'innodb_buffer_pool_sise=1G'" in run.output
    assert (snapshot(), running(container("mysql"))) == before


def test_a_password_that_sql_would_misread_is_refused(
    run_tasks: Callable[..., Any], snapshot: Callable[[], str]
) -> None:
    before = snapshot()
    run = run_tasks([ROLE], shop_mysql_password="it's; DROP DATABASE shop --")
    assert run.exit_code != 0
    assert "shop_mysql_password: 16 or more letters, digits, '_' and '-' are needed, a letter first" in run.output
    assert "DROP DATABASE" not in run.output
    assert snapshot() == before


def test_a_statement_that_the_server_refuses_shows_no_password_and_changes_nobody_s(
    site: Callable[..., Any], connect: Callable[..., pymysql.Connection], secrets: dict[str, str]
) -> None:
    databases = [{"name": "shop", "user": "it's", "secret": "shop_mysql_password"}]
    run = site("-vvv", "--diff", "-e", json.dumps({"mysql_databases": databases}))
    assert run.exit_code != 0
    assert "mysql: mysql did not take up its new settings" in run.output
    assert "ERROR 1064 (42000)" in run.output
    assert "The configuration before this run is in force again." in run.output
    assert [name for name, value in secrets.items() if value in run.output] == []
    assert rows(connect("shop"), "SELECT 1") == [(1,)]


def test_passwords_change_only_when_that_is_asked_for_and_are_never_shown(
    site: Callable[..., Any],
    connect: Callable[..., pymysql.Connection],
    root: Callable[[str], list[list[str]]],
    process_lists: Callable[[], str],
    secrets: dict[str, str],
    inventory: Path,
    host: Host,
) -> None:
    new = {name: f"New-{uuid.uuid4()}" for name in ("mysql_root_password", "shop_mysql_password")}
    store = inventory / ".secrets" / f"{host.ansible.get_variables()['inventory_hostname']}.json"
    store.write_text(json.dumps({**secrets, **new}))

    refused = site("-vvv", "--diff")
    assert refused.exit_code != 0
    assert "_password: the value given differs from the one in force on this host" in refused.output
    assert rows(connect("shop"), "SELECT 1") == [(1,)]

    done = site("-vvv", "--diff", "-e", f"onebox_rotate_secrets={','.join(new)}")
    assert done.exit_code == 0, done.output
    assert "+new (hidden)" in done.output
    assert done.changed == ["onebox.stack.mysql : Run the database server", "onebox.stack.app : Run shop"]
    assert rows(connect("shop", new["shop_mysql_password"]), "SELECT 1") == [(1,)]
    assert rows(connect("news_letter"), "SELECT 1") == [(1,)]
    assert root("SELECT 1") == [["1"]]
    with pytest.raises(pymysql.OperationalError, match="Access denied"):
        connect("shop", secrets["shop_mysql_password"])

    lists = process_lists()
    assert "mariadb --user=mysql" in lists
    for secret in (*secrets.values(), *new.values()):
        assert secret not in refused.output + done.output
        assert secret not in lists


def test_an_app_that_comes_gets_a_database_and_one_that_goes_leaves_its_own_and_the_server_runs_on(
    play: Callable[..., Any],
    connect: Callable[..., pymysql.Connection],
    root: Callable[[str], list[list[str]]],
    container: Callable[..., Container],
    inventory: Path,
    host: Host,
) -> None:
    before = running(container("mysql"))
    variables = host.ansible.get_variables()
    apps = variables["onebox_apps"]
    more = {"onebox_apps": {**apps, "wiki": apps["shop"]}}
    come = play("playbooks/site.yml", "--tags", "mysql", "-v", "-e", json.dumps(more))
    assert (come.exit_code, come.actions) == (
        0,
        [
            "write /opt/onebox/secrets/mysql/wiki_mysql_password",
            "write /opt/onebox/secrets/mysql/databases.sql",
            "load the settings of mysql",
        ],
    ), come.output
    password = json.loads((inventory / ".secrets" / f"{variables['inventory_hostname']}.json").read_text())
    wiki = connect("wiki", password["wiki_mysql_password"], "wiki")
    rows(wiki, "CREATE TABLE pages (id INT)")

    go = play("playbooks/site.yml", "--tags", "mysql", "-v")
    assert (go.exit_code, go.actions) == (
        0,
        [
            "write /opt/onebox/secrets/mysql/databases.sql",
            "remove /opt/onebox/secrets/mysql/wiki_mysql_password",
            "load the settings of mysql",
        ],
    ), go.output
    assert root("SHOW TABLES IN wiki") == [["pages"]]
    assert running(container("mysql")) == before
    root("DROP DATABASE wiki; DROP USER wiki")


def test_drift_is_named_by_check_mode_and_exactly_that_is_repaired(
    site: Callable[..., Any],
    connect: Callable[..., pymysql.Connection],
    container: Callable[..., Container],
    engine: docker.DockerClient,
    snapshot: Callable[[], str],
) -> None:
    container("shop-worker").stop(timeout=0)
    # With its data: the server that comes in its place must be told of the databases again.
    container("mysql").remove(force=True)
    engine.volumes.get("onebox_mysql-data").remove()
    drifted = snapshot()
    drift = ["start mysql (0 of 1 containers there)", "load the settings of mysql", "start shop-worker (exited)"]
    check = site("--check", "--diff")
    assert (check.exit_code, check.actions) == (0, drift), check.output
    assert snapshot() == drifted

    repair = site()
    assert (repair.exit_code, repair.actions) == (0, drift), repair.output
    assert rows(connect("shop", database="shop"), "SHOW TABLES") == []
    again = site("--check")
    assert (again.exit_code, again.changed) == (0, []), again.output
