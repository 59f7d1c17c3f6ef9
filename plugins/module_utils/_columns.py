# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of plain text that fit a screen. PRIVATE to the collection. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

__all__ = ["WIDTH", "columns", "fit"]

WIDTH = 100
GAP = "  "


def columns(rows: Sequence[Sequence[str]], right: Collection[int]) -> list[str]:
    """Return the rows as lines of at most 100 letters, the cells of the columns ``right`` to the right.

    The first column has what the others leave. What is too long for it stands in a line of its own, above its row.
    """
    widths = [max(map(len, column)) for column in zip(*rows)]
    room = WIDTH - sum(len(GAP) + width for width in widths[1:])
    widths[0] = max((len(row[0]) for row in rows if len(row[0]) <= room), default=0)
    lines: list[str] = []
    for first, *others in rows:
        fits = len(first) <= room
        lines += [] if fits else [first]
        cells = [first if fits else "", *others]
        padded = [cell.rjust(widths[at]) if at in right else cell.ljust(widths[at]) for at, cell in enumerate(cells)]
        lines.append(GAP.join(padded).rstrip())
    return [fit(line) for line in lines]


def fit(line: str) -> str:
    """Return the line, cut where it is wider than the screen."""
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 3]}..."
