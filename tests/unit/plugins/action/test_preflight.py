# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is refused before a host is touched, with the task and the variables of roles/onebox, and a host made up."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible_collections.onebox.stack.plugins.action.preflight import ActionModule
from ansible_collections.onebox.stack.plugins.module_utils._tuning import floor_mib

from rendering import LOAD, ROLES, templar

APP = {
    "image": "api",
    "tag": "1",
    "uses": ["mysql"],
    "domains": ["api.example.com"],
    "processes": {"web": {"kind": "http", "port": 3000, "runtime": "node", "health": ["check"]}},
}
HOST = {
    "changed": False,
    "distribution": {"id": "debian", "version": "13", "codename": "trixie"},
    "cpus": 2,
    "disk_free_mib": 40960,
    "memory": {"total_mib": 1900},
    "limits_mib": {},
    "replicas": {},
    "ports": {},
    "secrets": ["mysql_root_password"],
    "services": [],
    "data": {},
}
REFUSED = "Nothing was changed. To mend:\n- "


@pytest.fixture
def preflight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Run the first task of tasks/check.yml, on a host that differs from `HOST` in this, with these variables."""

    def preflight(host: dict[str, Any] | None = None, **variables: Any) -> dict[str, Any]:
        values = {
            "onebox_services": {"nginx": True, "mysql": True},
            "onebox_apps": {"api": APP},
            "__onebox_ask_host": True,
            "__onebox_deploy": True,
            **variables,
        }
        renderer = templar(ROLES / "onebox", tmp_path, values)
        task = DataLoader().load_from_file(str(ROLES / "onebox/tasks/check.yml"), **LOAD)[0]
        args = renderer.template(task["onebox.stack.preflight"])
        action = ActionModule(
            task=Mock(args=args, async_val=0, check_mode=False, diff=False),
            connection=Mock(),
            play_context=Mock(),
            loader=DataLoader(),
            templar=renderer,
            shared_loader_obj=None,
        )
        monkeypatch.setattr(action, "_execute_module", lambda _module, **_options: {**HOST, **(host or {})})
        return action.run(task_vars=renderer.available_variables)

    return preflight


def test_what_fits_goes_on_with_what_was_found_out_about_the_host(preflight: Callable[..., dict[str, Any]]) -> None:
    assert preflight() == HOST


def test_without_looking_at_the_host_the_total_must_be_given_and_is_planned_with(
    preflight: Callable[..., dict[str, Any]],
) -> None:
    assert preflight(__onebox_ask_host=False, onebox_total_mib=1900) == {"changed": False}
    shown = preflight(__onebox_ask_host=False, onebox_total_mib=900)["msg"]
    assert shown.startswith(f"{REFUSED}the services do not fit in memory: ")
    assert "\n- Use a host with " in shown


def test_the_memory_and_the_processors_of_the_host_are_what_is_planned_with(
    preflight: Callable[..., dict[str, Any]],
) -> None:
    floors = []
    for cpus in (1, 2):
        shown = preflight(host={"memory": {"total_mib": 900}, "cpus": cpus})["msg"]
        floors += re.findall(r"^nginx +1 +(\d+) ", shown, re.MULTILINE)
        assert re.search(r"^total +896 ", shown, re.MULTILINE)
    assert floors == [str(floor_mib("nginx", cpus=1)), str(floor_mib("nginx", cpus=2))]


@pytest.mark.parametrize("deploy", [True, False])
def test_a_service_without_a_role_can_be_planned_and_not_brought_up(
    deploy: bool, preflight: Callable[..., dict[str, Any]]
) -> None:
    services = {"nginx": True, "meilisearch": True}
    result = preflight(onebox_services=services, onebox_apps={}, __onebox_deploy=deploy)
    error = "onebox_services.meilisearch: its memory can be planned, but onebox.stack has no role yet that runs it"
    assert result.get("msg", "") == (f"{REFUSED}{error}; take it out" if deploy else "")


IN_FORCE = {"limits_mib": {"mysql": 400, "nginx": 96}, "replicas": {"mysql": 1, "nginx": 1}}
PINNED = {"onebox_memory": {"mysql": {"limit_mib": 424}}}


def test_a_change_of_limits_in_force_stops_the_run_and_names_who_would_restart(
    preflight: Callable[..., dict[str, Any]],
) -> None:
    assert preflight(host=IN_FORCE, **PINNED)["msg"] == (
        f"{REFUSED}the memory plan changes what is in force, and restarts:\n"
        "  mysql: 400 to 424 MiB\n"
        "  Allow it with -e onebox_replan=true"
    )


@pytest.mark.parametrize(
    ("connections", "wanted", "problem"),
    [
        (20, {}, "  mysql: 20 to 30 connections\n"),
        (30, {}, ""),
        (60, {}, ""),
        ("60", {"onebox_plan_afresh": True}, "  mysql: 60 to 30 connections\n"),
        (60, {"mysql_max_connections": 60}, ""),
        (30, {"mysql_max_connections": "60"}, "  mysql: 30 to 60 connections\n"),
    ],
)
def test_a_database_is_tuned_anew_for_more_connections_only_when_that_is_allowed(
    connections: Any, wanted: dict[str, Any], problem: str, preflight: Callable[..., dict[str, Any]]
) -> None:
    host = {"tuned_for": {"mysql": {"connections": connections}}}
    refusal = f"{REFUSED}the memory plan changes what is in force, and restarts:\n{problem}"
    allow = "  Allow it with -e onebox_replan=true"
    found = preflight(host=host, **wanted).get("msg", "")
    assert found == (refusal + allow if problem else "")


@pytest.mark.parametrize("allowed", [{"onebox_replan": True}, {"onebox_replan": "true"}, {"__onebox_deploy": False}])
def test_a_change_that_is_allowed_or_only_planned_goes_on(
    allowed: dict[str, Any], preflight: Callable[..., dict[str, Any]]
) -> None:
    assert "failed" not in preflight(host=IN_FORCE, **PINNED, **allowed)


def test_a_run_that_is_allowed_changes_what_the_refused_one_named(value: Callable[..., Any]) -> None:
    variables = {
        "onebox_services": {"nginx": True, "mysql": True},
        "onebox_apps": {"api": APP},
        "onebox_host": {**HOST, **IN_FORCE},
        **PINNED,
    }
    plans = [value("onebox_memory_plan", **variables, onebox_replan=replan) for replan in (False, True)]
    assert plans[0] == plans[1]
    assert plans[0]["changes"] == [{"name": "mysql", "from": 400, "to": 424}]


@pytest.fixture
def value(tmp_path: Path) -> Callable[..., Any]:
    def value(name: str, **variables: Any) -> Any:
        renderer = templar(ROLES / "onebox", tmp_path, variables)
        return renderer.template(renderer.available_variables[name])

    return value


def test_limits_in_force_that_fit_are_kept_unless_a_plan_afresh_is_asked_for(
    preflight: Callable[..., dict[str, Any]],
) -> None:
    assert "failed" not in preflight(host=IN_FORCE)
    assert "\n  mysql: 400 to " in preflight(host=IN_FORCE, onebox_plan_afresh=True)["msg"]


@pytest.mark.parametrize(
    ("variables", "error"),
    [
        ({"onebox_memory": {"mysql": {"floor": 1}}}, "onebox_memory.mysql.floor: unknown; did you mean 'floor_mib'?"),
        (
            {"onebox_memory": {"redis": {"weight": 1}}},
            "onebox_memory.redis: nothing of this name runs here; there is nginx, mysql, api-web",
        ),
        ({"onebox_memory": []}, "onebox_memory: a dictionary is needed, such as {mysql: {ideal_mib: 512}}, not []"),
        (
            {"onebox_apps": {"api": {**APP, "processes": []}}},
            "onebox_apps.api.processes: a dictionary is needed, not []",
        ),
        ({"mysql_flavor": "percona"}, "mysql: no tuning for flavor 'percona'; there is mariadb, mysql"),
        (
            {"mysql_max_connections": "many"},
            "mysql: connections must be a whole number, 1 or more, not 'many'",
        ),
        ({"onebox_profile": "small"}, "onebox_profile: 'small' is unknown; did you mean 'small-prod'?"),
        (
            {"onebox_plan_afrsh": True},
            "onebox_plan_afrsh: not a variable of onebox.stack; did you mean 'onebox_plan_afresh'? Rename it",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_in_our_own_words(
    variables: dict[str, Any], error: str, preflight: Callable[..., dict[str, Any]]
) -> None:
    assert preflight(**variables)["msg"] == f"{REFUSED}{error}"


@pytest.mark.parametrize(
    ("host", "error"),
    [
        (
            {"distribution": {"id": "alpine", "version": "3.22", "codename": ""}},
            "the host runs 'alpine 3.22'; onebox.stack supports debian 12 13, ubuntu 22.04 24.04 26.04",
        ),
        (
            {"disk_free_mib": 900},
            "only 900 MiB of disk are free for Docker, 5120 are needed; make room, or a bigger disk",
        ),
        (
            {"ports": {"80": "apache2 (pid 7)"}},
            "port 80 is held by apache2 (pid 7); nginx needs it. Stop and disable that program",
        ),
    ],
)
def test_a_host_that_stands_in_the_way_is_refused(
    host: dict[str, Any], error: str, preflight: Callable[..., dict[str, Any]]
) -> None:
    assert preflight(host=host)["msg"] == f"{REFUSED}{error}"


ELSEWHERE = {
    "onebox_services": {"nginx": True},
    "onebox_managed": {"mysql": {"host": "db.example.net"}},
    "api_mysql_password": "{{ api_given }}",
    "api_given": "from a vault",
}


def test_an_app_may_use_a_database_elsewhere(preflight: Callable[..., dict[str, Any]]) -> None:
    assert preflight(**ELSEWHERE) == HOST


@pytest.mark.parametrize(
    ("variables", "error"),
    [
        (
            {"onebox_managed": {}},
            "onebox_apps.api.uses: 'mysql' is not among the services of this host; add it to onebox_services, or to "
            "onebox_managed",
        ),
        (
            {"onebox_managed": {"mysql": {"host": "db", "port": "3306"}}},
            "onebox_managed.mysql.port: a whole number is needed, not '3306'",
        ),
        (
            {"onebox_managed": ["mysql"]},
            "onebox_managed: a dictionary of servers by engine is needed, such as {mysql: {host: db.example.net, port: "
            "25060}}, not ['mysql']",
        ),
        (
            {"onebox_profile": "small-prod"},
            "onebox_managed.mysql: 'mysql' runs on this host too, by onebox_profile or onebox_services; leave one of "
            "them out, such as with onebox_services: {mysql: false}",
        ),
        (
            {"api_mysql_password": 7},
            "api_mysql_password: the password of 'api' on db.example.net must be a text (in quotes) of one line; the "
            "value is not shown here",
        ),
    ],
)
def test_a_database_elsewhere_that_cannot_be_used_is_refused(
    variables: dict[str, Any], error: str, preflight: Callable[..., dict[str, Any]]
) -> None:
    assert preflight(**{**ELSEWHERE, **variables})["msg"].splitlines()[1] == f"- {error}"


@pytest.mark.parametrize("deploy", [True, False])
def test_its_password_is_needed_to_bring_the_stack_up_and_not_to_plan(
    deploy: bool, preflight: Callable[..., dict[str, Any]]
) -> None:
    variables = {name: value for name, value in ELSEWHERE.items() if name != "api_mysql_password"}
    error = (
        f"{REFUSED}api_mysql_password: missing; the password of 'api' on db.example.net cannot be generated. Give it "
        "as a variable of this name, from a vault"
    )
    assert preflight(**variables, __onebox_deploy=deploy).get("msg", "") == (error if deploy else "")


def test_a_limit_below_what_an_engine_needs_is_refused(preflight: Callable[..., dict[str, Any]]) -> None:
    shown = preflight(onebox_memory={"mysql": {"limit_mib": 64}})["msg"]
    assert shown.startswith(f"{REFUSED}mysql: limit_mib 64 is below floor_mib ")
    assert shown.endswith("; raise limit_mib")


# -- what the host has already ---------------------------------------------------------------------------------------


def test_what_the_inventory_no_longer_has_stops_the_run_until_its_removal_is_allowed(
    preflight: Callable[..., dict[str, Any]],
) -> None:
    host = {"services": ["api", "mysql", "nginx", "redis", "wiki"]}
    assert preflight(host=host)["msg"] == (
        f"{REFUSED}the host runs what the inventory no longer has: redis, wiki. Put it back, or have it removed, which "
        "leaves its data: -e onebox_remove=redis,wiki"
    )
    assert "no longer has: redis." in preflight(host=host, onebox_remove=["wiki"])["msg"]
    assert "failed" not in preflight(host=host, onebox_remove="redis,wiki")
    assert "failed" not in preflight(host=host, __onebox_deploy=False)


def test_what_the_inventory_still_has_is_not_removed(preflight: Callable[..., dict[str, Any]]) -> None:
    assert preflight(onebox_remove=["mysql"])["msg"] == (
        f"{REFUSED}onebox_remove: 'mysql' is still in the inventory; take it out there first"
    )


MARIADB = {"format": "mariadb-11.8", "volume": "onebox_mariadb-11.8", "ready": True, "there": True}


def test_another_release_series_over_data_is_refused_with_the_way_to_get_there(
    preflight: Callable[..., dict[str, Any]],
) -> None:
    assert "failed" not in preflight(host={"data": {"mysql": MARIADB}})
    error = "(volume onebox_mariadb-11.8), and mariadb-12.3 was asked for, which has files of its own"
    shown = preflight(host={"data": {"mysql": MARIADB}}, mysql_tag="12.3.2-noble")["msg"]
    assert error in shown
    assert shown.endswith("ansible-playbook onebox.stack.upgrade -e service=mysql")
    allowed = preflight(host={"data": {"mysql": MARIADB}}, mysql_tag="12.3.2-noble", __onebox_upgrade="mysql")
    assert "failed" not in allowed


def test_data_that_is_gone_stops_the_run_until_it_is_given_up(preflight: Callable[..., dict[str, Any]]) -> None:
    host = {"data": {"mysql": {**MARIADB, "there": False}}}
    assert (
        "has a record of data in the volume onebox_mariadb-11.8, which is empty or gone" in preflight(host=host)["msg"]
    )
    assert "failed" not in preflight(host=host, onebox_accept_data_loss=["mysql"])


def test_a_series_without_fixes_is_refused_unless_it_is_accepted(preflight: Callable[..., dict[str, Any]]) -> None:
    old = {"mysql_tag": "10.5.29-jammy"}
    assert (
        "mysql_tag: '10.5.29-jammy' is of MariaDB 10.5, which has had no security fixes since"
        in preflight(**old)["msg"]
    )
    assert "failed" not in preflight(**old, onebox_accept_end_of_life=["mariadb-10.5"])
    assert "failed" not in preflight(**old, __onebox_deploy=False)
    assert preflight(onebox_accept_end_of_life=["maria-10.5"])["msg"] == (
        f"{REFUSED}onebox_accept_end_of_life: 'maria-10.5' is no release series; did you mean 'mariadb-10.5'?"
    )


def test_a_secret_that_is_to_change_must_be_one_of_the_host(preflight: Callable[..., dict[str, Any]]) -> None:
    assert "failed" not in preflight(onebox_rotate_secrets="mysql_root_password")
    assert preflight(onebox_rotate_secrets=["mysql_rot_password"])["msg"] == (
        f"{REFUSED}onebox_rotate_secrets: 'mysql_rot_password' is no secret of this host; "
        "did you mean 'mysql_root_password'?"
    )


@pytest.mark.parametrize(
    ("variables", "error"),
    [
        (
            {"mysql_databases": [{"name": "api"}]},
            "mysql_databases: 'api' is there already, as the name of an app or of another database",
        ),
        (
            {"mysql_databases": [{"name": "a"}, {"name": "b", "user": "a"}]},
            "mysql_databases: 'a' is there already, as the user of an app or of another database",
        ),
        (
            {"mysql_databases": [{"name": "It's"}]},
            "mysql_databases: 'It's' cannot be a name; use up to 32 small letters, digits and '_', a letter first",
        ),
        ({"mysql_databases": [{"nam": "b"}]}, "mysql_databases.nam: unknown; did you mean 'name'?"),
        (
            {"mysql_absent_databases": ["api"]},
            "mysql_absent_databases: 'api' is of an app, or declared in mysql_databases; take it out there first",
        ),
        (
            {"mysql_absent_databases": ["x`; DROP"]},
            "mysql_absent_databases: 'x`; DROP' cannot be the name of a database made here",
        ),
    ],
)
def test_declared_databases_that_cannot_be_are_refused(
    variables: dict[str, Any], error: str, preflight: Callable[..., dict[str, Any]]
) -> None:
    assert preflight(**variables)["msg"] == f"{REFUSED}{error}"


def test_databases_may_be_declared_beside_those_of_the_apps(preflight: Callable[..., dict[str, Any]]) -> None:
    reports = {"mysql_databases": [{"name": "reports", "user": "reader"}], "mysql_absent_databases": ["wiki"]}
    assert "failed" not in preflight(**reports)
