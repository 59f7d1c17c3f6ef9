# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Databases on their way to another release series: refused by site.yml, taken there by upgrade.yml."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.models.containers import Container
from testinfra.host import Host

from observing import running, wait_until

UPGRADE = "playbooks/upgrade.yml"


@dataclass(frozen=True)
class Move:
    """A service, the format of its data before and after, the variables that ask for it, and its app."""

    service: str
    before: str
    after: str
    variables: dict[str, str]
    app: str

    def options(self) -> tuple[str, ...]:
        return "-e", json.dumps(self.variables)


MOVES = {
    move.service: move
    for move in (
        Move(
            "postgresql", "postgresql-15-bookworm", "postgresql-17-trixie", {"postgresql_tag": "17.11-trixie"}, "shop"
        ),
        Move("mysql", "mariadb-10.11", "mariadb-11.8", {"mysql_tag": "11.8.8-noble"}, "crm"),
        Move("redis", "valkey-8.1", "valkey-9.1", {"redis_tag": "9.1.2-alpine"}, "shop"),
    )
}

FILL = {
    "mysql": """
        CREATE TABLE crm.clients (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(99), photo BLOB, since TIMESTAMP(6));
        INSERT INTO crm.clients (name, photo, since)
        SELECT CONCAT('Zoë ', seq), UNHEX(MD5(seq)), NOW(6) FROM crm.seq_1_to_2000;
        CREATE VIEW crm.names AS SELECT name FROM crm.clients;
        CREATE TRIGGER crm.stamp BEFORE INSERT ON crm.clients FOR EACH ROW SET NEW.since = NOW(6);
        CREATE FUNCTION crm.twice(n INT) RETURNS INT DETERMINISTIC RETURN 2 * n;
        CREATE DATABASE gone; CREATE TABLE gone.notes (note TEXT); INSERT INTO gone.notes VALUES ('left over')""",
    "postgresql": """
        CREATE TABLE orders (id SERIAL PRIMARY KEY, body TEXT, photo BYTEA, since TIMESTAMPTZ DEFAULT now());
        INSERT INTO orders (body, photo)
        SELECT 'Zoë ' || n, decode(md5(n::text), 'hex') FROM generate_series(1, 2000) n;
        CREATE VIEW bodies AS SELECT body FROM orders;
        CREATE EXTENSION pg_trgm;
        SELECT lo_from_bytea(4711, 'an invoice');
        CREATE FUNCTION twice(n INT) RETURNS INT LANGUAGE sql AS 'SELECT 2 * n';
        ALTER TABLE orders OWNER TO shop""",
    "redis": "RPUSH queue a b c\nHSET user:1 name Zoë\nSET session:1 open EX 90000\nSELECT 1\nSET cache:1 x\n",
}
ASK = {
    "mysql": """
        SELECT COUNT(*), SUM(CRC32(CONCAT_WS('|', id, name, HEX(photo), since))) FROM crm.clients;
        SELECT COUNT(*) FROM crm.names;
        SELECT crm.twice(21), note FROM gone.notes;
        SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = 'crm'""",
    "postgresql": """
        SELECT count(*), md5(string_agg(orders::text, '|' ORDER BY id)) FROM orders;
        SELECT count(*), twice(21) FROM bodies;
        SELECT extname FROM pg_extension ORDER BY 1;
        SELECT convert_from(lo_get(4711), 'UTF8');
        SELECT nextval('orders_id_seq') > 2000;
        SELECT tableowner FROM pg_tables WHERE tablename = 'orders'""",
    "redis": "LRANGE queue 0 -1\nHGETALL user:1\nGET session:1\nEXPIRETIME session:1\nDBSIZE\n"
    "SELECT 1\nGET cache:1\nDBSIZE\n",
}
CLIENT = {
    "mysql": ["mariadb", "--user=mysql", "--batch", "--skip-column-names"],
    "postgresql": ["psql", "--username=postgres", "--dbname=shop", "--tuples-only", "--no-align", "--quiet"],
    "redis": [
        "sh",
        "-c",
        'REDISCLI_AUTH="$(cat /run/secrets/redis_password)" exec valkey-cli -e --user onebox --no-auth-warning',
    ],
}
# How an app gets in.
LOGIN = 'PGPASSWORD="$(cat "$DB_PASSWORD_FILE")" psql -h "$DB_HOST" -U "$DB_USERNAME" -c "" "$DB_DATABASE"'


