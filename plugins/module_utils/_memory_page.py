# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A memory plan as a page of HTML that needs nothing else: no script, no font, no file, no network.

PRIVATE to the collection. Pure. Names come from the operator, so that every text is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from ansible_collections.onebox.stack.plugins.module_utils._memory_picture import Measured, picture
from ansible_collections.onebox.stack.plugins.module_utils._memory_style import STYLE
from ansible_collections.onebox.stack.plugins.module_utils._memory_table import (
    Plan,
    by_size,
    changes,
    order_in_words,
    rest,
    share,
)

__all__ = ["page"]

_NOTES = {
    "reserve": "the system, Docker, and slack",
    "jobs": "one job at a time: a release step, a dump",
    "rollout copy": "the new replica beside the old one",
    "spare": "given to nobody",
}


def page(plan: Plan, name: str, measured: Measured | None = None) -> str:
    """Return the page of a plan for the box of this name.

    ``measured`` is ``{at, total_mib, available_mib, services: {name: {current_mib, peak_mib}}}`` of the host, ``at`` a
    text; figures of a service are those of its fullest replica, None where they are not known.
    """
    title = f"Memory plan of {name}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        *(f"<p>{escape(sentence)}</p>" for sentence in _sentences(plan, measured)),
        f"<figure{' class=measured' if measured else ''}>",
        "<figcaption>Each part of the bar is as high as its part of the memory.</figcaption>",
        picture(plan, measured),
        _key(measured),
        "</figure>",
        _table(plan, measured),
        *(f'<p class="notes">{note}</p>' for note in _notes(measured)),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(parts)
        + "\n</main>\n</body>\n</html>\n"
    )


def _sentences(plan: Plan, measured: Measured | None) -> list[str]:
    services = list(plan["services"].values())
    containers = sum(service["replicas"] for service in services)
    used = sum(service["limit_mib"] * service["replicas"] for service in services)
    sentences = [
        f"The limits of {_count(len(services), 'service')} in {_count(containers, 'container')} add up to {used:,} of "
        f"{plan['total_mib']:,} MiB. All can be used in full at the same time, and {plan['reserve_mib']:,} MiB are "
        "left for the system.",
        f"Releases are {order_in_words(plan)}.",
    ]
    if plan["changes"]:
        sentences.append(f"Limits in force that change, each with a restart: {', '.join(changes(plan))}.")
    if measured:
        sentences.append(
            f"Measured {measured['at']}: {measured['available_mib']:,} of the host's {measured['total_mib']:,} MiB are "
            "available."
        )
    return sentences


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _key(measured: Measured | None) -> str:
    """What the looks of the bar mean, where its labels do not say it."""
    if not measured:
        return ""
    shapes = {
        "limit": '<rect class="service" width="100%" height="100%"/>',
        "used now": '<rect class="service" width="100%" height="100%"/><rect class="used" width="60%" height="100%"/>',
        "peak": '<line class="peak" x1="50%" y1="0" x2="50%" y2="100%"/>',
        "available": '<rect class="available" width="100%" height="100%"/>',
    }
    items = (f'<li><svg aria-hidden="true">{shape}</svg>{word}</li>' for word, shape in shapes.items())
    return f'<ul class="key">{"".join(items)}</ul>'


def _table(plan: Plan, measured: Measured | None) -> str:
    total = plan["total_mib"]
    heads = ["MiB", "Replicas", "Floor", "Limit", *(("Used", "Peak") if measured else ()), "Share", "Settings"]
    services = []
    for name, service in by_size(plan):
        figures = [service["replicas"], service["floor_mib"], service["limit_mib"]]
        if measured:
            used = measured["services"].get(name, {})
            figures += [used.get("current_mib"), used.get("peak_mib")]
        part = share(service["limit_mib"] * service["replicas"], total)
        services.append(_row(name, [*map(_figure, figures), part, service.get("summary", "")]))
    unused = ["", ""] if measured else []
    others = [
        _row(label, ["", "", f"{mib:,}", *unused, share(mib, total), _NOTES.get(label, "")])
        for label, mib in [*rest(plan), ("total", total)]
    ]
    return (
        '<div class="scroll" role="region" aria-label="The plan in figures" tabindex="0">\n<table>\n'
        "<caption>The plan in figures</caption>\n"
        f"<thead><tr>{''.join(f'<th scope=col>{head}</th>' for head in heads)}</tr></thead>\n"
        "<tbody>\n" + "\n".join(services) + '\n</tbody>\n<tbody class="rest">\n' + "\n".join(others) + "\n</tbody>\n"
        "</table>\n</div>"
    )


def _row(name: str, cells: Sequence[Any]) -> str:
    return f"<tr><th scope=row>{escape(name)}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"


def _figure(mib: int | None) -> str:
    return "-" if mib is None else f"{mib:,}"


def _notes(measured: Measured | None) -> list[str]:
    notes = ["Floor, limit and use are those of one replica. A share is that of all replicas, of the total."]
    if measured:
        notes.append(
            "Used leaves out file cache that is not in use. A peak is since the container's start, with all file "
            "cache, which fills what a limit leaves: a peak at the limit is no fault by itself."
        )
    return notes
