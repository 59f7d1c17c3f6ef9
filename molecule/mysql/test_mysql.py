# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The database server, of either flavour, as the apps, the backups and their operator meet it."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import ssl
import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
BACKUP = "onebox_backup"
NO_RIGHT_ON_DATABASE, NO_RIGHT_ON_TABLE, NO_RIGHT_TO_GRANT, NO_RIGHT = 1044, 1142, 1045, 1227


@dataclass(frozen=True)
class Flavor:
    """How the servers differ for who uses them: programs and their options, words, and the numbers of errors."""

    server: str
    client: str
    dump: str
    read_passwords: str
    own_databases: frozenset[str]
    no_files: int
    no_local_files: int


FLAVORS = {
    "mariadb": Flavor(
        server="mariadbd",
        client="mariadb --skip-ssl-verify-server-cert",
        dump="mariadb-dump --skip-ssl-verify-server-cert",
        read_passwords="SELECT * FROM mysql.global_priv",
        own_databases=frozenset({"information_schema"}),
        no_files=1045,
        no_local_files=4166,
    ),
    "mysql": Flavor(
        server="mysqld",
        client="mysql --ssl-mode=REQUIRED",
        dump="mysqldump --ssl-mode=REQUIRED --no-tablespaces --set-gtid-purged=OFF",
        read_passwords="SELECT * FROM mysql.user",
        own_databases=frozenset({"information_schema", "performance_schema"}),
        no_files=1227,
        no_local_files=3948,
    ),
}


@pytest.fixture(scope="module")
def flavor_name(host: Host) -> str:
    return str(host.ansible.get_variables().get("mysql_flavor", "mariadb"))


@pytest.fixture(scope="module")
def flavor(flavor_name: str) -> Flavor:
    return FLAVORS[flavor_name]


