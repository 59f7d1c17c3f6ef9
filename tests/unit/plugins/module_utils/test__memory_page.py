# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest
from ansible_collections.onebox.stack.plugins.module_utils._memory import plan
from ansible_collections.onebox.stack.plugins.module_utils._memory_page import page
from hypothesis import given
from hypothesis import strategies as st

from unit.plugins.module_utils.stacks import Requests, ask, fitting, quick

VOID = {"meta"}
BARS = ("service", "reserve", "jobs", "rollout-copy", "spare")
NASTY = "<script>alert('1')</script>&\"x\""

REQUESTS = {
    "mysql": ask(264, 512, 1536),
    "web": ask(232, 416, 1024, rolling=True),
    "worker": ask(96, 96, 96, replicas=3),
}


class Page(HTMLParser):
    """A page, taken apart: ``elements`` are (name, attributes) in order, ``rows`` the cells of the tables."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.rows: list[list[str]] = []
        self.words: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == [], "these are never closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute twice in {tag}"
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, f"{tag} is closed out of its order"

    def handle_data(self, data: str) -> None:
        if self._open:
            self.words.setdefault(self._open[-1], []).append(data)
            if self._open[-1] in ("th", "td"):
                self.rows[-1][-1] += data

    def all(self, tag: str, kind: str) -> list[dict[str, str]]:
        """Return the attributes of the elements of a class, in order; the picture comes before its key."""
        return [found for name, found in self.elements if name == tag and found.get("class") == kind]


def percent(attributes: dict[str, str], name: str) -> float:
    assert attributes[name].endswith("%")
    return float(attributes[name][:-1])


def bar(taken_apart: Page) -> list[dict[str, str]]:
    """The slices of the plan's bar from the top down; those of the key have no place."""
    return [
        attributes
        for tag, attributes in taken_apart.elements
        if tag == "rect" and attributes["class"] in BARS and "y" in attributes
    ]


def measured(services: dict[str, tuple[int | None, int | None]], available_mib: int = 1500) -> dict[str, Any]:
    return {
        "at": "2026-11-21 04:37 UTC",
        "total_mib": 2090,
        "available_mib": available_mib,
        "services": {name: {"current_mib": now, "peak_mib": peak} for name, (now, peak) in services.items()},
    }


def test_the_table_has_the_figures_of_the_plan_and_adds_up_to_the_total() -> None:
    planned = plan(REQUESTS, 2048, jobs_mib=192, reserve_mib=400)
    rows = {row[0]: row[1:] for row in Page(page(planned, "shop")).rows}
    assert list(rows) == ["MiB", "mysql", "web", "worker", "reserve", "jobs", "rollout copy", "spare", "total"]
    assert rows["MiB"] == ["Replicas", "Floor", "Limit", "Share", "Settings"]
    assert rows["worker"] == ["3", "96", "96", "14.1%", ""]
    assert rows["total"] == ["", "", "2,048", "100.0%", ""]
    assert sum(float(row[3][:-1]) for name, row in rows.items() if name not in ("MiB", "total")) == pytest.approx(
        100, abs=0.4
    )


def test_what_is_measured_stands_beside_the_plan() -> None:
    planned = plan(REQUESTS, 2048, reserve_mib=400)
    found = Page(page(planned, "shop", measured({"mysql": (301, 402), "web": (None, None)})))
    rows = {row[0]: row[1:] for row in found.rows}
    assert rows["MiB"] == ["Replicas", "Floor", "Limit", "Used", "Peak", "Share", "Settings"]
    assert (rows["mysql"][3:5], rows["web"][3:5], rows["worker"][3:5]) == (["301", "402"], ["-", "-"], ["-", "-"])
    assert {len(row) for row in found.rows} == {8}
    assert any("1,500 of the host's 2,090 MiB are available" in words for words in found.words["p"])


def test_a_service_s_slice_shows_its_use_and_its_peak_as_parts_of_its_limit() -> None:
    planned = plan({"db": ask(400, 400, 400)}, 1024, reserve_mib=0)
    found = Page(page(planned, "shop", measured({"db": (100, 300)})))
    (limit,) = (slice_ for slice_ in bar(found) if slice_["class"] == "service")
    used = found.all("rect", "used")[0]
    peak = found.all("line", "peak")[0]
    assert percent(used, "width") == pytest.approx(percent(limit, "width") / 4, abs=0.01)
    assert percent(peak, "x1") == pytest.approx(percent(limit, "x") + percent(limit, "width") * 3 / 4, abs=0.01)


def test_a_use_above_the_planned_limit_does_not_leave_the_bar() -> None:
    planned = plan({"db": ask(400, 400, 400)}, 1024, reserve_mib=0)
    found = Page(page(planned, "shop", measured({"db": (500, 600)})))
    limit = next(slice_ for slice_ in bar(found) if slice_["class"] == "service")
    assert found.all("rect", "used")[0]["width"] == limit["width"]


def test_what_the_host_has_available_is_drawn_to_the_same_scale() -> None:
    planned = plan({"db": ask(400, 400, 400)}, 1024, reserve_mib=0)
    found = Page(page(planned, "shop", {**measured({}), "total_mib": 1024, "available_mib": 256}))
    assert percent(found.all("rect", "in-use")[0], "height") == 75
    assert percent(found.all("rect", "available")[0], "height") == 25


