# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime

import pytest
from ansible_collections.onebox.stack.plugins.module_utils import _releases

TODAY = datetime.date(2026, 11, 21)


@pytest.mark.parametrize(
    ("tag", "flavor", "data_format"),
    [
        ("11.8.8-noble", "mariadb", "mariadb-11.8"),
        ("9.7.2-oraclelinux9", "mysql", "mysql-9.7"),
        ("17.11-trixie", "postgresql", "postgresql-17-trixie"),
        ("18-bookworm", "postgresql", "postgresql-18-bookworm"),
        ("17-3.5", "postgresql", "postgresql-17"),
        ("8.1.9-alpine", "valkey", "valkey-8.1"),
        ("8.2.9-alpine@sha256:0f", "redis", "redis-8.2"),
    ],
)
def test_a_format_is_the_release_series(tag: str, flavor: str, data_format: str) -> None:
    assert _releases.data_format(tag, flavor) == data_format


@pytest.mark.parametrize(("tag", "flavor"), [("11", "mariadb"), ("lts", "mysql"), ("alpine", "valkey")])
def test_a_tag_that_names_no_series_is_refused(tag: str, flavor: str) -> None:
    with pytest.raises(ValueError, match=f"'{tag}' does not say which release series it is; give the whole version"):
        _releases.data_format(tag, flavor)


def test_alpines_postgresql_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'17\.11-alpine3\.22' is of Alpine, which sorts texts otherwise"):
        _releases.series("17.11-alpine3.22", "postgresql")


@pytest.mark.parametrize(
    ("tag", "flavor"),
    [
        ("11.8.8-noble", "mariadb"),
        ("13.0.1-noble", "mariadb"),
        ("8.4.11-oraclelinux9", "mysql"),
        ("26.7.0-oraclelinux9", "mysql"),
        ("15.19-bookworm", "postgresql"),
        ("9.1.2-alpine", "valkey"),
        ("8.10.1-alpine", "redis"),
    ],
)
def test_a_maintained_or_newer_series_is_taken(tag: str, flavor: str) -> None:
    assert _releases.problem("x_tag", tag, flavor, [], TODAY) == ""


@pytest.mark.parametrize(
    ("tag", "flavor", "error"),
    [
        (
            "14.20-trixie",
            "postgresql",
            "x_tag: '14.20-trixie' is of PostgreSQL 14, which has had no security fixes since 2026-11-12. Take a "
            "maintained series, up to 18, or accept it by name: onebox_accept_end_of_life: [postgresql-14]",
        ),
        (
            "9.6-bookworm",
            "postgresql",
            "x_tag: '9.6-bookworm' is of PostgreSQL 9, which has had no security fixes for long. Take a maintained "
            "series, up to 18, or accept it by name: onebox_accept_end_of_life: [postgresql-9]",
        ),
        (
            "8.0.45",
            "mysql",
            "x_tag: '8.0.45' is of MySQL 8.0, which has had no security fixes since 2026-04-30. Take a maintained "
            "series, up to 9.7, or accept it by name: onebox_accept_end_of_life: [mysql-8.0]",
        ),
    ],
)
def test_a_series_without_fixes_is_refused_unless_it_is_accepted_by_name(tag: str, flavor: str, error: str) -> None:
    assert _releases.problem("x_tag", tag, flavor, [], TODAY) == error
    name = error.rpartition("[")[2].rstrip("]")
    assert _releases.problem("x_tag", tag, flavor, ["mysql-5.7"], TODAY) == error
    assert _releases.problem("x_tag", tag, flavor, [name], TODAY) == ""


def test_the_variable_of_a_tag_that_names_no_series_is_named() -> None:
    assert _releases.problem("x_tag", "latest", "mariadb", [], TODAY).startswith("x_tag: 'latest' does not say which")


def test_a_series_is_mended_up_to_its_last_day() -> None:
    found = _releases.series("15.19-bookworm", "postgresql")
    assert _releases.end_of_life(found, datetime.date(2027, 11, 11)) == ""
    assert _releases.end_of_life(found, datetime.date(2027, 11, 12)) == "since 2027-11-11"