@pytest.fixture
def ask(host: Host) -> Callable[[Move, str], list[str]]:
    """Tell a server something through its client, inside its container; returns the lines of the answer."""

    def ask(move: Move, words: str) -> list[str]:
        command = ["docker", "compose", "--project-directory", "/opt/onebox", "exec", "-T", move.service]
        command += CLIENT[move.service]
        quoted = " ".join("'" + word.replace("'", "'\\''") + "'" for word in command)
        return str(host.check_output("printf %%s %s | " + quoted.replace("%", "%%"), words)).splitlines()

    return ask


@pytest.fixture
def site(play: Callable[..., Any]) -> Callable[..., Any]:
    """Run the site's playbook as a move asks for it, or as the inventory does."""
    return lambda *options: play("playbooks/site.yml", "-v", *options)


def volume(container: Container, move: Move) -> str:
    """The volume with the data; another may hold what is temporary."""
    names = (mount["Name"] for mount in container.attrs["Mounts"] if mount["Type"] == "volume")
    return next(name for name in names if not name.endswith("-tmp"))


@pytest.fixture(scope="module")
def moved() -> dict[str, list[str]]:
    """What each server answered before."""
    return {}


@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES.keys())
def test_another_series_over_data_is_refused_and_the_server_runs_on(
    move: Move,
    site: Callable[..., Any],
    container: Callable[..., Container],
    ask: Callable[[Move, str], list[str]],
    snapshot: Callable[[], str],
    moved: dict[str, list[str]],
) -> None:
    ask(move, FILL[move.service])
    moved[move.service] = ask(move, ASK[move.service])
    before = snapshot(), running(container(move.service))
    refused = site(*move.options())
    assert refused.exit_code != 0
    assert f"{move.service}: its data on this host is of {move.before} (volume onebox_{move.before})" in refused.output
    assert f"ansible-playbook onebox.stack.upgrade -e service={move.service}" in refused.output
    assert (snapshot(), running(container(move.service))) == before


def test_an_upgrade_says_what_it_needs(play: Callable[..., Any]) -> None:
    assert "service: not given; say which one" in play(UPGRADE).output
    assert "service: minio; say which one" in play(UPGRADE, "-e", "service=minio").output


def test_an_upgrade_that_fails_leaves_the_old_server_and_its_apps_running(
    play: Callable[..., Any],
    container: Callable[..., Container],
    ask: Callable[[Move, str], list[str]],
    moved: dict[str, list[str]],
) -> None:
    move = MOVES["postgresql"]
    before = running(container("postgresql"))
    ask(move, "ALTER ROLE onebox_backup NOLOGIN")
    failed = play(UPGRADE, "-e", "service=postgresql", *move.options())
    ask(move, "ALTER ROLE onebox_backup LOGIN")
    assert failed.exit_code != 0
    assert "postgresql was not upgraded; it and the apps run on as before" in failed.output
    assert 'role "onebox_backup" is not permitted to log in' in failed.output
    assert running(container("postgresql")) == before
    assert wait_until(lambda: container("shop-worker").health == "healthy")
    assert ask(move, ASK["postgresql"])[:3] == moved["postgresql"][:3]
    with pytest.raises(AssertionError, match="there is no container of postgresql-next"):
        container("postgresql-next")


