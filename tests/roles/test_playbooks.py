# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbooks that need no host, run as a user runs them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def ansible_playbook(*arguments: str, cwd: Path = ROOT, exit_code: int = 0) -> str:
    """Run ansible-playbook with the collection of this tree; return what it prints."""
    environment = os.environ | {
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
        "ANSIBLE_NOCOLOR": "true",
        "PWD": str(cwd),  # as a shell sets it
    }
    done = subprocess.run(
        ["ansible-playbook", *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == exit_code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_init_makes_a_project_whose_plan_can_be_shown_at_once(tmp_path: Path) -> None:
    ansible_playbook("onebox.stack.init", "-e", "dest=shop", cwd=tmp_path)
    project = tmp_path / "shop"
    ansible_playbook("site.yml", "-i", "prod", "--syntax-check", cwd=project)
    shown = ansible_playbook("onebox.stack.plan", "-i", "prod", "-e", "onebox_total_mib=4096", cwd=project)
    assert "api-web" in shown
    assert "update order: start-first" in shown


def test_init_leaves_alone_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "shop/prod").mkdir(parents=True)
    (tmp_path / "shop/prod/hosts.yml").write_text("mine\n")
    ansible_playbook("onebox.stack.init", "-e", "dest=shop", cwd=tmp_path)
    assert (tmp_path / "shop/prod/hosts.yml").read_text() == "mine\n"


def test_init_says_what_it_needs(tmp_path: Path) -> None:
    assert "dest: not given" in ansible_playbook("onebox.stack.init", cwd=tmp_path, exit_code=2)


def test_a_plan_that_does_not_fit_is_refused_with_the_table_and_what_would_help() -> None:
    shown = ansible_playbook("playbooks/plan.yml", "-i", "inventories/demo", "-e", "onebox_total_mib=900", exit_code=2)
    assert "the services do not fit in memory" in shown
    assert "missing" in shown
    assert "MiB for the stack" in shown


def an_inventory(directory: Path, hosts: str = "demo: {}") -> Path:
    """Return a copy of the demo's inventory with these hosts, which are never reached."""
    shutil.copytree(ROOT / "inventories/demo/group_vars", directory / "prod/group_vars")
    (directory / "prod/hosts.yml").write_text(f"all: {{hosts: {{{hosts}}}}}\n")
    return directory / "prod"


def test_the_plan_is_written_beside_the_inventory_as_a_page_and_as_json_for_each_host(tmp_path: Path) -> None:
    inventory = an_inventory(tmp_path, "one: {onebox_total_mib: 2048}, two: {onebox_total_mib: 4096}")
    shown = ansible_playbook("playbooks/plan.yml", "-i", str(inventory))
    written = inventory / ".plan"
    assert {path.name for path in written.iterdir()} == {".gitignore", "one.html", "one.json", "two.html", "two.json"}
    assert (written / ".gitignore").read_text() == "*\n"
    for host, total in (("one", 2048), ("two", 4096)):
        figures = json.loads((written / f"{host}.json").read_text())
        assert (figures["name"], figures["plan"]["total_mib"]) == (f"demo on {host}", total)
        assert "measured" not in figures
        assert figures["plan"]["services"]["mysql"]["settings"]["max_connections"]
        assert f"<h1>Memory plan of demo on {host}</h1>" in (written / f"{host}.html").read_text()
        assert f"as a page: file://{written}/{host}.html\nas JSON: {written}/{host}.json" in shown
    assert ansible_playbook("playbooks/plan.yml", "-i", str(inventory)).count("changed=0") == 2


def test_a_plan_is_written_neither_in_check_mode_nor_without_a_directory(tmp_path: Path) -> None:
    inventory = an_inventory(tmp_path)
    given = ("playbooks/plan.yml", "-i", str(inventory), "-e", "onebox_total_mib=2048")
    for option in (["--check", "--diff"], ["-e", "onebox_plan_directory="]):
        shown = ansible_playbook(*given, *option)
        assert "update order: start-first" in shown
        assert "as a page" not in shown
    assert not (inventory / ".plan").exists()


def test_a_stack_without_services_has_nothing_to_plan(tmp_path: Path) -> None:
    inventory = an_inventory(tmp_path)
    nothing = "{onebox_profile: '', onebox_apps: {}, onebox_total_mib: 2048}"
    shown = ansible_playbook("playbooks/plan.yml", "-i", str(inventory), "-e", nothing, exit_code=2)
    assert "onebox_profile and onebox_services name no service, so there is nothing to plan" in shown


def copy_data(inventory: Path, **variables: object) -> str:
    """What the playbook says when it refuses to copy, before any host is asked."""
    given = json.dumps({"onebox_services": {"mysql": False}, "shop_mysql_password": "given", **variables})
    return ansible_playbook("playbooks/copy_data.yml", "-i", str(inventory), "-e", given, exit_code=2)


def test_copying_data_needs_to_know_of_which_engine_and_where_to(tmp_path: Path) -> None:
    inventory = an_inventory(tmp_path)
    managed = {"mysql": {"host": "db.example.net"}}
    wanted = "say which one, -e service=mysql or -e service=postgresql"
    assert f"service: not given; {wanted}" in copy_data(inventory)
    assert f"service: redis; {wanted}" in copy_data(inventory, service="redis")
    assert "add it to onebox_services, or to onebox_managed" in copy_data(inventory, service="mysql")
    assert "onebox_managed.mysql.port: a whole number is needed" in copy_data(
        inventory, service="mysql", onebox_managed={"mysql": {"host": "db.example.net", "port": "x"}}
    )
    both = {"onebox_services": {"mysql": True}, "onebox_managed": managed}
    assert "'mysql' runs on this host too" in copy_data(inventory, service="mysql", **both)
    assert "onebox_managed.postgresql: missing; say where the data shall go" in " ".join(
        copy_data(inventory, service="postgresql", onebox_managed=managed).split()
    )
    assert "onebox_managed.postgresql: no app uses it, so there is nothing to copy" in " ".join(
        copy_data(inventory, service="postgresql", onebox_managed={**managed, "postgresql": {"host": "db"}}).split()
    )
