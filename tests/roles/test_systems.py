# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Five real systems on hosts of different sizes: what fits, how, and what is said of what does not.

An inventory of `systems/` is planned as playbooks/plan.yml plans it, from the variables of roles/onebox.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible_collections.onebox.stack.plugins.module_utils import _apps
from ansible_collections.onebox.stack.plugins.module_utils._memory import PlanError
from ansible_collections.onebox.stack.plugins.module_utils._tuning import worst_case_mib

from rendering import load

Inventory = dict[str, Any]
Planner = Callable[[Inventory, int], dict[str, Any]]

SYSTEMS = Path(__file__).parent / "systems"

# What a product's name promises, and what its kernel leaves of it.
GB = {1: 960, 2: 1900, 4: 3850, 8: 7800, 16: 15900}


@pytest.fixture
def planned(value: Callable[..., Any]) -> Planner:
    """Plan an inventory for so many MiB; PlanError when it does not fit."""

    def planned(inventory: Inventory, total_mib: int) -> dict[str, Any]:
        try:
            plan: dict[str, Any] = value("onebox", "onebox_memory_plan", **inventory, onebox_total_mib=total_mib)
        except AnsibleError as error:
            below: BaseException | None = error
            while below and not isinstance(below, PlanError):
                below = below.__cause__ or below.__context__
            if below is None:
                raise
            raise below from error
        return plan

    return planned


def system(name: str) -> Inventory:
    """Return an inventory: a file of systems/, or a variant of one."""
    if name == "bistro with search":
        inventory = system("bistro")
        inventory["onebox_services"]["meilisearch"] = True
    elif name == "bistro managed":
        inventory = system("bistro") | {"onebox_profile": "managed", "onebox_services": {"soketi": True}}
        without(inventory, ["mysql", "redis_cache", "minio"])
    elif name == "bistro on 2 GB":
        inventory = system("bistro")
        without(inventory, ["minio", "redis_cache"])
    elif name == "site":
        # The least there is: one Node process behind nginx.
        inventory = system("flotteq") | {"onebox_services": {"nginx": True}}
        backend = inventory["onebox_apps"]["backend"]
        inventory["onebox_apps"] = {"site": backend | {"uses": []}}
        backend["processes"]["web"]["replicas"] = 1
    else:
        inventory = copy.deepcopy(load(SYSTEMS / f"{name}.yml"))
    return inventory


def without(inventory: Inventory, services: list[str]) -> None:
    """Take these services out, with what was said of them, and out of what the apps use."""
    inventory["onebox_services"].update(dict.fromkeys(services, False))
    for name in services:
        inventory.get("onebox_memory", {}).pop(name, None)
    for app in inventory["onebox_apps"].values():
        app["uses"] = [engine for engine in app.get("uses", []) if engine not in services]


FITS = [
    ("bistro", 4, "start-first"),
    ("bistro with search", 4, "start-first"),
    ("bistro", 8, "start-first"),
    ("bistro on 2 GB", 2, "stop-first"),
    ("bistro managed", 2, "start-first"),
    ("brokerx", 2, "start-first"),
    ("brokerx", 4, "start-first"),
    ("brokerx", 8, "start-first"),
    ("copilot", 2, "start-first"),
    ("copilot", 4, "start-first"),
    ("flotteq", 4, "start-first"),
    ("crm", 16, "start-first"),
    ("site", 1, "stop-first"),
]
REFUSED = [("bistro", 2), ("bistro managed", 1), ("brokerx", 1), ("copilot", 1), ("flotteq", 2), ("crm", 4), ("crm", 8)]


@pytest.mark.parametrize("name", ["bistro", "brokerx", "copilot", "crm", "flotteq"])
def test_a_system_s_inventory_has_no_mistakes(name: str, value: Callable[..., Any]) -> None:
    inventory = system(name)
    enabled = value("onebox", "onebox_enabled_services", **inventory)
    known = value("onebox", "onebox_memory_services", **inventory)
    assert _apps.problems(inventory["onebox_apps"], enabled, known) == []
    assert _apps.memory_problems(inventory.get("onebox_memory", {})) == []


@pytest.mark.parametrize(("name", "gb", "order"), FITS)
def test_what_fits_fits_whole_and_every_engine_within_its_limit(
    name: str, gb: int, order: str, planned: Planner, value: Callable[..., Any]
) -> None:
    inventory = system(name)
    plan = planned(inventory, GB[gb])
    requests = value("onebox", "onebox_memory_requests", **inventory)
    assert plan["update_order"] == order
    assert plan["services"].keys() == requests.keys()
    used = sum(service["limit_mib"] * service["replicas"] for service in plan["services"].values())
    parts = ("reserve_mib", "jobs_mib", "rollout_mib", "spare_mib")
    assert used + sum(plan[part] for part in parts) == plan["total_mib"] <= GB[gb]
    assert (plan["rollout_mib"] > 0) == (order == "start-first")
    for key, service in plan["services"].items():
        assert service["floor_mib"] <= service["limit_mib"] <= service["ceiling_mib"]
        if "tuning" in requests[key]:
            facts = dict(requests[key]["tuning"])
            assert worst_case_mib(facts.pop("engine"), service["settings"], **facts) <= service["limit_mib"]


