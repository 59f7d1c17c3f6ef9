# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be said of an operator's variables before the host is asked anything.

PRIVATE to the collection. Pure, but for reading the names of the roles' variables.
"""

from __future__ import annotations

import pathlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.onebox.stack.plugins.module_utils._checks import hint, near

_TOP_LEVEL_KEY = re.compile(r"^([a-z][a-z0-9_]*):", re.MULTILINE)


def role_variables(roles: pathlib.Path) -> dict[str, set[str]]:
    """Return the names of the variables of each role, from its defaults/main.yml."""
    return {
        path.parent.parent.name: set(_TOP_LEVEL_KEY.findall(path.read_text()))
        for path in sorted(roles.glob("*/defaults/main.yml"))
    }


def misspelt(variables: Iterable[str], known: Mapping[str, set[str]]) -> list[str]:
    """Return a sentence for each variable that looks like one of a role's, and is none.

    A name with a role's prefix may be the operator's own; one that is nearly a role's variable is taken for a mistake.
    """
    found = []
    every = set().union(*known.values())
    for variable in sorted(set(variables) - every):
        prefix = variable.split("_", 1)[0]
        meant = near(variable, known.get(prefix, ()), cutoff=0.85)
        if meant:
            found.append(f"{variable}: not a variable of onebox.stack{meant} Rename it")
    return found


def enabled_services(profile: Iterable[str], services: Mapping[str, bool]) -> list[str]:
    """Return the profile's services with those added and taken out that ``services`` says true and false to."""
    wanted = {**dict.fromkeys(profile, True), **services}
    return [name for name, on in wanted.items() if on]


def services_problems(profile: str, profiles: Iterable[str], services: Any, known: Iterable[str]) -> list[str]:
    """Return what is wrong with ``onebox_profile`` and ``onebox_services``."""
    found = []
    if profile not in profiles:
        found.append(f"onebox_profile: '{profile}' is unknown{hint(profile, filter(None, profiles))}")
    if not isinstance(services, Mapping):
        return [*found, f"onebox_services: a dictionary is needed, such as {{mysql: true}}, not {services!r}"]
    for name, wanted in services.items():
        if name not in known:
            found.append(f"onebox_services.{name}: unknown{hint(name, known)}")
        elif not isinstance(wanted, bool):
            found.append(f"onebox_services.{name}: true or false is needed, not {wanted!r}")
    return found


def removal_problems(there: Iterable[str], wanted: Iterable[str], remove: Iterable[str]) -> list[str]:
    """Return what is wrong between the services that a host has, those of its inventory, and those to be removed."""
    names, gone = set(wanted), set(remove)
    found = [f"onebox_remove: '{name}' is still in the inventory; take it out there first" for name in gone & names]
    left = sorted(set(there) - names - gone)
    if left:
        found.append(
            f"the host runs what the inventory no longer has: {', '.join(left)}. Put it back, or have it removed, "
            f"which leaves its data: -e onebox_remove={','.join(left)}"
        )
    return found


def without_role(enabled: Iterable[str], table: Mapping[str, Any], roles: pathlib.Path) -> list[str]:
    """Return a sentence for each service that the table has and no role runs yet; a role has the name of its engine."""
    return [
        f"onebox_services.{name}: its memory can be planned, but onebox.stack has no role yet that runs it; take it out"
        for name in enabled
        if not (roles / table[name]["tuning"]["engine"] / "tasks").is_dir()
    ]