def test_an_upgrade_that_is_killed_is_finished_by_the_next(
    play: Callable[..., Any], container: Callable[..., Container], inventory: Path, host: Host
) -> None:
    move = MOVES["postgresql"]
    command = ["ansible-playbook", "--inventory", str(inventory), UPGRADE, "-e", "service=postgresql", *move.options()]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    assert wait_until(lambda: host.run("pgrep -f 'exec -T postgresql-next bash'").rc == 0, 120)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    host.run("pkill -9 -f 'exec -T postgresql-next bash'")
    assert container("postgresql-next").status == "running"
    assert container("shop-worker").status == "exited"
    refused = play("playbooks/site.yml", *move.options())
    assert "the host runs what the inventory no longer has: postgresql-next." in refused.output
    # The test after this one is the next upgrade.


@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES.keys())
def test_an_upgrade_takes_all_data_along_and_keeps_the_old_volume(
    move: Move,
    play: Callable[..., Any],
    site: Callable[..., Any],
    container: Callable[..., Container],
    engine: docker.DockerClient,
    ask: Callable[[Move, str], list[str]],
    moved: dict[str, list[str]],
    secrets: dict[str, str],
) -> None:
    others = {name: running(container(name)) for name in MOVES if name != move.service}
    before = [one for one in MOVES.values() if volume(container(one.service), one) == f"onebox_{one.after}"]
    options = [option for one in (*before, move) for option in one.options()]
    upgraded = play(UPGRADE, "-vvv", "--diff", "-e", f"service={move.service}", *options)
    assert upgraded.exit_code == 0, upgraded.output
    assert "copied, and equal on both sides:" in upgraded.output
    assert [name for name, value in secrets.items() if value in upgraded.output] == []
    assert volume(container(move.service), move) == f"onebox_{move.after}"
    assert f"onebox_{move.before}" in {one.name for one in engine.volumes.list()}
    assert ask(move, ASK[move.service]) == moved[move.service]
    assert {name: running(container(name)) for name in others} == others
    with pytest.raises(AssertionError, match="there is no container of"):
        container(f"{move.service}-next")
    app = container(f"{move.app}-worker")
    assert app.status == "running"
    if move.service == "postgresql":
        assert app.exec_run(["sh", "-c", LOGIN]).exit_code == 0

    again = site(*options)
    assert (again.exit_code, again.changed) == (0, []), again.output
    back = site()
    assert f"{move.service}: its data on this host is of {move.after} (volume onebox_{move.after})" in back.output


SIDE = {
    "onebox_project": "side",
    "onebox_directory": "/opt/side",
    "onebox_services": {"redis": True},
    "onebox_apps": {},
    "redis_flavor": "redis",
    "redis_tag": "8.2.9-alpine",
}
VALKEY = {"redis_flavor": "valkey", "redis_tag": "8.1.9-alpine"}


def test_what_valkey_cannot_read_of_redis_stays_with_redis_until_it_is_given_up(
    play: Callable[..., Any], container: Callable[..., Container], engine: docker.DockerClient
) -> None:
    assert play("playbooks/site.yml", "-e", json.dumps(SIDE)).exit_code == 0
    before = running(container("redis", "side"))
    ask = 'REDISCLI_AUTH="$(cat /run/secrets/redis_password)" redis-cli -e --user onebox --no-auth-warning'
    assert container("redis", "side").exec_run(["sh", "-c", f"{ask} RPUSH queue a b"]).exit_code == 0
    valkey = json.dumps(SIDE | VALKEY)
    refused = play("playbooks/site.yml", "-e", valkey)
    assert "redis: its data on this host is of redis-8.2 (volume side_redis-8.2)" in refused.output
    failed = play(UPGRADE, "-e", "service=redis", "-e", valkey)
    assert "redis was not upgraded; it and the apps run on as before, with the data as it was" in failed.output
    assert "the new server cannot read the data of the old one. Let the queues run empty" in failed.output
    assert running(container("redis", "side")) == before
    assert container("redis", "side").exec_run(["sh", "-c", f"{ask} LLEN queue"]).output == b"2\n"

    anew = play("playbooks/site.yml", "-e", valkey, "-e", "onebox_accept_data_loss=redis")
    assert anew.exit_code == 0, anew.output
    assert "side_redis-8.2" in {one.name for one in engine.volumes.list()}
