# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all engines share: how one is described, how its facts are checked, how its sizes are read."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Union

from ansible_collections.onebox.stack.plugins.module_utils._checks import hint, number

Settings = dict[str, Union[int, str]]

# What is planned with. The rest is for what no setting bounds: page tables, sockets, the allocator's slack.
USABLE_PERCENT = 95


class TooSmallError(ValueError):
    """A setting would fall below what the engine is of use with."""


class Engine(NamedTuple):
    """One engine. Its functions get every fact by name, with the default where none was given.

    ``facts`` has each fact's default. A whole number is that (0 where 0 makes sense, else 1 or more); a tuple is a
    choice, of which the first is the default; None stands for true, false, or what the engine's own rule says.
    ``settings`` takes the limit in MiB and raises TooSmallError; ``worst_kib`` and ``summary`` take the settings.
    """

    facts: Mapping[str, Any]
    settings: Callable[..., Settings]
    worst_kib: Callable[..., int]
    summary: Callable[[Settings], str]

    def checked(self, engine: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """The given facts over the defaults, or ValueError for one that is unknown or makes no sense."""
        facts = {name: default[0] if isinstance(default, tuple) else default for name, default in self.facts.items()}
        for name, value in given.items():
            if name not in self.facts:
                known = hint(name, self.facts) if self.facts else "; it takes none"
                raise ValueError(f"{engine}: unknown fact {name!r}{known}")
            facts[name] = _fact(engine, name, value, self.facts[name])
        return facts


def _fact(engine: str, name: str, value: object, default: Any) -> Any:
    """The value as the engine's functions take it, or ValueError."""
    if isinstance(default, tuple):
        if value not in default:
            raise ValueError(f"{engine}: no tuning for {name} {value!r}; there is {', '.join(default)}")
        return value
    if default is None:
        if not (value is None or isinstance(value, bool)):
            raise ValueError(f"{engine}: {name} must be true, false or none, not {value!r}")
        return value
    return number(f"{engine}: {name}", value, min(default, 1))


def at_least(name: str, value: int, floor: int, unit: str = "") -> None:
    """Raise TooSmallError for a setting that is of no use."""
    if value < floor:
        raise TooSmallError(f"{name} would be {max(value, 0)}{unit} and needs {floor}{unit}")


@functools.lru_cache(maxsize=1024)
def kib(size: int | str) -> int:
    """The KiB of a size as the engines write it: 8M, 512K, 47mb, 4681kB, 64MiB; without a unit it is in bytes."""
    match = re.fullmatch(r"(\d+)(k|m)?(?:(?<=[km])i?b)?", str(size).lower())
    if match is None:
        raise ValueError(f"not a size: {size!r}")
    count, unit = int(match[1]), match[2]
    return -(-count // 1024) if unit is None else count * {"k": 1, "m": 1024}[unit]
