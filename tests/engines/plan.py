# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the collection makes of a backing service: its row in the table of requests, its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader

from rendering import RENDER, ROLES, templar

# The names of the limits that the tests try, from the least to what the plan gives at the most.
FLOOR, IDEAL, CEILING = "floor_mib", "ideal_mib", "ceiling_mib"


def limit_mib(service: str, size: str, **variables: Any) -> int:
    """Return one of FLOOR, IDEAL and CEILING of a service, with these variables in the inventory."""
    known = templar(ROLES / "onebox", Path(), {"onebox_services": {service: True}, **variables})
    return int(known.template(known.available_variables["onebox_memory_plan"])["services"][service][size])


def rendered(role: str, template: str, **variables: Any) -> str:
    """Return the text of a role's template."""
    known = templar(ROLES / role, Path(), variables)
    lookup = lookup_loader.get("ansible.builtin.template", loader=DataLoader(), templar=known)
    return str(lookup.run([template], known.available_variables, **RENDER)[0])