@pytest.fixture
def connect(reach: Callable[..., str], secrets: dict[str, str]) -> Iterator[Callable[..., pymysql.Connection]]:
    """Connect over the network as the user of an app: `connect("shop")`; others give their password."""
    connections = []
    # MySQL asks for a password on a line that is encrypted only; its certificate is one that it made itself.
    encrypted = ssl.create_default_context()
    encrypted.check_hostname, encrypted.verify_mode = False, ssl.CERT_NONE

    def connect(user: str, password: str | None = None, database: str | None = None) -> pymysql.Connection:
        connections.append(
            pymysql.connect(
                unix_socket=reach("mysql", 3306),
                user=user,
                password=secrets[f"{user}_mysql_password"] if password is None else password,
                database=database,
                autocommit=True,
                local_infile=True,
                ssl=encrypted,
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
def root(container: Callable[..., Container], flavor: Flavor) -> Callable[[str], list[list[str]]]:
    """Run SQL as root inside the container, where alone root is let in; returns the rows."""
    password = 'MYSQL_PWD="$(cat /run/secrets/mysql_root_password)"'
    client = f"{password} exec {flavor.client} --user=root --batch --skip-column-names"

    def root(sql: str) -> list[list[str]]:
        code, output = container("mysql").exec_run(["sh", "-c", f'{client} --execute="$0"', sql])
        assert code == 0, output.decode()
        return [line.split("\t") for line in output.decode().splitlines()]

    return root


@pytest.fixture
def job(
    engine: docker.DockerClient, container: Callable[..., Container], secrets: dict[str, str]
) -> Callable[[str], str]:
    """Run a shell command in a container of its own, beside the server, with the password of the user for backups."""

    def job(command: str) -> str:
        server = container("mysql")
        output = engine.containers.run(
            server.image,
            ["sh", "-c", command],
            user="999:999",
            environment={"MYSQL_PWD": secrets["mysql_backup_password"]},
            network=next(iter(server.attrs["NetworkSettings"]["Networks"])),
            remove=True,
            # What it writes can be read back from this driver's log alone.
            log_config=docker.types.LogConfig(type="json-file"),
        )
        return str(output.decode())

    return job


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


def health_check(server: Container) -> list[str]:
    """The command with which the engine asks how the container is."""
    kind, *command = server.attrs["Config"]["Healthcheck"]["Test"]
    return ["sh", "-c", *command] if kind == "CMD-SHELL" else command


def test_an_app_reaches_its_database_by_the_names_and_the_secret_that_it_was_given(
    container: Callable[..., Container], flavor: Flavor
) -> None:
    client = f"{flavor.client} --batch --skip-column-names"
    login = '--host="$DB_HOST" --port="$DB_PORT" --user="$DB_USERNAME" "$DB_DATABASE"'
    ask = f'MYSQL_PWD="$(cat "$DB_PASSWORD_FILE")" {client} {login} --execute="SELECT database(), @@hostname"'
    code, output = container("news-letter-worker").exec_run(["sh", "-c", ask])
    assert code == 0, output.decode()
    assert output.decode().split() == ["news_letter", container("mysql").attrs["Config"]["Hostname"]]


def test_an_app_has_all_rights_on_its_own_database_and_none_elsewhere(
    connect: Callable[..., pymysql.Connection], root: Callable[[str], list[list[str]]], flavor: Flavor
) -> None:
    root("CREATE DATABASE newsXletter; CREATE TABLE newsXletter.t (a INT); CREATE TABLE shop.orders (a INT)")
    app = connect("news_letter")
    grants = [re.sub(r" IDENTIFIED BY .*", "", grant) for (grant,) in rows(app, "SHOW GRANTS")]
    assert grants == [
        "GRANT USAGE ON *.* TO `news_letter`@`%`",
        "GRANT ALL PRIVILEGES ON `news\\_letter`.* TO `news_letter`@`%`",
    ]
    assert {name for (name,) in rows(app, "SHOW DATABASES")} == {*flavor.own_databases, "news_letter"}
    rows(app, "CREATE TABLE news_letter.t (a INT)")
    rows(app, "DROP TABLE news_letter.t")
    assert refusal(app, "USE shop") == NO_RIGHT_ON_DATABASE
    assert refusal(app, "SELECT * FROM shop.orders") == NO_RIGHT_ON_TABLE
    assert refusal(app, flavor.read_passwords) == NO_RIGHT_ON_TABLE
    assert refusal(app, "SELECT * FROM newsXletter.t") == NO_RIGHT_ON_TABLE
    assert refusal(app, "CREATE USER eve IDENTIFIED BY 'eve'") == NO_RIGHT
    assert refusal(app, "SELECT 1 INTO OUTFILE '/tmp/1'") == flavor.no_files
    assert refusal(app, "LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE news_letter.t") == flavor.no_local_files
    assert refusal(app, "SET GLOBAL slow_query_log = OFF") == NO_RIGHT
    root("DROP DATABASE newsXletter; DROP TABLE shop.orders")


def test_a_client_with_a_wrong_password_or_none_is_refused(connect: Callable[..., pymysql.Connection]) -> None:
    for user, password in (("shop", "wrong"), ("shop", ""), (BACKUP, "wrong"), (BACKUP, ""), ("", ""), ("nobody", "")):
        with pytest.raises(pymysql.OperationalError, match="Access denied"):
            connect(user, password)


def test_root_is_let_in_inside_the_container_only(
    connect: Callable[..., pymysql.Connection], root: Callable[[str], list[list[str]]], secrets: dict[str, str]
) -> None:
    assert root("SELECT current_user()") == [["root@localhost"]]
    for user in ("root", "mysql", "healthcheck"):
        with pytest.raises(pymysql.OperationalError, match="Access denied"):
            connect(user, secrets["mysql_root_password"])


def test_only_the_apps_and_the_backups_have_users_that_may_come_over_the_network(
    root: Callable[[str], list[list[str]]],
) -> None:
    users = [tuple(row) for row in root("SELECT user, host FROM mysql.user")]
    from_outside = {user for user, host in users if host not in ("localhost", "127.0.0.1", "::1")}
    assert from_outside == {"shop", "news_letter", BACKUP}
    assert "" not in {user for user, _host in users}
    databases = {name for (name,) in root("SHOW DATABASES")}
    assert databases == {"information_schema", "mysql", "performance_schema", "sys", "shop", "news_letter"}


def test_a_backup_in_a_container_of_its_own_reads_all_of_every_database(
    connect: Callable[..., pymysql.Connection], job: Callable[[str], str], flavor: Flavor
) -> None:
    app = connect("shop", database="shop")
    for sql in (
        "CREATE TABLE orders (id INT PRIMARY KEY, invoice BLOB)",
        "INSERT INTO orders VALUES (4711, X'00FF')",
        "CREATE VIEW recent AS SELECT id FROM orders",
        "CREATE TRIGGER on_order BEFORE INSERT ON orders FOR EACH ROW SET NEW.id = NEW.id + 1",
        "CREATE PROCEDURE archive() DELETE FROM orders WHERE id < 1000",
        "CREATE FUNCTION answer() RETURNS INT DETERMINISTIC RETURN 42",
        "CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2100-01-01' DO CALL archive()",
    ):
        rows(app, sql)
    login = f"--host=onebox-mysql --user={BACKUP}"
    kinds = "--single-transaction --routines --triggers --events --hex-blob"
    found = job(
        f"for name in $({flavor.client} {login} --batch --skip-column-names --execute='SHOW DATABASES'"
        " | grep -vxE 'information_schema|performance_schema|mysql|sys');"
        f" do {flavor.dump} {login} {kinds} --databases $name || exit; done"
    )
    for wanted in (
        "USE `news_letter`;",
        r"CREATE TABLE `orders` \(",
        r"INSERT INTO `orders` VALUES\s*\(4711,0x00FF\);",
        "VIEW `recent` AS",
        "TRIGGER `?on_order`? BEFORE INSERT",
        r"PROCEDURE `archive`\(\)",
        r"FUNCTION `answer`\(\)",
        "EVENT `nightly` ON SCHEDULE EVERY 1 DAY",
    ):
        assert re.search(wanted, found), wanted
    rows(app, "DROP EVENT nightly")
    rows(app, "DROP FUNCTION answer")
    rows(app, "DROP PROCEDURE archive")
    rows(app, "DROP VIEW recent")
    rows(app, "DROP TABLE orders")


def test_the_user_for_backups_changes_nothing_by_itself(
    connect: Callable[..., pymysql.Connection], secrets: dict[str, str], flavor: Flavor
) -> None:
    app = connect("shop", database="shop")
    rows(app, "CREATE TABLE invoices (id INT)")
    # One that acts with its definer's rights is the app's own to define, and may be called: views need it.
    rows(app, "CREATE PROCEDURE clear_up() SQL SECURITY INVOKER DELETE FROM invoices")
    backup = connect(BACKUP, secrets["mysql_backup_password"], "shop")
    for sql, error in {
        "INSERT INTO invoices VALUES (1)": NO_RIGHT_ON_TABLE,
        "UPDATE invoices SET id = 1": NO_RIGHT_ON_TABLE,
        "DELETE FROM invoices": NO_RIGHT_ON_TABLE,
        "TRUNCATE TABLE invoices": NO_RIGHT_ON_TABLE,
        "ALTER TABLE invoices ADD more INT": NO_RIGHT_ON_TABLE,
        "DROP TABLE invoices": NO_RIGHT_ON_TABLE,
        "CREATE TABLE more (id INT)": NO_RIGHT_ON_TABLE,
        "LOCK TABLES invoices WRITE": NO_RIGHT_ON_DATABASE,
        "CALL clear_up()": NO_RIGHT_ON_TABLE,
        "CREATE PROCEDURE more() DELETE FROM invoices": NO_RIGHT_ON_DATABASE,
        "CREATE DATABASE more": NO_RIGHT_ON_DATABASE,
        "DROP DATABASE shop": NO_RIGHT_ON_DATABASE,
        "UPDATE mysql.user SET user = 'eve'": NO_RIGHT_ON_TABLE,
        "CREATE USER eve": NO_RIGHT,
        "GRANT SELECT ON *.* TO shop": NO_RIGHT_TO_GRANT,
        "SET GLOBAL slow_query_log = OFF": NO_RIGHT,
        "SELECT 1 INTO OUTFILE '/tmp/1'": flavor.no_files,
    }.items():
        assert refusal(backup, sql) == error, sql
    assert rows(backup, "SELECT LOAD_FILE('/run/secrets/mysql_root_password')") == [(None,)]
    rows(app, "DROP PROCEDURE clear_up")
    rows(app, "DROP TABLE invoices")


def test_the_server_keeps_to_what_follows_from_the_containers_limit(
    connect: Callable[..., pymysql.Connection], container: Callable[..., Container], flavor_name: str
) -> None:
    limit_mib = container("mysql").attrs["HostConfig"]["Memory"] // 2**20
    in_force = dict(rows(connect("shop"), "SHOW GLOBAL VARIABLES"))
    # The apps have two workers.
    planned = tuning(limit_mib, "mysql", flavor=flavor_name, connections=20)
    wanted = {**planned, "local_infile": "OFF", "log_bin": "OFF"}
    units = {"K": 2**10, "M": 2**20}
    for name, value in wanted.items():
        number = re.fullmatch(r"(\d+)([KM])", str(value))
        plain = str(int(number[1]) * units[number[2]]) if number else str(value)
        assert in_force[name] in ({"0": ("0", "OFF")}.get(plain, plain)), name
    # On disk, not in memory that counts.
    kind = container("mysql").exec_run(["stat", "--file-system", "--format=%T", in_force["tmpdir"]]).output.decode()
    assert kind.strip() not in ("", "tmpfs")


def test_no_commit_and_no_page_is_given_up_for_speed(connect: Callable[..., pymysql.Connection]) -> None:
    in_force = dict(rows(connect("shop"), "SHOW GLOBAL VARIABLES"))
    assert (in_force["innodb_flush_log_at_trx_commit"], in_force["innodb_doublewrite"]) == ("1", "ON")


def test_a_slow_query_is_in_the_containers_log_and_in_no_file_that_grows(
    connect: Callable[..., pymysql.Connection],
    container: Callable[..., Container],
    root: Callable[[str], list[list[str]]],
) -> None:
    rows(connect("shop"), "SELECT SLEEP(0.1), 'a quick one'")
    rows(connect("shop"), "SELECT SLEEP(2.1), 'a slow one'")
    assert wait_until(lambda: "SELECT SLEEP(2.1), 'a slow one'" in container("mysql").logs(tail=50).decode())
    assert "a quick one" not in container("mysql").logs(tail=50).decode()
    ((path,),) = root("SELECT @@slow_query_log_file")
    size = ["stat", "--dereference", "--format=%s", path]
    assert wait_until(lambda: container("mysql").exec_run(size).output == b"0\n")


def test_no_password_is_logged_however_slow_the_server_is(
    site: Callable[..., Any],
    connect: Callable[..., pymysql.Connection],
    container: Callable[..., Container],
    root: Callable[[str], list[list[str]]],
    secrets: dict[str, str],
    host: Host,
) -> None:
    root("SET GLOBAL long_query_time = 0")
    host.check_output("rm /opt/onebox/secrets/mysql/databases.sql")
    repair = site()
    rows(connect("shop"), "SELECT 'the last one'")
    assert wait_until(lambda: "SELECT 'the last one'" in container("mysql").logs(tail=100).decode())
    root("SET GLOBAL long_query_time = 2")
    assert "load the settings of mysql" in repair.actions, repair.output
    log = container("mysql").logs().decode()
    assert [name for name, value in secrets.items() if value in log] == []


def test_the_health_check_fails_while_the_server_does_not_answer(
    container: Callable[..., Container], host: Host
) -> None:
    server = container("mysql")
    check = health_check(server)
    process = str(server.attrs["State"]["Pid"])
    assert server.exec_run(check).exit_code == 0
    host.check_output("kill -STOP %s", process)
    frozen = server.exec_run(["timeout", "5", *check]).exit_code
    host.check_output("kill -CONT %s", process)
    assert frozen != 0
    assert server.exec_run(check).exit_code == 0


def test_the_health_check_is_not_taken_in_by_the_server_that_makes_a_data_directory(
    container: Callable[..., Container], engine: docker.DockerClient, flavor: Flavor
) -> None:
    server = container("mysql")
    mounts = [mount for mount in server.attrs["Mounts"] if mount["Type"] == "bind"]
    new = engine.containers.run(
        server.image,
        [flavor.server, "--skip-networking"],
        user="999:999",
        environment=server.attrs["Config"]["Env"],
        volumes=[f"{mount['Source']}:{mount['Destination']}:ro" for mount in mounts],
        detach=True,
    )
    answers = [*flavor.client.split(), "--user=mysql", "--execute=SELECT 1"]
    try:
        assert wait_until(lambda: new.exec_run(answers).exit_code == 0)
        assert new.exec_run(health_check(server)).exit_code != 0
        assert server.exec_run(health_check(server)).exit_code == 0
    finally:
        new.remove(force=True, v=True)


def test_the_server_stops_in_order_although_clients_are_connected(
    connect: Callable[..., pymysql.Connection], container: Callable[..., Container]
) -> None:
    before = container("mysql")
    client = connect("shop", database="shop")
    rows(client, "CREATE TABLE open_ended (id INT PRIMARY KEY)")
    rows(client, "INSERT INTO open_ended VALUES (1)")
    client.begin()
    rows(client, "INSERT INTO open_ended VALUES (2)")
    before.stop()
    stopped = container("mysql")
    assert stopped.attrs["State"]["ExitCode"] == 0
    assert "Shutdown complete" in stopped.logs(tail=5).decode()
    with pytest.raises(pymysql.MySQLError):
        rows(client, "SELECT 1")
    stopped.start()
    assert wait_until(lambda: container("mysql").health == "healthy")
    reader = connect("shop", database="shop")
    assert rows(reader, "SELECT id FROM open_ended") == [(1,)]
    rows(reader, "DROP TABLE open_ended")


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
    site: Callable[..., Any],
    connect: Callable[..., pymysql.Connection],
    container: Callable[..., Container],
    secrets: dict[str, str],
) -> None:
    before = running(container("mysql"))
    # As no inventory can say it, since such a name is refused before.
    databases = [{"name": "shop", "user": "it's", "secret": "shop_mysql_password"}]
    run = site("-vvv", "--diff", "-e", json.dumps({"__mysql_databases": databases}))
    assert run.exit_code != 0
    assert "mysql: mysql did not take up its new settings" in run.output
    assert "ERROR 1064 (42000)" in run.output
    assert "The configuration before this run is in force again." in run.output
    log = container("mysql").logs().decode()
    assert [name for name, value in secrets.items() if value in run.output + log] == []
    assert rows(connect("shop"), "SELECT 1") == [(1,)]
    assert running(container("mysql")) == before


def test_passwords_change_only_when_that_is_asked_for_and_are_never_shown(
    site: Callable[..., Any],
    connect: Callable[..., pymysql.Connection],
    root: Callable[[str], list[list[str]]],
    container: Callable[..., Container],
    process_lists: Callable[[], str],
    secrets: dict[str, str],
    inventory: Path,
    host: Host,
    flavor: Flavor,
) -> None:
    names = ("mysql_root_password", "mysql_backup_password", "shop_mysql_password")
    new = {name: f"New-{uuid.uuid4()}" for name in names}
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
    assert rows(connect(BACKUP, new["mysql_backup_password"]), "SELECT 1") == [(1,)]
    assert root("SELECT 1") == [["1"]]
    for user, name in (("shop", "shop_mysql_password"), (BACKUP, "mysql_backup_password")):
        with pytest.raises(pymysql.OperationalError, match="Access denied"):
            connect(user, secrets[name])

    lists = process_lists()
    assert f"{flavor.client.split()[0]} --user=mysql" in lists
    log = container("mysql").logs().decode()
    for secret in (*secrets.values(), *new.values()):
        assert secret not in refused.output + done.output
        assert secret not in lists
        assert secret not in log


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
    snapshot: Callable[[], str],
) -> None:
    rows(connect("shop", database="shop"), "CREATE TABLE kept (id INT)")
    container("shop-worker").stop(timeout=0)
    container("mysql").remove(force=True)
    drifted = snapshot()
    drift = ["start mysql (0 of 1 containers there)", "load the settings of mysql", "start shop-worker (exited)"]
    check = site("--check", "--diff")
    assert (check.exit_code, check.actions) == (0, drift), check.output
    assert snapshot() == drifted

    repair = site()
    assert (repair.exit_code, repair.actions) == (0, drift), repair.output
    rows(connect("shop", database="shop"), "DROP TABLE kept")
    again = site("--check")
    assert (again.exit_code, again.changed) == (0, []), again.output