@pytest.mark.parametrize(
    ("name", "gb"), [("bistro", 4), ("bistro with search", 4), ("brokerx", 4), ("copilot", 4), ("flotteq", 4)]
)
def test_on_4_gb_everything_has_all_that_it_should_have_in_normal_production(
    name: str, gb: int, planned: Planner
) -> None:
    services = planned(system(name), GB[gb])["services"]
    assert all(service["limit_mib"] >= service["ideal_mib"] for service in services.values())


def test_flotteq_has_its_four_backends_on_4_gb(planned: Planner) -> None:
    assert planned(system("flotteq"), GB[4])["services"]["backend-web"]["replicas"] == 4


def test_crm_has_the_figures_of_its_owners_where_it_fits(planned: Planner) -> None:
    settings = {key: service.get("settings") for key, service in planned(system("crm"), GB[16])["services"].items()}
    assert int(settings["mysql"]["innodb_buffer_pool_size"].removesuffix("M")) >= 1024
    assert settings["mysql"]["max_connections"] == 200
    assert int(settings["redis"]["maxmemory"].removesuffix("mb")) >= 512
    assert (settings["redis"]["appendonly"], settings["crm-web"]["OCTANE_SERVER"]) == ("yes", "swoole")
    assert int(settings["crm-web"]["OCTANE_WORKERS"]) >= 4


def refusal(planned: Planner, inventory: Inventory, total_mib: int) -> tuple[PlanError, list[str]]:
    with pytest.raises(PlanError) as caught:
        planned(inventory, total_mib)
    return caught.value, [line.removeprefix("- ") for line in str(caught.value).splitlines() if line.startswith("- ")]


@pytest.mark.parametrize(("name", "gb"), REFUSED)
def test_what_does_not_fit_is_refused_with_what_is_missing_and_remedies_that_help(
    name: str, gb: int, planned: Planner, value: Callable[..., Any]
) -> None:
    inventory = system(name)
    error, remedies = refusal(planned, inventory, GB[gb])
    requests = value("onebox", "onebox_memory_requests", **inventory)
    floors = sum(
        ask["floor_mib"] * ask["replicas"] if "replicas" in ask else ask["floor_mib"] for ask in requests.values()
    )
    containers = sum(ask.get("replicas", 1) for ask in requests.values())
    total = GB[gb] // 64 * 64
    reserve = 180 + 131 + 9 * containers + 3 * 2 + max(128, -(-total * 5 // 100))
    assert error.shortfall_mib == floors + reserve + 192 - total
    for remedy in remedies:
        helped, helped_total = after(inventory, remedy, GB[gb])
        planned(helped, helped_total)
    enough = int(re.search(r"Use a host with (\d+) MiB", remedies[-1])[1])  # type: ignore[index]
    refusal(planned, inventory, enough - 1)


def test_crm_on_4_gb_is_told_that_it_lacks_as_much_again_and_what_that_would_take(planned: Planner) -> None:
    error, remedies = refusal(planned, system("crm"), GB[4])
    assert 3500 < error.shortfall_mib < 4000
    first, last = remedies
    assert re.fullmatch(
        r"Lower the floor_mib of redis from 1144 to \d+; use mysql as a managed service elsewhere "
        r"\(databases by onebox_managed\); lower the workers of crm-web from 4 to 1: saves \d+ MiB\.",
        first,
    )
    assert re.match(r"Use a host with (79|80)\d\d MiB for the stack", last)


def test_crm_on_8_gb_is_told_that_one_worker_fewer_is_enough(planned: Planner) -> None:
    error, remedies = refusal(planned, system("crm"), GB[8])
    assert 0 < error.shortfall_mib < 250
    assert any(remedy.startswith("Lower the workers of crm-web from 4 to 3: ") for remedy in remedies)


def test_flotteq_on_2_gb_may_choose_between_fewer_replicas_and_a_database_elsewhere(planned: Planner) -> None:
    _error, remedies = refusal(planned, system("flotteq"), GB[2])
    wanted = [
        "Use postgresql as a managed service elsewhere (databases by onebox_managed): saves ",
        "Lower the connections of postgresql from 60 to ",
        "Run fewer replicas: backend-web ",
    ]
    assert all(any(remedy.startswith(words) for remedy in remedies) for words in wanted)


def after(inventory: Inventory, remedy: str, total_mib: int) -> tuple[Inventory, int]:
    """Do to the inventory what a remedy says; return it, and the total."""
    helped = copy.deepcopy(inventory)
    text = remedy.lower().partition(": saves")[0]
    host = re.match(r"use a host with (\d+) mib", text)
    if host:
        return helped, int(host[1])
    for name, mib in re.findall(r"floor_mib of (\S+) from \d+ to (\d+)", text):
        helped["onebox_memory"][name]["floor_mib"] = int(mib)
    for name, number in re.findall(r"connections of (\S+) from \d+ to (\d+)", text):
        helped[f"{name}_max_connections"] = int(number)
    for name, number in re.findall(r"workers of (\S+) from \d+ to (\d+)", text):
        process(helped, name)["workers"] = int(number)
    for name, number in re.findall(r"(\S+) (\d+) instead of \d+", text):
        process(helped, name)["replicas"] = int(number)
    for names in re.findall(r"leave out (.+?) \(optional\)|use (.+?) as a managed service elsewhere", text):
        without(helped, "".join(names).split(", "))
    assert helped != inventory
    return helped, total_mib


def process(inventory: Inventory, key: str) -> dict[str, Any]:
    """Return a process by its key in the plan."""
    app, _dash, name = key.partition("-")
    found: dict[str, Any] = inventory["onebox_apps"][app]["processes"][name]
    return found
