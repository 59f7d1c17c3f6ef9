# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From databases here to those of a provider: the data is copied, and the apps use what they can verify."""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from docker.models.containers import Container
from testinfra.host import Host

from certificates import Authority
from lab import engine as lab_engine
from managed_databases import ENGINES
from managed_servers import DATABASE, PASSWORD, SERVERS, USER, certify
from observing import running, wait_until
from rendering import RENDER, ROLES, find_collections, templar

find_collections()

ON_BOTH = pytest.mark.parametrize("name", list(ENGINES))


@pytest.fixture(scope="module")
def provider() -> docker.DockerClient:
    """The engine in which the provider's servers run."""
    client = lab_engine.connect()
    assert client is not None
    return client


@pytest.fixture(scope="module")
def authority(provider: docker.DockerClient) -> Authority:
    """The provider's CA, which signed what its servers present."""
    authority = Authority()
    for name, server in SERVERS.items():
        certify(provider, server, authority, server.address)
        assert wait_until(lambda name=name: ask_provider(provider, name, "SELECT 1")[0] == 0)
    return authority


def ask_provider(provider: docker.DockerClient, name: str, sql: str) -> tuple[int, str]:
    container = provider.containers.get(SERVERS[name].container_name)
    code, output = container.exec_run(["sh", "-c", ENGINES[name].admin, sql])
    return code, output.decode()


@pytest.fixture
def admin(provider: docker.DockerClient, authority: Authority) -> Callable[[str, str], list[str]]:
    """Run SQL on a server of the provider as who runs it; returns the lines of the answer."""

    def admin(name: str, sql: str) -> list[str]:
        code, output = ask_provider(provider, name, sql)
        assert code == 0, output
        return output.splitlines()

    return admin


@pytest.fixture(scope="module")
def ask(container: Callable[..., Container]) -> Callable[[str, str], tuple[int, list[str]]]:
    """Run SQL as an app, in its own container and by its own environment; returns the exit code and the lines."""

    def ask(name: str, sql: str) -> tuple[int, list[str]]:
        engine = ENGINES[name]
        code, output = container(f"{engine.app}-worker").exec_run(["bash", "-c", engine.client, sql])
        return code, output.decode().splitlines()

    return ask


def elsewhere(authority: Authority) -> dict[str, Any]:
    """The variables of an inventory whose databases are the provider's."""
    servers = {
        name: {
            "host": SERVERS[name].address,
            "ca": authority.certificate,
            "apps": {engine.app: {"database": DATABASE, "user": USER}},
        }
        for name, engine in ENGINES.items()
    }
    passwords = {f"{engine.app.replace('-', '_')}_{name}_password": PASSWORD for name, engine in ENGINES.items()}
    return {"onebox_services": dict.fromkeys(ENGINES, False), "onebox_managed": servers, **passwords}


@pytest.fixture
def move(play: Callable[..., Any], tmp_path: Path, authority: Authority) -> Callable[..., Any]:
    """Run a playbook with the inventory that names the provider's servers: `move("site.yml", "--check")`."""

    def move(playbook: str, *options: str, ca: Authority = authority) -> Any:
        variables = tmp_path / "elsewhere.json"
        variables.write_text(json.dumps(elsewhere(ca)))
        return play(f"playbooks/{playbook}", "-e", f"@{variables}", *options)

    return move


@pytest.fixture
def compare(host: Host, tmp_path: Path, authority: Authority) -> Callable[[str], tuple[int, str]]:
    """Compare both sides once more, with the role's own script; returns the exit code and what it says."""

    def compare(name: str) -> tuple[int, str]:
        variables = {**host.ansible.get_variables(), **elsewhere(authority), "__onebox_copy_engine": name}
        renderer = templar(ROLES / name, tmp_path, variables)
        lookup = lookup_loader.get("ansible.builtin.template", loader=DataLoader(), templar=renderer)
        script = lookup.run(["copy.sh.j2"], renderer.available_variables, **RENDER)[0]
        encoded = base64.b64encode(script.encode()).decode()
        run = "docker compose --project-directory /opt/onebox run --rm -T --no-deps"
        done = host.run(f"echo {shlex.quote(encoded)} | base64 -d | {run} {name}-client bash -s compare")
        return done.rc, done.stdout + done.stderr

    return compare