def test_a_server_whose_data_is_gone_starts_anew_only_when_the_loss_is_accepted(
    site: Callable[..., Any],
    connect: Callable[..., pymysql.Connection],
    container: Callable[..., Container],
    engine: docker.DockerClient,
) -> None:
    mounts = {mount["Destination"]: mount["Name"] for mount in container("mysql").attrs["Mounts"] if "Name" in mount}
    volume = mounts["/var/lib/mysql"]
    container("mysql").remove(force=True)
    engine.volumes.get(volume).remove()
    refused = site()
    assert refused.exit_code != 0
    assert f"the host has a record of data in the volume {volume}, which is empty or gone" in refused.output

    done = site("-e", "onebox_accept_data_loss=mysql")
    assert done.exit_code == 0, done.output
    assert "load the settings of mysql" in done.actions
    assert rows(connect("shop", database="shop"), "SHOW TABLES") == []
    again = site("--check")
    assert (again.exit_code, again.changed) == (0, []), again.output


# Whoever holds the lock of the stack: the module, and the commands that it runs.
KILL = """
for process in /proc/[0-9]*; do
  ls -l $process/fd | grep -q /opt/onebox/.lock && kill -9 ${process#/proc/}
done 2>/dev/null
docker kill onebox-mysql-1
"""


