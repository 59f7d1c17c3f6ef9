# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MinIO and Silo, which continues it; RustFS."""

from __future__ import annotations

from ansible_collections.onebox.stack.plugins.module_utils._tuning.engine import Engine, Settings, at_least, kib

# Nothing here was measured. Bases and least are estimates, from 150 to 250 MiB in use, and 100 of an idle RustFS.
BASE_MIB = 64
RUSTFS_BASE_MIB = 112
REQUESTS_PERCENT = 60
# MinIO's own figure for one drive: 1 MiB + 32 KiB for the drive, and two blocks of 1 MiB (cmd/handler-api.go).
REQUEST_KIB = 3 * 1024 + 32
# RustFS: a pipe of 4 MiB and what is read whole (rustfs-config, RUSTFS_OBJECT_DUPLEX_BUFFER_SIZE and below).
READ_WHOLE_KIB = 1024
READ_KIB = 4 * 1024 + READ_WHOLE_KIB
# Five browsers open six connections each.
LEAST_REQUESTS = 30
LEAST_READS = 8
# What Go may use before its collector works for its life: the share that MinIO takes of a cgroup's limit.
GO_PERCENT = 90


def _settings(limit_mib: int, *, flavor: str) -> Settings:
    """Silo and MinIO: ``requests = 0.6 limit / 3.03 MiB``. RustFS: ``reads = 0.6 limit / 5 MiB``. More wait in line.

    MinIO itself divides 0.9 of the limit by the same 3.03, so that requests alone may fill all that Go may use: 76 in
    256 MiB, where this gives 50. The difference is for the server: metadata, listings, the scanner, the console.

    RustFS is no Go program, and bounds what it reads only, not uploads. It would read objects of up to 10 MiB whole,
    64 at once, and its object cache is sized by what memory it finds.
    """
    requests_kib = limit_mib * 1024 * REQUESTS_PERCENT // 100
    if flavor == "rustfs":
        reads = min(requests_kib, (limit_mib - RUSTFS_BASE_MIB) * 1024) // READ_KIB
        at_least("RUSTFS_OBJECT_MAX_CONCURRENT_DISK_READS", reads, LEAST_READS)
        return {
            "RUSTFS_OBJECT_MAX_CONCURRENT_DISK_READS": str(reads),
            "RUSTFS_OBJECT_SEEK_SUPPORT_THRESHOLD": str(READ_WHOLE_KIB * 1024),
            "RUSTFS_OBJECT_DATA_CACHE_ENABLE": "false",
        }
    requests = min(requests_kib, (limit_mib - BASE_MIB) * 1024) // REQUEST_KIB
    at_least("MINIO_API_REQUESTS_MAX", requests, LEAST_REQUESTS)
    return {"MINIO_API_REQUESTS_MAX": str(requests), "GOMEMLIMIT": f"{limit_mib * GO_PERCENT // 100}MiB"}


def _worst_kib(settings: Settings, *, flavor: str) -> int:
    """The server with all its requests; garbage may fill up to Go's own limit."""
    if flavor == "rustfs":
        return RUSTFS_BASE_MIB * 1024 + int(settings["RUSTFS_OBJECT_MAX_CONCURRENT_DISK_READS"]) * READ_KIB
    live = BASE_MIB * 1024 + int(settings["MINIO_API_REQUESTS_MAX"]) * REQUEST_KIB
    return max(live, kib(settings["GOMEMLIMIT"]))


def _summary(settings: Settings) -> str:
    if "GOMEMLIMIT" in settings:
        return f"{settings['MINIO_API_REQUESTS_MAX']} requests at once"
    return f"{settings['RUSTFS_OBJECT_MAX_CONCURRENT_DISK_READS']} reads at once"


MINIO = Engine({"flavor": ("silo", "minio", "rustfs")}, _settings, _worst_kib, _summary)
