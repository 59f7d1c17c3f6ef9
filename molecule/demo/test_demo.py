# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The demo's stack as its users and its operator see it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from testinfra.host import Host

from lab import api, engine
from lab.vps import Vps
from observing import remote_executions

SERVICES = {"mysql", "nginx", "redis", "shop-scheduler", "shop-web", "shop-worker"}


# What a run may leave on a host that has nothing yet.
TREE = "ls -A /opt /etc/docker /etc/apt/sources.list.d 2>&1; dpkg-query --show; ls /usr/bin/docker 2>&1 || true"


class Shop:
    """The shop through nginx, as a browser asks it."""

    def __init__(self, web: requests.Session) -> None:
        self.web = web
        self.base = "https://shop.localhost"

    def get(self, path: str) -> requests.Response:
        return self.web.get(f"{self.base}{path}", timeout=10)

    def order(self, product: str = "guji", quantity: int = 2) -> int:
        answer = self.web.post(f"{self.base}/api/orders", json={"product": product, "quantity": quantity}, timeout=10)
        assert answer.status_code == 201, answer.text
        return int(answer.json()["id"])

    def invoiced(self, order: int, seconds: float = 30) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found: dict[str, Any] = self.get(f"/api/orders/{order}").json()
            if found["status"] == "invoiced":
                return found
            time.sleep(0.2)
        raise AssertionError(f"order {order} is not invoiced after {seconds} s: {found}")


@pytest.fixture
def shop(web: requests.Session) -> Shop:
    return Shop(web)


@pytest.fixture
def vps(host: Host) -> Vps:
    client = engine.connect()
    assert client is not None
    return Vps(client, host.ansible.get_variables()["inventory_hostname"])


def containers(host: Host) -> dict[str, str]:
    """The ids of the stack's containers, by service."""
    lines = host.check_output("docker ps --no-trunc --format '{{.Label \"com.docker.compose.service\"}} {{.ID}}'")
    return dict(line.split() for line in lines.splitlines())


def test_an_order_goes_through_the_whole_stack(shop: Shop) -> None:
    found = shop.invoiced(shop.order())
    assert found["quantity"] == 2
    page = shop.get("/")
    assert page.status_code == 200
    assert f"{found['id']}" in page.text


def test_the_health_page_says_that_every_part_is_there(shop: Shop) -> None:
    answer = shop.get("/health")
    assert answer.status_code == 200
    assert answer.json()["checks"]["database"] == "ok"
    assert answer.json()["checks"]["scheduler_seen_seconds"] < 30


def test_exactly_the_planned_containers_run(host: Host) -> None:
    assert set(containers(host)) == SERVICES


