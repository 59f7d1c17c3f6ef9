# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A memory plan as one bar to scale, in HTML: a drawing, an axis, and a label at every slice.

PRIVATE to the collection. Pure. Places are percent of the bar's height or the drawing's width, so that the picture fits
every width and letters keep their size; only the height in rem is fixed, by how many labels there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from ansible_collections.onebox.stack.plugins.module_utils._memory_table import Plan, by_size, rest, share

__all__ = ["Measured", "picture"]

Measured = Mapping[str, Any]

_LEAST_HEIGHT_REM = 32.0
_LABEL_REM = 2.6
_TICKS_AT_MOST = 5

# Where the bars stand in the drawing's width, in percent; lines to the labels cross what is to the right of them.
_HOST = (0.0, 13.0)
_PLAN_BESIDE_HOST = (22.0, 84.0)
_PLAN_ALONE = (0.0, 84.0)

_HATCHES = "".join(
    f'<pattern id="hatch-{name}" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    f'<line class="{name}" x1="0" y1="0" x2="0" y2="6"/></pattern>'
    for name in ("jobs", "rollout-copy")
)


class _Slice(NamedTuple):
    """A part of the bar: from ``top`` to ``bottom`` in percent of its height, and what its label says."""

    name: str
    kind: str
    mib: int
    replicas: int
    top: float
    bottom: float
    limit_mib: int = 0
    summary: str = ""

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2

    @property
    def title(self) -> str:
        return f"{self.name} x{self.replicas}" if self.replicas > 1 else self.name


def picture(plan: Plan, measured: Measured | None = None) -> str:
    """Return the picture of a plan as HTML; with ``measured``, as `_memory_page.page` takes it, what is used as well.

    A slice is as high as its part of the total. In a service's slice, the full width is its limit: the dark part is
    what is used now, and the mark is the peak, in the fullest of its replicas.
    """
    slices = _slices(plan)
    height = max(_LEAST_HEIGHT_REM, _LABEL_REM * len(slices))
    places = _spread([part.middle for part in slices], 100 * _LABEL_REM / height)
    left, right = _PLAN_BESIDE_HOST if measured else _PLAN_ALONE
    drawing = [_host_bar(plan, measured)] if measured else []
    drawing += [_drawn(part, left, right, _used(measured, part.name)) for part in slices]
    drawing += [_line("leader", right, part.middle, 100, place) for part, place in zip(slices, places)]
    labels = (_label(part, plan["total_mib"], place, measured) for part, place in zip(slices, places))
    heads = f'<span style="left:{left:g}%">plan</span>'
    heads = f'<span style="left:0">now</span>{heads}' if measured else heads
    return (
        f'<div class="picture" style="--height:{height:g}rem">\n'
        f'<div class="heads" aria-hidden="true">{heads}</div>\n'
        f'<div class="axis" aria-hidden="true">{_axis(plan["total_mib"])}</div>\n'
        '<svg role="img" aria-labelledby="picture-title picture-text">'
        '<title id="picture-title">The memory of the box, to scale</title>'
        f'<desc id="picture-text">{escape(_in_words(slices, plan, measured))}</desc>\n'
        f"<defs>{_HATCHES}</defs>\n" + "\n".join(drawing) + "\n</svg>\n"
        '<ol class="labels" aria-hidden="true">\n' + "\n".join(labels) + "\n</ol>\n</div>"
    )


def _slices(plan: Plan) -> list[_Slice]:
    """The parts of the bar from the top down; what has no size is left out."""
    parts = [(name, "service", service["limit_mib"] * service["replicas"], service) for name, service in by_size(plan)]
    parts += [(label, label.replace(" ", "-"), mib, {}) for label, mib in rest(plan) if mib]
    slices, start = [], 0
    for name, kind, mib, service in parts:
        slices.append(
            _Slice(
                name,
                kind,
                mib,
                service.get("replicas", 1),
                round(100 * start / plan["total_mib"], 3),
                round(100 * (start + mib) / plan["total_mib"], 3),
                service.get("limit_mib", 0),
                service.get("summary", ""),
            )
        )
        start += mib
    return slices


