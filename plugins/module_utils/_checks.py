# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of input that several plugins share. PRIVATE to the collection."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["hint", "key_problems", "near", "number", "whole_number"]

# What a number may be at the least, where that is not 1.
_LEAST = {"priority": 0, "jit_mib": 0}


def near(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return ``; did you mean '...'?`` for the known word nearest to this one, or nothing."""
    match = difflib.get_close_matches(word, list(known), n=1, cutoff=cutoff)
    return f"; did you mean '{match[0]}'?" if match else ""


def hint(word: object, known: Iterable[str]) -> str:
    """Return the end of a sentence about an unknown word: the known one nearest to it, or else all of them."""
    names = list(known)
    return near(str(word), names) or f"; there is {', '.join(names)}"


def whole_number(label: str, value: object, minimum: int) -> int:
    """Return ``value`` if it is a whole number of at least ``minimum``, or raise ValueError with ``label`` in it."""
    if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
        raise ValueError(f"{label} must be a whole number, {minimum} or more, not {value!r}")
    return value


def number(label: str, value: object, minimum: int) -> int:
    """A whole number, or the digits of one: what a template gives on ansible-core 2.18."""
    return whole_number(label, int(value) if isinstance(value, str) and value.isdecimal() else value, minimum)


def key_problems(value: Any, known: Mapping[str, type], at: str) -> list[str]:
    """Return what is wrong with the keys of a dictionary of the operator's, and with the kinds of their values.

    ``known`` is the kind of each key, ``at`` where the dictionary is, such as ``onebox_apps.shop``.
    """
    if not isinstance(value, Mapping):
        return [f"{at}: a dictionary is needed, not {value!r}"]
    found = []
    for key, content in value.items():
        if key not in known:
            found.append(f"{at}.{key}: unknown{hint(key, known)}")
        elif not isinstance(content, known[key]) or (known[key] is int and isinstance(content, bool)):
            kind = known[key]
            name = {str: "a text (in quotes)", int: "a whole number", list: "a list", dict: "a dictionary"}.get(
                kind, "true or false"
            )
            found.append(f"{at}.{key}: {name} is needed, not {content!r}")
        elif known[key] is int and isinstance(content, int) and content < (least := _LEAST.get(key, 1)):
            found.append(f"{at}.{key}: {content} is too little; give {least} or more")
    return found