@pytest.fixture
def certified(provider: docker.DockerClient, authority: Authority) -> Iterator[Callable[..., None]]:
    """Have a server present another certificate until the end of the test: `certified("mysql", Authority())`."""
    changed = []

    def certified(name: str, by: Authority = authority, host: str = "", *, back: bool = False) -> None:
        changed.extend([] if back else [name])
        certify(provider, SERVERS[name], by, host or SERVERS[name].address)
        assert wait_until(lambda: ask_provider(provider, name, "SELECT 1")[0] == 0)

    yield certified
    for name in changed:
        certified(name, back=True)


@pytest.fixture(scope="module", autouse=True)
def put_back(
    play: Callable[..., Any], provider: docker.DockerClient, ask: Callable[..., tuple[int, list[str]]]
) -> Iterator[None]:
    """Leave the apps with the databases here, and all of them empty."""
    yield
    back = play("playbooks/site.yml")
    assert back.exit_code == 0, back.output
    for name, engine in ENGINES.items():
        ask_provider(provider, name, engine.empty.format(database=DATABASE))
        ask(name, engine.empty.format(database=engine.app.replace("-", "_")))


def as_it_was(container: Callable[..., Container]) -> list[tuple[str, str]]:
    return [running(container(f"{engine.app}-worker")) for engine in ENGINES.values()]


@ON_BOTH
def test_an_app_has_in_its_database_here_all_that_a_copy_must_bring(
    name: str, ask: Callable[..., tuple[int, list[str]]], admin: Callable[..., list[str]]
) -> None:
    assert ask(name, ENGINES[name].fill)[0] == 0
    admin(name, ENGINES[name].empty.format(database=DATABASE))


@ON_BOTH
def test_a_server_that_another_ca_signed_is_no_target(
    name: str, move: Callable[..., Any], container: Callable[..., Container]
) -> None:
    before = as_it_was(container)
    run = move("copy_data.yml", "-e", f"service={name}", ca=Authority())
    assert run.exit_code == 2
    assert run.changed == []
    assert f"onebox_managed.{name}: nothing was changed, since" in run.output
    assert ENGINES[name].another_ca in run.output, run.output
    assert as_it_was(container) == before


@ON_BOTH
def test_a_server_that_presents_another_name_is_no_target(
    name: str, move: Callable[..., Any], certified: Callable[..., None]
) -> None:
    certified(name, host="203.0.113.7")
    run = move("copy_data.yml", "-e", f"service={name}")
    assert run.exit_code == 2
    assert run.changed == []
    assert ENGINES[name].another_name in run.output, run.output


@ON_BOTH
def test_a_target_that_has_something_is_refused_and_left_alone(
    name: str, move: Callable[..., Any], admin: Callable[..., list[str]], container: Callable[..., Container]
) -> None:
    admin(name, "CREATE TABLE mine (a int); INSERT INTO mine VALUES (7)")
    before = as_it_was(container)
    run = move("copy_data.yml", "-e", f"service={name}")
    assert run.exit_code == 2
    assert run.changed == []
    assert re.search(rf"'{DATABASE}' on {SERVERS[name].address} is not empty, it has: (public\.)?mine\b", run.output)
    assert admin(name, "SELECT a FROM mine") == ["7"]
    assert as_it_was(container) == before
    admin(name, "DROP TABLE mine")


@ON_BOTH
def test_when_a_copy_fails_on_its_way_the_apps_run_again_and_what_is_left_behind_is_named_by_the_next_try(
    name: str,
    move: Callable[..., Any],
    admin: Callable[..., list[str]],
    ask: Callable[..., tuple[int, list[str]]],
    engine: docker.DockerClient,
) -> None:
    admin(name, ENGINES[name].break_off)
    app = f"label=onebox.service={ENGINES[name].app}"
    before = {container.id for container in engine.containers.list(filters={"label": app.removeprefix("label=")})}
    run = move("copy_data.yml", "-e", f"service={name}")
    admin(name, ENGINES[name].mend)
    assert run.exit_code == 2
    assert f"the data of {name} was not copied; the apps run on as before" in run.output
    assert {
        container.id for container in engine.containers.list(filters={"label": app.removeprefix("label=")})
    } == before
    assert ask(name, "SELECT count(*) FROM orders") == (0, ["2000"])
    if ENGINES[name].left_behind:
        again = move("copy_data.yml", "-e", f"service={name}")
        assert (again.exit_code, again.changed) == (2, [])
        assert f"is not empty, it has: {ENGINES[name].left_behind}" in again.output
        admin(name, ENGINES[name].empty.format(database=DATABASE))


