# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long runs of the demo's stack take, and how many remote executions, beside Compose with nothing to do.

Makes a VPS of its own. Seconds depend on the machine; the ratio compares figures of one run.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lab import api
from lab.vps import Vps
from observing import remote_executions

ROOT = Path(__file__).parents[2]
NAME = "bench"
REPEATS = 3
FACTS_TASK = "Gathering Facts"


def main() -> None:
    api.build(ROOT / "tests/lab/apps/shop", "shop:1.0.0", {"APP_VERSION": "1.0.0"})
    with tempfile.TemporaryDirectory() as directory:
        inventory = Path(directory)
        shutil.copytree(ROOT / "inventories/demo/group_vars", inventory / "group_vars")
        vps = api.create(NAME)
        try:
            vps.write_inventory(inventory / "hosts.yml")
            measure(inventory, vps)
        finally:
            api.destroy(NAME)


def measure(inventory: Path, vps: Vps) -> None:
    first, _ = timed(lambda: site(inventory))
    floor = median(lambda: vps.exec("sh", "-c", "cd /opt/demo && docker compose up -d --wait"))
    unchanged = median(lambda: site(inventory))
    facts = median(
        lambda: ansible(inventory, ["ansible", "all", "-m", "setup", "-a", "gather_subset=!all,!min,distribution"])
    )
    executions = remote_executions(site(inventory, "-vvv"))
    rows = [
        ("first converge", f"{first:.1f} s"),
        ("run with nothing to change", f"{unchanged:.1f} s"),
        ("  of which fact gathering, on its own with Ansible's start", f"{facts:.1f} s"),
        ("docker compose up -d --wait with nothing to do (the floor)", f"{floor:.2f} s"),
        ("run without facts, in floors (12 at most)", f"{(unchanged - facts) / floor:.1f}"),
        ("remote executions in a run with nothing to change (20 at most)", str(sum(executions.values()))),
        *((f"  {task}", str(count)) for task, count in executions.items()),
    ]
    width = max(len(label) for label, _ in rows)
    for label, figure in rows:
        print(f"{label.ljust(width)}  {figure:>8}")


def timed(work: Callable[[], object]) -> tuple[float, object]:
    started = time.monotonic()
    result = work()
    return time.monotonic() - started, result


def median(work: Callable[[], object]) -> float:
    return statistics.median(timed(work)[0] for _ in range(REPEATS))


def site(inventory: Path, *options: str) -> str:
    return ansible(inventory, ["ansible-playbook", "site.yml", *options])


def ansible(inventory: Path, command: list[str]) -> str:
    environment = os.environ | {"ANSIBLE_NOCOLOR": "true"}
    command = [*command, "-i", str(inventory)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return done.stdout


if __name__ == "__main__":
    main()
