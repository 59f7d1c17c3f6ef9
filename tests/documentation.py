# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parts of docs/ that are computed: from the code, and from what was measured.

`make docs` writes them; a test fails when they are not what the code says.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError

from rendering import ROLES, find_collections, load, templar

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
FOOTPRINTS = ROOT / "docs/footprints.json"
PEAKS = ROOT / "docs/peaks.json"
DURABILITY = ROOT / "docs/durability.json"
SYSTEMS = ROOT / "tests/roles/systems"

# What Linux has of the memory of boxes as they are sold, in MiB.
BOXES = {"1 GB": 960, "2 GB": 1960, "4 GB": 3850, "8 GB": 7850, "16 GB": 15900}

# What others found, and what the owners of five systems planned with; sources are in the page's text.
ELSEWHERE = {
    "nginx": ("15 resident, 4 proportional (2 workers)", "20-40"),
    "mysql": ("MariaDB 97-213 idle, MySQL 220-500 idle", "300-700"),
    "postgresql": ("20 idle, 5.4 a heavy connection", "-"),
    "redis": ("14 idle, up to 2.2 x maxmemory", "50-150, 100-500"),
    "redis_cache": ("1.10-1.15 x maxmemory", "50-150"),
    "soketi": ("100 resident idle", "50-150"),
    "minio": ("3 a request", "150-250"),
    "meilisearch": ("2/3 of the machine unless told", "200-400"),
    "php_fpm": ("30-80 a worker (Laravel)", "150-300"),
    "node": ("63-103 (small NestJS)", "200 a container"),
    "puma": ("75-173 (small Rails)", "-"),
    "sidekiq": ("36-46 without Rails", "-"),
    "octane": ("threads x memory_limit", "300"),
    "gotenberg": ("512 is too little", "100 idle"),
}


def pages() -> dict[Path, str]:
    """Return the pages as they should be."""
    parts = {
        DOCS / "memory.md": {
            "example": example(),
            "fits": fits(),
            "requests": requests(),
            "footprints": footprints(),
            "peaks": peaks(),
        },
        DOCS / "durability.md": {"durability": durability()},
    }
    return {page: _filled_in(page, texts) for page, texts in parts.items()}


def _filled_in(page: Path, parts: Mapping[str, str]) -> str:
    text = page.read_text()
    for name, part in parts.items():
        block = re.compile(rf"(<!-- generated: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text, count = block.subn(lambda found, part=part: f"{found[1]}\n{part}\n\n{found[2]}", text)
        if count != 1:
            raise ValueError(f"{page.name}: one part named {name} is needed, there are {count}")
    return text


def plan(system: str, total_mib: int) -> dict[str, Any]:
    """Return the memory plan of one of the systems on a host of this size."""
    with tempfile.TemporaryDirectory() as secrets:
        variables = {**load(SYSTEMS / f"{system}.yml"), "onebox_total_mib": total_mib}
        computed = templar(ROLES / "onebox", Path(secrets), variables)
        return computed.template(computed.available_variables["onebox_memory_plan"])


def example() -> str:
    # Not at the top: collections can be imported once they can be found.
    from ansible_collections.onebox.stack.plugins.module_utils import _memory_table

    return _block(_memory_table.table(plan("bistro", BOXES["4 GB"])))


def fits() -> str:
    rows = []
    for path in sorted(SYSTEMS.glob("*.yml")):
        about = path.read_text().splitlines()[1].removeprefix("# ")
        rows.append((f"**{path.stem}**: {about}", *(_answer(path.stem, size) for size in BOXES.values())))
    return _table(("System", *(f"{box} ({mib} MiB)" for box, mib in BOXES.items())), rows)


def _answer(system: str, total_mib: int) -> str:
    try:
        planned = plan(system, total_mib)
    except AnsibleError as error:
        missing = re.search(r"(\d+) MiB are missing", str(error))
        if not missing:
            raise
        return f"no: {missing[1]} MiB missing"
    return planned["update_order"]


def requests() -> str:
    """Return the table of requests, each with what was measured, and what others found, beside it."""
    with tempfile.TemporaryDirectory() as secrets:
        computed = templar(ROLES / "onebox", Path(secrets), {"onebox_apps": _every_runtime()})
        asked = computed.template(computed.available_variables["onebox_memory_requests"])
    found = {name.removeprefix("app-"): ask for name, ask in asked.items()}
    rows = [
        (name, *(str(ask[figure]) for figure in ("floor_mib", "ideal_mib", "ceiling_mib")), *ELSEWHERE[name])
        for name, ask in found.items()
    ]
    return _table(("", "floor", "ideal", "ceiling", "published", "systems"), rows)


def footprints() -> str:
    """Return what each service held in the lab, and which ones the lab cannot run."""
    figures = json.loads(FOOTPRINTS.read_text())
    rows = [
        (
            name.partition(":")[0],
            found["version"],
            *(str(found[figure]) for figure in ("limit_mib", "idle_mib", "peak_mib")),
            f"{found['settings']}; {found['load']}",
        )
        for name, found in figures["services"].items()
    ]
    rows += [(name, "not measured", "-", "-", "-", why) for name, why in figures["not_measured"].items()]
    return _table(("", "measured", "limit", "idle", "under load", "settings; load"), rows)


def peaks() -> str:
    """Return what each container came to at full stretch beside its limit, and what the load did without a plan."""
    found = json.loads(PEAKS.read_text())
    stock = found["vendor_defaults"]
    rows = [
        (
            name,
            str(container["limit_mib"]),
            str(container["peak_mib"]),
            f"{container['peak_mib'] / container['limit_mib']:.0%}",
            str(stock["peaks_mib"].get(f"{name}-1", "-")),
        )
        for name, container in found["services"].items()
    ]
    available = (
        f"Of {found['total_mib']} MiB, {found['lowest_available_mib']} were available at the least, and the reserve is "
        f"{found['reserve_mib']}. With the vendors' defaults and no limits, the same load left "
        f"{stock['lowest_available_mib']} MiB."
    )
    header = ("MiB", "limit", "peak", "of the limit", "peak with vendors' defaults")
    return f"{_table(header, rows)}\n\n{available}"


def durability() -> str:
    """Return what was lost of what servers had acknowledged, and how long they took to come back."""
    rows = []
    for image, found in json.loads(DURABILITY.read_text()).items():
        killed = found["killed"]
        seconds = f"{killed['median_seconds_to_healthy']} s, {killed['worst_seconds_to_healthy']} s at worst"
        back = f"healthy after {seconds}; {found['idle_mib']} MiB when idle"
        rows.append((image, "killed", *_losses(killed, killed["kills"]), back))
        for key in ("power_cut", "power_cut_with_weaker_settings"):
            cut = found[key]
            settings = ", ".join(f"`{name}: {value}`" for name, value in cut["settings"].items())
            rows.append((image, "power cut", *_losses(cut, cut["cuts"]), settings))
    return _table(("Server", "", "times", "acknowledged", "of these lost", ""), rows)


def _losses(found: Mapping[str, int], times: int) -> tuple[str, ...]:
    return str(times), str(found["acknowledged"]), str(found["lost"])


def _block(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines())


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _every_runtime() -> Mapping[str, Any]:
    runtimes = ("php_fpm", "octane", "node", "puma", "sidekiq", "gotenberg")
    return {
        "app": {
            "image": "app",
            "tag": "1",
            "processes": {name: {"runtime": name, "command": ["run"]} for name in runtimes},
        }
    }


if __name__ == "__main__":
    find_collections()
    for page, text in pages().items():
        page.write_text(text)
