# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An engine's own settings for the memory limit of its container.

PRIVATE to the collection. Pure. Settings have the engine's own names and are written as it takes them: '72M' for
MariaDB, '47mb' for Redis, '4681kB' for PostgreSQL, 64 (MiB) for opcache.memory_consumption. What is set by environment
variables (Node, Octane, Puma, MinIO and the like) is text.

From the floor up, what the settings allow at the worst is never more than the limit, and no setting shrinks as the
limit grows. `worst_case_mib` computes that worst case from the settings alone: buffers, every connection or worker at
its fullest at once, what a fork copies, and the program itself. Existing calculators bound less: PGTune's settings for
512 MB and its default of 200 connections add up to 512 % of it.

A constant is documented where it stands: with its source, as measured (in containers of 2 CPUs, on MariaDB 11.8,
PostgreSQL 17, Valkey 8.1, nginx 1.26, PHP 8.4, Node 18 to 24, Rails 7.2, Sidekiq 7.3), or as an estimate.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable
from typing import Any

from ansible_collections.onebox.stack.plugins.module_utils._checks import hint, number
from ansible_collections.onebox.stack.plugins.module_utils._tuning.engine import Engine, Settings, TooSmallError
from ansible_collections.onebox.stack.plugins.module_utils._tuning.gotenberg import GOTENBERG
from ansible_collections.onebox.stack.plugins.module_utils._tuning.meilisearch import MEILISEARCH
from ansible_collections.onebox.stack.plugins.module_utils._tuning.minio import MINIO
from ansible_collections.onebox.stack.plugins.module_utils._tuning.mysql import MYSQL
from ansible_collections.onebox.stack.plugins.module_utils._tuning.nginx import NGINX
from ansible_collections.onebox.stack.plugins.module_utils._tuning.node import NODE
from ansible_collections.onebox.stack.plugins.module_utils._tuning.php import OCTANE, PHP_FPM
from ansible_collections.onebox.stack.plugins.module_utils._tuning.postgresql import POSTGRESQL
from ansible_collections.onebox.stack.plugins.module_utils._tuning.redis import REDIS
from ansible_collections.onebox.stack.plugins.module_utils._tuning.ruby import PUMA, SIDEKIQ

__all__ = ["ENGINES", "Settings", "floor_mib", "summary", "tuning", "worst_case_mib"]

LIMIT_STEP_MIB = 8
LARGEST_LIMIT_MIB = 65536

ENGINES = {
    "mysql": MYSQL,
    "postgresql": POSTGRESQL,
    "redis": REDIS,
    "soketi": NODE,
    "minio": MINIO,
    "meilisearch": MEILISEARCH,
    "nginx": NGINX,
    "php_fpm": PHP_FPM,
    "octane": OCTANE,
    "node": NODE,
    "puma": PUMA,
    "sidekiq": SIDEKIQ,
    "gotenberg": GOTENBERG,
}


def tuning(memory_mib: int, engine: str, **facts: Any) -> Settings:
    """Return the settings of ``engine`` for a container limited to ``memory_mib``.

    Facts and their defaults, of several the first:
      mysql: flavor='mariadb' or 'mysql', connections=20, performance_schema=None, cpus=2
      postgresql: connections=20, cpus=2
      redis: flavor='valkey' or 'redis', eviction_policy='noeviction' or one that evicts
      minio: flavor='silo', 'minio' or 'rustfs'
      meilisearch, nginx: cpus=2
      php_fpm: worker_mib=60, workers=2, jit_mib=0
      octane: server='frankenphp' or 'swoole', worker_mib=60, workers=1, cpus=2
      puma: worker_mib=160, cpus=2
      soketi, node, sidekiq, gotenberg: none

    ``connections`` is what the clients of a database need in all; ``worker_mib`` what one worker is planned to hold,
    ``workers`` the fewest that are of use. Numbers may be given as digits.

    Raises ValueError for an unknown engine or fact, and for a limit below `floor_mib`.
    """
    limit = number("memory_mib", memory_mib, 1)
    known = _engine(engine).checked(engine, facts)
    try:
        return _engine(engine).settings(limit, **known)
    except TooSmallError as exc:
        least = floor_mib(engine, **facts)
        raise ValueError(f"{limit} MiB is too little for {engine}: {exc}; give it {least} MiB or more") from None


def floor_mib(engine: str, **facts: Any) -> int:
    """Return the smallest multiple of 8 MiB with which the engine's settings are of use. Facts as in `tuning`."""
    known = _engine(engine).checked(engine, facts)
    floor = _floor_mib(engine, tuple(known.items()))
    if floor > LARGEST_LIMIT_MIB:
        raise ValueError(f"{engine}: no limit up to {LARGEST_LIMIT_MIB} MiB is enough for {facts}")
    return floor


def worst_case_mib(engine: str, settings: Settings, **facts: Any) -> int:
    """Return the MiB that ``settings`` allow the engine to use at the worst, rounded up. Facts as in `tuning`."""
    known = _engine(engine).checked(engine, facts)
    return -(-_engine(engine).worst_kib(settings, **known) // 1024)


def summary(engine: str, settings: Settings) -> str:
    """Return the main settings in at most 30 characters, for a table: 'pool 278M, 30 connections'."""
    return _engine(engine).summary(settings)


def _engine(name: str) -> Engine:
    if name not in ENGINES:
        raise ValueError(f"unknown engine {name!r}{hint(name, ENGINES)}")
    return ENGINES[name]


@functools.cache
def _floor_mib(engine: str, known: tuple[tuple[str, Hashable], ...]) -> int:
    """By bisection, since what works with one limit works with every larger one."""
    facts = dict(known)
    too_small, enough = 0, LARGEST_LIMIT_MIB // LIMIT_STEP_MIB + 1
    while enough - too_small > 1:
        middle = (too_small + enough) // 2
        try:
            ENGINES[engine].settings(middle * LIMIT_STEP_MIB, **facts)
        except TooSmallError:
            too_small = middle
        else:
            enough = middle
    return enough * LIMIT_STEP_MIB