def test_check_mode_looks_and_copies_nothing(move: Callable[..., Any], admin: Callable[..., list[str]]) -> None:
    run = move("copy_data.yml", "-e", "service=mysql", "--check")
    assert (run.exit_code, run.changed) == (0, []), run.output
    assert admin("mysql", "SHOW TABLES") == []


@ON_BOTH
def test_all_is_copied_while_the_app_rests_and_no_password_is_seen_on_the_way(
    name: str,
    move: Callable[..., Any],
    admin: Callable[..., list[str]],
    ask: Callable[..., tuple[int, list[str]]],
    container: Callable[..., Container],
    process_lists: Callable[[], str],
    secrets: dict[str, str],
) -> None:
    facts = [ask(name, fact) for fact in ENGINES[name].facts]
    run = move("copy_data.yml", "-e", f"service={name}", "-vvv")
    assert run.exit_code == 0, run.output
    assert re.search(
        rf"{ENGINES[name].app.replace('-', '_')} to '{DATABASE}': 2 tables, \d{{6,}} bytes of rows", run.output
    )
    assert f"-e onebox_remove={name}" in run.output
    for seen in (run.output, process_lists()):
        assert PASSWORD not in seen
        assert json.dumps(PASSWORD) not in seen
        assert secrets[f"{name}_backup_password"] not in seen
    assert [(0, admin(name, fact)) for fact in ENGINES[name].facts] == facts
    assert all(answer for _code, answer in facts)
    app = container(f"{ENGINES[name].app}-worker")
    assert app.status == "exited"
    app.start()
    assert [ask(name, fact) for fact in ENGINES[name].facts] == facts
    app.stop(timeout=0)


@ON_BOTH
def test_a_comparison_finds_what_differs(
    name: str, admin: Callable[..., list[str]], compare: Callable[[str], tuple[int, str]]
) -> None:
    assert compare(name)[0] == 0, compare(name)
    for sql, undo, difference in ENGINES[name].tamper:
        admin(name, sql)
        code, said = compare(name)
        assert code == 1
        assert difference in said
        admin(name, undo)


def test_the_apps_run_on_the_provider_s_servers_then_and_the_data_here_stays(
    move: Callable[..., Any],
    ask: Callable[..., tuple[int, list[str]]],
    container: Callable[..., Container],
    engine: docker.DockerClient,
    host: Host,
) -> None:
    volumes = [
        mount["Name"]
        for name in ENGINES
        for mount in container(name).attrs["Mounts"]
        if mount["Destination"].startswith("/var/lib/")
    ]
    refused = move("site.yml")
    assert refused.exit_code == 2
    assert "-e onebox_remove=mysql,postgresql" in refused.output
    run = move("site.yml", "-e", "onebox_remove=mysql,postgresql")
    assert run.exit_code == 0, run.output
    again = move("site.yml")
    assert (again.exit_code, again.changed) == (0, []), again.output
    for name, asked in ENGINES.items():
        assert "TLSv1.3" in ask(name, asked.tls)[1][0]
        assert ask(name, "SELECT count(*) FROM orders") == (0, ["2000"])
    running_here = {one.labels["onebox.service"] for one in engine.containers.list(filters={"label": "onebox.service"})}
    assert running_here == {"shop", "news-letter"}
    assert {volume.name for volume in engine.volumes.list()}.issuperset(volumes)
    assert len(volumes) == len(ENGINES)
    assert PASSWORD not in host.check_output("docker inspect $(docker ps --all --quiet)")


@ON_BOTH
@pytest.mark.parametrize("what", ["another_ca", "another_name"])
def test_an_app_refuses_a_server_that_it_cannot_verify(
    name: str, what: str, ask: Callable[..., tuple[int, list[str]]], certified: Callable[..., None]
) -> None:
    certified(name, by=Authority()) if what == "another_ca" else certified(name, host="203.0.113.7")
    code, said = ask(name, "SELECT 1")
    assert code != 0
    assert getattr(ENGINES[name], what) in " ".join(said)
    certified(name)
    assert ask(name, "SELECT 1") == (0, ["1"])