def test_the_limits_fit_the_machine(host: Host) -> None:
    inspected = json.loads(host.check_output("docker inspect $(docker ps -q)"))
    limits = [container["HostConfig"]["Memory"] // 2**20 for container in inspected]
    assert all(limits)
    assert sum(limits) < 4096 - 500


def test_a_run_without_changes_takes_one_execution_a_service_and_few_in_all(converge: Callable[..., Any]) -> None:
    run = converge("-vvv")
    assert run.exit_code == 0, run.output
    assert run.changed == ["Compare the containers with those of the run before"] or run.changed == []
    executions = remote_executions(run.output)
    services = {name: count for name, count in executions.items() if " : Run " in name}
    assert set(services.values()) == {1}, services
    assert len(services) == 4, services
    # The scenario's own look at the containers does not count.
    assert sum(executions.values()) - executions["List the containers"] <= 20, executions


def test_no_secret_is_shown(host: Host, converge: Callable[..., Any], secrets: dict[str, str]) -> None:
    assert len(secrets) >= 3
    shown = converge("-vvv", "--diff", "-e", '{"redis_settings": {"timeout": 0}}').output
    shown += converge("-vvv", "--diff").output
    for name, value in secrets.items():
        assert value not in shown, name
        # The negative: what is searched for is what the host uses.
        assert host.run("grep -rqF %s /opt/demo/secrets", value).rc == 0, name


def test_check_mode_on_a_bare_host_tells_the_whole_install_and_does_none_of_it(tmp_path: Path) -> None:
    shutil.copytree("inventories/demo/group_vars", tmp_path / "group_vars")
    bare = api.create("bare")
    try:
        bare.write_inventory(tmp_path / "hosts.yml")
        before = bare.exec("sh", "-c", TREE).stdout
        command = ["ansible-playbook", "site.yml", "--check", "--diff", "-i", str(tmp_path)]
        environment = os.environ | {"ANSIBLE_NOCOLOR": "true", "ANSIBLE_FORCE_COLOR": "false"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        after = bare.exec("sh", "-c", TREE).stdout
    finally:
        api.destroy("bare")
    assert done.returncode == 0, done.stdout
    blocks = {block.partition("]")[0]: block for block in done.stdout.split("\nTASK [")}
    for task in (
        "onebox.stack.docker : Install Docker and Compose",
        "onebox.stack.mysql : Run the database server",
        "onebox.stack.redis : Run redis",
        "onebox.stack.app : Run shop",
        "onebox.stack.nginx : Run nginx",
    ):
        assert "\nchanged: [bare]" in blocks[task], blocks[task]
    assert "+maxmemory-policy noeviction" in done.stdout
    for value in json.loads((tmp_path / ".secrets/bare.json").read_text()).values():
        assert value not in done.stdout
    assert after == before


def test_status_tells_a_well_stack_from_a_sick_one(host: Host, play: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "status.json"
    well = play("playbooks/status.yml", "-e", f"onebox_status_file={file}")
    assert well.exit_code == 0, well.output
    status = json.loads(file.read_text())
    assert status["well"] is True
    assert {service["name"] for service in status["services"]} == SERVICES
    for service in status["services"]:
        assert service["planned_mib"] == service["limit_mib"] >= service["peak_mib"] >= 1, service
        assert service["oom_kills"] == 0, service
    host.check_output("docker stop demo-shop-worker-1")
    sick = play("playbooks/status.yml")
    host.check_output("docker start demo-shop-worker-1")
    assert sick.exit_code != 0
    assert "shop-worker: 0 of 1 containers run" in sick.output


def test_the_plan_is_written_as_a_page_and_as_json_beside_what_is_used(
    play: Callable[..., Any], tmp_path: Path
) -> None:
    run = play("playbooks/plan.yml", "-e", f"onebox_plan_directory={tmp_path}")
    assert run.exit_code == 0, run.output
    written = json.loads((tmp_path / "onebox-demo.json").read_text())
    assert set(written["plan"]["services"]) == SERVICES
    assert set(written["measured"]["services"]) == SERVICES
    page = (tmp_path / "onebox-demo.html").read_text()
    assert all(f">{service}<" in page for service in SERVICES)
    assert not re.search(r"(?:src|href)=|@import|url\((?!#)", page), "the page needs something from elsewhere"


def test_one_more_worker_and_a_cache_restart_no_backing_service(
    host: Host, inventory: Path, converge: Callable[..., Any], play: Callable[..., Any]
) -> None:
    before = containers(host)
    store = next((inventory / ".secrets").glob("*.json"))
    secrets = store.read_text()
    apps = host.ansible.get_variables()["onebox_apps"]
    apps["shop"]["processes"]["worker"]["replicas"] = 2
    more = {"onebox_apps": apps, "onebox_services": {"redis_cache": True}}
    # All of the memory is given out: the apps make room, once they are allowed to.
    refused = play("playbooks/site.yml", "-e", json.dumps(more))
    assert refused.exit_code != 0
    named = re.findall(r"^ +([\w-]+): \d+ to \d+ MiB", refused.output, re.MULTILINE)
    assert set(named) == {"shop-scheduler", "shop-web", "shop-worker"}
    assert containers(host) == before
    run = play("playbooks/site.yml", "-e", json.dumps({**more, "onebox_replan": True}))
    assert run.exit_code == 0, run.output
    after = containers(host)
    assert set(after) == SERVICES | {"redis_cache"}
    assert {name for name in SERVICES if after[name] != before[name]} == set(named)
    for run in (converge("-e", "onebox_remove=redis_cache"), converge()):
        assert run.exit_code == 0, run.output
    assert set(containers(host)) == SERVICES
    store.write_text(secrets)
    assert {name for name in SERVICES if containers(host)[name] != before[name]} == set(named)


def test_a_limit_in_force_changes_only_when_that_is_allowed(host: Host, play: Callable[..., Any]) -> None:
    before = containers(host)
    limit = json.loads(host.check_output("docker inspect demo-mysql-1"))[0]["HostConfig"]["Memory"] // 2**20
    own = {"onebox_memory": {"mysql": {"limit_mib": limit - 8}}}
    run = play("playbooks/site.yml", "-e", json.dumps(own))
    assert run.exit_code != 0
    assert f"mysql: {limit} to {limit - 8} MiB" in run.output
    assert "Allow it with -e onebox_replan=true" in run.output
    assert containers(host) == before


def test_check_mode_names_exactly_the_drift_and_a_run_repairs_it(
    host: Host, converge: Callable[..., Any], shop: Shop
) -> None:
    before = containers(host)
    host.check_output("docker rm -f demo-shop-worker-1")
    host.check_output("docker stop demo-redis-1")
    host.check_output("sed -i 's/^appendfsync.*/appendfsync no/' /opt/demo/services/redis/redis.conf")
    tree = (
        "find /opt/demo -type f -exec md5sum {} + | sort; docker ps -a --no-trunc --format '{{.ID}} {{.State}}' | sort"
    )
    drifted = host.check_output(tree)

    check = converge("--check", "--diff")
    assert check.exit_code == 0, check.output
    assert check.changed == ["onebox.stack.redis : Run redis", "onebox.stack.app : Run shop"]
    assert "-appendfsync no" in check.output
    assert host.check_output(tree) == drifted, "check mode changed something"

    run = converge()
    assert run.exit_code == 0, run.output
    assert [task for task in run.changed if task.startswith("onebox")] == check.changed
    after = containers(host)
    assert {name for name in SERVICES if after[name] != before[name]} == {"redis", "shop-worker"}
    shop.invoiced(shop.order())


def test_a_second_operator_gets_the_secrets_back_and_changes_nothing(
    inventory: Path, converge: Callable[..., Any]
) -> None:
    file = next((inventory / ".secrets").glob("*.json"))
    kept = file.read_text()
    file.unlink()
    run = converge()
    assert run.exit_code == 0, run.output
    assert [task for task in run.changed if task.startswith("onebox")] == []
    assert json.loads(file.read_text()) == json.loads(kept)
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_differing_password_is_refused_and_nothing_is_changed(host: Host, converge: Callable[..., Any]) -> None:
    before = containers(host)
    run = converge("-e", "redis_password=AnotherPassword1234")
    assert run.exit_code != 0
    assert "redis_password: the value given differs from the one in force on this host" in run.output
    assert containers(host) == before


BAD_INPUT = {
    "too little memory": (["-e", "onebox_total_mib=900"], "the services do not fit in memory"),
    "an unknown service": (
        ["-e", '{"onebox_services": {"redsi": true}}'],
        "onebox_services.redsi: unknown; did you mean 'redis'?",
    ),
    "an unknown variable": (
        ["-e", "onebox_projet=x"],
        "onebox_projet: not a variable of onebox.stack; did you mean 'onebox_project'?",
    ),
    "an unknown profile": (
        ["-e", "onebox_profile=smal-prod"],
        "onebox_profile: 'smal-prod' is unknown; did you mean 'small-prod'?",
    ),
    "an app without an image": (
        ["-e", '{"onebox_apps": {"a": {"tag": "1", "processes": {"w": {"command": ["true"]}}}}}'],
        "onebox_apps.a.image: missing",
    ),
    "an app without a domain": (
        [
            "-e",
            '{"onebox_apps": {"a": {"image": "i", "tag": "1", "processes": {"w":'
            ' {"kind": "http", "port": 80, "health": ["true"]}}}}}',
        ],
        "onebox_apps.a.domains: missing",
    ),
    "two apps on one domain": (
        [
            "-e",
            json.dumps(
                {
                    "onebox_apps": {
                        name: {
                            "image": "i",
                            "tag": "1",
                            "domains": ["x.example.com"],
                            "processes": {"web": {"kind": "http", "port": 80, "health": ["true"]}},
                        }
                        for name in ("a", "b")
                    }
                }
            ),
        ],
        "onebox_apps.b.domains: x.example.com belongs to onebox_apps.a already",
    ),
    "YAML that is broken": (["-e", "@{broken}"], "broken.yml"),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_gets_one_clear_error_and_changes_nothing(
    case: str, host: Host, converge: Callable[..., Any], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.yml"
    broken.write_text("onebox_apps: {shop: [\n")
    options, message = BAD_INPUT[case]
    before = containers(host)
    run = converge(*(option.format(broken=broken) if "{broken}" in option else option for option in options))
    assert run.exit_code != 0
    assert message in run.output, run.output
    assert "Traceback" not in run.output
    assert [task for task in run.changed if task.startswith("onebox")] == []
    assert containers(host) == before


def test_an_image_that_does_not_exist_is_named_and_the_stack_keeps_running(
    host: Host, converge: Callable[..., Any], shop: Shop
) -> None:
    before = containers(host)
    run = converge("-e", "nginx_tag=1.0.0-none")
    assert run.exit_code != 0
    assert "nginx: the image nginx:1.0.0-none cannot be pulled" in run.output
    assert containers(host) == before
    assert shop.get("/health").status_code == 200


def test_the_stack_comes_back_by_itself_after_a_power_cut(vps: Vps, shop: Shop) -> None:
    order = shop.order()
    shop.invoiced(order)
    vps.power_cycle()
    deadline = time.monotonic() + 120
    while True:
        try:
            answer = shop.get(f"/api/orders/{order}")
            if answer.status_code == 200:
                break
        except requests.ConnectionError:
            pass
        assert time.monotonic() < deadline, "the shop does not answer after a power cut"
        time.sleep(1)
    assert answer.json()["status"] == "invoiced"
    shop.invoiced(shop.order())
