# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ruby on Rails: Puma and Sidekiq.

Both run Ruby with two allocation arenas. The C library's default of 8 a core lets memory fragment ("Memory use and
performance", devcenter.heroku.com, changelog item 1683, which made MALLOC_ARENA_MAX=2 the default there).
"""

from __future__ import annotations

from typing import Any

from ansible_collections.onebox.stack.plugins.module_utils._tuning.engine import Engine, Settings, at_least

MALLOC_ARENA_MAX = "2"

PUMA_PERCENT = 90
# An empty Rails application took 75 MiB with 5 threads; an estimate of one that does something.
PUMA_WORKER_MIB = 160
# Two workers of 75 MiB with a preloading master took 173 MiB after load: the master a third of a worker.
MASTER_SHARE = 3
CLUSTER_FROM_MIB = 512
FEW_THREADS = 3
THREADS = 5

# Bare Sidekiq took 46 MiB with 10 threads, an empty Rails application 75. The figures are estimates on top of these.
SIDEKIQ_BASE_MIB = 128
JOB_MIB = 12
FEW_JOBS = 5
JOBS = 10
MANY_JOBS_FROM_MIB = 384


def _puma_settings(limit_mib: int, *, worker_mib: int, cpus: int) -> Settings:
    """Puma: one process below 512 MiB, then ``(0.9 limit - master) / worker_mib`` workers, up to one a CPU.

    One worker a CPU is the advice of Puma's maintainers (puma/puma discussion 3087), 3 threads are what Rails generates
    since 7.2, 5 what it did before. A single worker beside a master would only cost memory, so then it is one process.
    What a preloading master shares with its workers is not subtracted: under load they write to it, and two workers
    grew from 88 MiB together to 173.
    """
    usable = limit_mib * PUMA_PERCENT
    at_least("worker_mib", usable // 100, worker_mib, " MiB")
    fit = (usable * MASTER_SHARE - 100 * worker_mib) // (100 * MASTER_SHARE * worker_mib)
    workers = min(fit, cpus) if limit_mib >= CLUSTER_FROM_MIB else 0
    return {
        "WEB_CONCURRENCY": str(workers if workers > 1 else 0),
        "RAILS_MAX_THREADS": str(THREADS if limit_mib >= CLUSTER_FROM_MIB else FEW_THREADS),
        "MALLOC_ARENA_MAX": MALLOC_ARENA_MAX,
    }


def _puma_worst_kib(settings: Settings, *, worker_mib: int, **facts: Any) -> int:
    """Every worker at its size, and the master."""
    workers, worker_kib = int(settings["WEB_CONCURRENCY"]), worker_mib * 1024
    return workers * worker_kib + -(-worker_kib // MASTER_SHARE) if workers else worker_kib


def _puma_summary(settings: Settings) -> str:
    workers, threads = int(settings["WEB_CONCURRENCY"]), settings["RAILS_MAX_THREADS"]
    return f"{workers} workers x {threads} threads" if workers else f"1 process x {threads} threads"


def _sidekiq_settings(limit_mib: int) -> Settings:
    """Sidekiq: 5 jobs at once, 10 from 384 MiB. It takes RAILS_MAX_THREADS for its concurrency (lib/sidekiq/cli.rb).

    Nothing bounds what a job takes: reports of 1 to 2 GB are of fragmentation with many threads (mikeperham.com,
    "Taming Rails memory bloat"), hence few threads and few arenas.
    """
    at_least("RAILS_MAX_THREADS", (limit_mib - SIDEKIQ_BASE_MIB) // JOB_MIB, FEW_JOBS)
    return {
        "RAILS_MAX_THREADS": str(JOBS if limit_mib >= MANY_JOBS_FROM_MIB else FEW_JOBS),
        "MALLOC_ARENA_MAX": MALLOC_ARENA_MAX,
    }


def _sidekiq_worst_kib(settings: Settings, **facts: Any) -> int:
    return (SIDEKIQ_BASE_MIB + int(settings["RAILS_MAX_THREADS"]) * JOB_MIB) * 1024


def _sidekiq_summary(settings: Settings) -> str:
    return f"{settings['RAILS_MAX_THREADS']} jobs at once"


PUMA = Engine({"worker_mib": PUMA_WORKER_MIB, "cpus": 2}, _puma_settings, _puma_worst_kib, _puma_summary)
SIDEKIQ = Engine({}, _sidekiq_settings, _sidekiq_worst_kib, _sidekiq_summary)
