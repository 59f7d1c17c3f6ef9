# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Release series of the servers that keep data: what their files' format is called, and how long each is mended.

PRIVATE to the collection. Pure.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection
from typing import NamedTuple

__all__ = ["ENDS", "Series", "data_format", "problem", "series"]

# The last day on which a series gets security fixes, by its vendor's own plan (MySQL: extended support). A rolling
# release ends when the long-term one after it is there. A series that is not listed, and newer than the oldest here,
# is taken for a maintained one.
ENDS = {
    "mariadb": {
        "10.5": "2025-06-24",
        "10.6": "2026-07-06",
        **dict.fromkeys(("10.7", "10.8", "10.9", "10.10"), "2023-11-17"),
        "10.11": "2028-02-16",
        **dict.fromkeys(("11.0", "11.1", "11.2", "11.3"), "2024-11-21"),
        "11.4": "2029-05-29",
        **dict.fromkeys(("11.5", "11.6", "11.7"), "2025-06-04"),
        "11.8": "2028-06-04",
        **dict.fromkeys(("12.0", "12.1", "12.2"), "2026-05-28"),
        "12.3": "2029-06-12",
    },
    "mysql": {
        "8.0": "2026-04-30",
        **dict.fromkeys(("8.1", "8.2", "8.3"), "2024-04-10"),
        "8.4": "2032-04-30",
        **dict.fromkeys(("9.0", "9.1", "9.2", "9.3", "9.4", "9.5", "9.6"), "2026-04-21"),
        "9.7": "2034-04-30",
    },
    "postgresql": {
        "13": "2025-11-13",
        "14": "2026-11-12",
        "15": "2027-11-11",
        "16": "2028-11-09",
        "17": "2029-11-08",
        "18": "2030-11-14",
    },
    "redis": {"7.0": "2024-07-29", "7.2": "2029-12-31", "8.0": "2026-02-11", "8.2": "2030-09-30"},
    "valkey": {"7.2": "2029-04-16", "8.0": "2027-09-15", "8.1": "2030-03-31", "9.0": "2028-10-21"},
}

_NAMES = {"mariadb": "MariaDB", "mysql": "MySQL", "postgresql": "PostgreSQL", "redis": "Redis", "valkey": "Valkey"}


class Series(NamedTuple):
    """A release series: ``flavor`` as the roles name it, ``number`` (11.8, 17), ``variant`` of PostgreSQL's image."""

    flavor: str
    number: str
    variant: str

    @property
    def name(self) -> str:
        return f"{self.flavor}-{self.number}"

    @property
    def title(self) -> str:
        return f"{_NAMES[self.flavor]} {self.number}"


def series(tag: str, flavor: str) -> Series:
    """Return the series that an image's tag names; ValueError when it names none, or one that no role can run.

    PostgreSQL's has one number, all others have two. PostgreSQL's indexes depend on the C library's way of sorting too,
    so the variant of its image (trixie) belongs to the series.
    """
    if flavor == "postgresql":
        match = re.match(r"(\d+)(?:\.\d+)?(?:-([a-z]+))?", tag)
        if match and match[2] == "alpine":
            raise ValueError(
                f"'{tag}' is of Alpine, which sorts texts otherwise; take one of Debian's, as 17.11-trixie"
            )
        example = "17.11-trixie"
    else:
        match = re.match(r"v?(\d+\.\d+)()", tag)
        example = "11.8.8-noble"
    if not match:
        raise ValueError(f"'{tag}' does not say which release series it is; give the whole version, such as {example}")
    return Series(flavor, match[1], match[2] or "")


def data_format(tag: str, flavor: str) -> str:
    """Return what the format of the server's files is called: mariadb-11.8, postgresql-17-trixie, valkey-8.1."""
    found = series(tag, flavor)
    return "-".join(filter(None, (found.name, found.variant)))


def end_of_life(found: Series, today: datetime.date) -> str:
    """Return since when the series gets no fixes any more, as words; empty while it is maintained."""
    ends = ENDS[found.flavor]
    if found.number in ends:
        day = ends[found.number]
        return f"since {day}" if day < today.isoformat() else ""
    return "for long" if _order(found.number) < min(map(_order, ends)) else ""


def problem(variable: str, tag: str, flavor: str, accepted: Collection[str], today: datetime.date) -> str:
    """Return why an image's tag is refused, with its variable; empty when it is not."""
    try:
        found = series(tag, flavor)
    except ValueError as error:
        return f"{variable}: {error}"
    ended = end_of_life(found, today)
    if not ended or found.name in accepted:
        return ""
    newest = max(ENDS[flavor], key=_order)
    return (
        f"{variable}: '{tag}' is of {found.title}, which has had no security fixes {ended}. Take a maintained series, "
        f"up to {newest}, or accept it by name: onebox_accept_end_of_life: [{found.name}]"
    )


def _order(number: str) -> tuple[int, ...]:
    return tuple(int(part) for part in number.split("."))