def _spread(wanted: Sequence[float], size: float) -> list[float]:
    """Places for labels of one size, in order, near the wanted ones, within 0 to 100 and without overlap."""
    places: list[float] = []
    least = size / 2
    for place in wanted:
        places.append(max(place, least))
        least = places[-1] + size
    most = 100 - size / 2
    for at in range(len(places) - 1, -1, -1):
        places[at] = min(places[at], most)
        most = places[at] - size
    return places


def _used(measured: Measured | None, name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = measured["services"].get(name, {}) if measured else {}
    return found


def _drawn(part: _Slice, left: float, right: float, used: Mapping[str, Any]) -> str:
    shapes = [_rect(part.kind, left, right, part.top, part.bottom)]
    if part.kind == "service":
        reach = {
            key: left + (right - left) * min(1.0, used[key] / part.limit_mib)
            for key in ("current_mib", "peak_mib")
            if used.get(key) is not None
        }
        if "current_mib" in reach:
            shapes.append(_rect("used", left, reach["current_mib"], part.top, part.bottom))
        one = (part.bottom - part.top) / part.replicas
        shapes += [
            _line("replica", left, part.top + one * number, right, part.top + one * number)
            for number in range(1, part.replicas)
        ]
        if "peak_mib" in reach:
            shapes.append(_line("peak", reach["peak_mib"], part.top, reach["peak_mib"], part.bottom))
    return f"<g><title>{escape(part.title)}: {part.mib:,} MiB</title>{''.join(shapes)}</g>"


def _host_bar(plan: Plan, measured: Measured) -> str:
    in_use = min(100.0, 100 * (measured["total_mib"] - measured["available_mib"]) / plan["total_mib"])
    return _rect("in-use", *_HOST, 0, in_use) + _rect("available", *_HOST, in_use, 100)


def _label(part: _Slice, total_mib: int, place: float, measured: Measured | None) -> str:
    used = _used(measured, part.name)
    more = ", ".join(
        f"{used[key]:,} {word}"
        for key, word in (("current_mib", "used"), ("peak_mib", "peak"))
        if used.get(key) is not None
    )
    if more and part.replicas > 1:
        more = f"{more} of {part.limit_mib:,}"
    return (
        f'<li style="top:{place:.3f}%"><span class="name">{escape(part.title)}</span> '
        f'<span class="figure">{part.mib:,} MiB</span> <span class="share">{share(part.mib, total_mib)}</span>'
        f'<span class="more">{escape(more or part.summary)}</span></li>'
    )


def _axis(total_mib: int) -> str:
    """Marks at a few round numbers and at the total."""
    step = 64
    while step * _TICKS_AT_MOST < total_mib:
        step *= 2
    marks = [*range(0, total_mib - step // 4, step), total_mib]
    return "".join(f'<span style="top:{100 * mib / total_mib:.3f}%">{mib:,}</span>' for mib in marks)


def _in_words(slices: Sequence[_Slice], plan: Plan, measured: Measured | None) -> str:
    words = ", ".join(f"{part.title} {part.mib:,} MiB" for part in slices)
    text = f"Of {plan['total_mib']:,} MiB: {words}."
    if measured:
        text += f" Available on the host now: {measured['available_mib']:,} MiB."
    return f"{text} The table below has the same figures."


def _rect(kind: str, left: float, right: float, top: float, bottom: float) -> str:
    return f'<rect class="{kind}" x="{left:g}%" y="{top:g}%" width="{right - left:.3f}%" height="{bottom - top:.3f}%"/>'


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.3f}%" y1="{y1:.3f}%" x2="{x2:.3f}%" y2="{y2:.3f}%"/>'