def test_replicas_are_parted_inside_their_slice() -> None:
    found = Page(page(plan(REQUESTS, 2048, reserve_mib=400), "shop"))
    assert len(found.all("line", "replica")) == 2
    assert any("worker x3: 288 MiB" in words for words in found.words["title"])


def test_the_picture_is_said_in_words_for_those_who_do_not_see_it() -> None:
    text = page(plan({"db": ask(400, 400, 400)}, 1024, reserve_mib=100), "shop", measured({}, 512))
    found = Page(text)
    drawing = next(attributes for tag, attributes in found.elements if tag == "svg" and "role" in attributes)
    assert drawing["role"] == "img"
    ids = {attributes["id"] for _tag, attributes in found.elements if "id" in attributes}
    assert set(drawing["aria-labelledby"].split()) <= ids
    assert found.words["desc"] == [
        "Of 1,024 MiB: db 400 MiB, reserve 100 MiB, spare 524 MiB. Available on the host now: 512 MiB. "
        "The table below has the same figures."
    ]


def test_the_page_needs_nothing_from_outside() -> None:
    text = page(plan(REQUESTS, 2048, reserve_mib=400), "shop", measured({"mysql": (301, 402)}))
    found = Page(text)
    assert not {tag for tag, _attributes in found.elements} & {"script", "link", "img", "iframe", "object"}
    assert not {name for _tag, attributes in found.elements for name in attributes} & {"src", "href"}
    assert "http" not in text
    assert "@import" not in text
    assert set(re.findall(r"url\(([^)]*)\)", text)) == {"#hatch-jobs", "#hatch-rollout-copy"}


def test_names_and_settings_are_texts_and_never_tags() -> None:
    planned = plan({NASTY: ask(64, replicas=2), "db": ask(64)}, 1024, reserve_mib=0, current={NASTY: 65}, afresh=True)
    planned["services"]["db"]["summary"] = NASTY
    text = page(planned, NASTY, {**measured({NASTY: (1, 2)}), "at": NASTY})
    assert "<script" not in text
    found = Page(text)
    assert found.words["h1"] == [f"Memory plan of {NASTY}"]
    assert [row[-1] for row in found.rows if row[0] == "db"] == [NASTY]
    assert NASTY in [row[0] for row in found.rows]


def test_a_limit_that_changes_is_named_with_the_restart() -> None:
    planned = plan({"db": ask(64)}, 1024, reserve_mib=0, current={"db": 128}, afresh=True)
    words = Page(page(planned, "shop")).words["p"]
    assert "Limits in force that change, each with a restart: db 128 -> 64." in words


@quick
@given(fitting(), st.booleans())
def test_the_slices_of_every_plan_fill_the_bar_without_a_gap(
    drawn: tuple[Requests, int, dict[str, int]], beside_host: bool
) -> None:
    requests, total, options = drawn
    planned = plan(requests, total, **options)
    found = Page(page(planned, "shop", measured({"a": (10, 20)}) if beside_host else None))
    slices = bar(found)
    assert percent(slices[0], "y") == 0
    for upper, lower in pairwise(slices):
        assert percent(upper, "y") + percent(upper, "height") == pytest.approx(percent(lower, "y"), abs=0.002)
    assert sum(percent(slice_, "height") for slice_ in slices) == pytest.approx(100, abs=0.01)
    sizes = [s["limit_mib"] * s["replicas"] for s in planned["services"].values()]
    assert percent(slices[0], "height") == pytest.approx(100 * max(sizes) / planned["total_mib"], abs=0.01)


def tops_of_labels(found: Page) -> tuple[list[float], float]:
    """The middles of the labels and the height of the picture, in rem."""
    (height,) = (
        float(attributes["style"][len("--height:") : -len("rem")])
        for _tag, attributes in found.elements
        if attributes.get("class") == "picture"
    )
    tops = [
        float(attributes["style"][len("top:") : -1]) * height / 100
        for tag, attributes in found.elements
        if tag == "li" and "style" in attributes
    ]
    return tops, height


def in_order_and_apart(found: Page) -> bool:
    tops, height = tops_of_labels(found)
    apart = all(lower - upper >= 2.59 for upper, lower in pairwise(tops))
    return len(tops) == len(bar(found)) and tops[0] >= 1.29 and tops[-1] <= height - 1.29 and apart


@quick
@given(fitting())
def test_labels_stand_in_order_inside_the_picture_and_do_not_touch(drawn: tuple[Requests, int, dict[str, int]]) -> None:
    requests, total, options = drawn
    assert in_order_and_apart(Page(page(plan(requests, total, **options), "shop")))


@pytest.mark.parametrize("count", [1, 8, 40])
def test_labels_of_many_small_services_do_not_touch_either(count: int) -> None:
    requests = {f"small-{number}": ask(8) for number in range(count)}
    assert in_order_and_apart(Page(page(plan(requests, 65536), "shop")))


def test_a_label_with_room_stands_at_the_middle_of_its_slice() -> None:
    found = Page(page(plan({"db": ask(512, 512, 512)}, 1024, reserve_mib=512), "shop"))
    tops, height = tops_of_labels(found)
    assert tops == [pytest.approx(height / 4), pytest.approx(height * 3 / 4)]