def test_a_first_start_that_was_cut_off_in_the_middle_is_begun_again(
    site: Callable[..., Any],
    connect: Callable[..., pymysql.Connection],
    container: Callable[..., Container],
    engine: docker.DockerClient,
    host: Host,
    inventory: Path,
) -> None:
    mounts = {mount["Destination"]: mount for mount in container("mysql").attrs["Mounts"] if "Name" in mount}
    data = mounts["/var/lib/mysql"]
    container("mysql").remove(force=True)
    engine.volumes.get(data["Name"]).remove()
    command = ["ansible-playbook", "--inventory", str(inventory), "playbooks/site.yml", "--tags", "mysql"]
    run = subprocess.Popen(
        [*command, "-e", "onebox_accept_data_loss=mysql"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert wait_until(lambda: host.run("test -e %s/ibdata1", data["Source"]).rc == 0, 120)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    host.check_output(KILL)
    assert json.loads(host.check_output("cat /opt/onebox/.data.json"))["services"]["mysql"]["ready"] is False

    finished = site()
    assert finished.exit_code == 0, finished.output
    assert f"remove volume {data['Name']} (its first start was cut off)" in finished.actions
    assert rows(connect("shop", database="shop"), "SHOW TABLES") == []
    again = site("--check")
    assert (again.exit_code, again.changed) == (0, []), again.output
