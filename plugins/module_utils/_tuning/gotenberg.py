# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gotenberg."""

from __future__ import annotations

from typing import Any

from ansible_collections.onebox.stack.plugins.module_utils._tuning.engine import Engine, Settings, at_least, kib

# Nothing here was measured: estimates, from 100 MiB idle and reports of 512 as too little with the vendor's defaults.
GO_MIB = 64
LIBREOFFICE_MIB = 160
CONVERSION_MIB = 160
RESTART_AFTER = 20


def _settings(limit_mib: int) -> Settings:
    """One page at a time in Chromium, which starts afresh after 20; LibreOffice never does more than one.

    The defaults are six pages and 100 conversions (Gotenberg documentation, "Run in production"), with which Chromium's
    memory grew over 512 MiB (gotenberg/gotenberg issue 96). A larger limit is for larger documents and not for more at
    once: one of 90 MB wanted 2 GB (issue 1158). Go's limit bounds the server alone, whose memory is next to nothing.
    """
    pages = min((limit_mib - GO_MIB - LIBREOFFICE_MIB) // CONVERSION_MIB, 1)
    at_least("CHROMIUM_MAX_CONCURRENCY", pages, 1)
    return {
        "CHROMIUM_MAX_CONCURRENCY": str(pages),
        "CHROMIUM_RESTART_AFTER": str(RESTART_AFTER),
        "GOMEMLIMIT": f"{GO_MIB}MiB",
    }


def _worst_kib(settings: Settings, **facts: Any) -> int:
    """Go's part, a document in LibreOffice, and a page in Chromium."""
    browsers_mib = LIBREOFFICE_MIB + int(settings["CHROMIUM_MAX_CONCURRENCY"]) * CONVERSION_MIB
    return kib(settings["GOMEMLIMIT"]) + browsers_mib * 1024


def _summary(settings: Settings) -> str:
    return f"{settings['CHROMIUM_MAX_CONCURRENCY']} page at a time"


GOTENBERG = Engine({}, _settings, _worst_kib, _summary)
