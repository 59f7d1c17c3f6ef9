# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: tuning
short_description: Derive an engine's settings from the memory limit of its container
version_added: 0.1.0
author: onebox.stack contributors (!UNKNOWN)
description:
  - Returns settings with which the engine stays under the limit at the worst, with the engine's own names and written
    as it takes them. Octane, Node, Puma, Sidekiq, soketi, MinIO, Meilisearch and Gotenberg are set by environment
    variables, which are text.
  - No setting shrinks as the limit grows.
  - A limit that is too small to be of use is an error that names the setting, and the smallest limit.
  - Numbers may be given as their digits.
positional: _input, engine
options:
  _input:
    description: The memory limit of the container, in MiB.
    type: int
    required: true
  engine:
    description: What runs in the container. V(mysql) is MariaDB or MySQL, V(redis) is Valkey or Redis.
    type: str
    required: true
    choices:
      - mysql
      - postgresql
      - redis
      - soketi
      - minio
      - meilisearch
      - nginx
      - php_fpm
      - octane
      - node
      - puma
      - sidekiq
      - gotenberg
  flavor:
    description:
      - With O(engine=mysql), V(mariadb), the default, or V(mysql).
      - With O(engine=redis), V(valkey), the default, or V(redis).
      - With O(engine=minio), V(silo), the default, V(minio) or V(rustfs).
    type: str
  server:
    description: What serves the application, with O(engine=octane).
    type: str
    default: frankenphp
    choices: [frankenphp, swoole]
  cpus:
    description:
      - CPUs that the container may use, with O(engine=mysql), O(engine=postgresql), O(engine=meilisearch),
        O(engine=nginx), O(engine=octane) and O(engine=puma).
    type: int
    default: 2
  connections:
    description:
      - Connections that all clients need together, with O(engine=mysql) and O(engine=postgresql).
      - Fewer than 20 are taken for 20. The three that PostgreSQL keeps for superusers are among them.
    type: int
    default: 20
  performance_schema:
    description:
      - Whether the performance schema is on, with O(engine=mysql). It takes 95 MiB of MariaDB and 160 of MySQL.
      - When it is left out, or none, MariaDB is without, and MySQL has it from a limit of 768 MiB on.
    type: bool
  eviction_policy:
    description:
      - What happens when the memory is full, with O(engine=redis).
      - V(noeviction) is for data that must stay, and turns the append-only file on. Any other is for a cache, which is
        not kept on disk.
    type: str
    default: noeviction
    choices:
      - noeviction
      - allkeys-lru
      - allkeys-lfu
      - allkeys-random
      - volatile-lru
      - volatile-lfu
      - volatile-random
      - volatile-ttl
  worker_mib:
    description:
      - What one worker is planned to hold, in MiB.
      - It is 60 by default with O(engine=php_fpm) and O(engine=octane), and 160 with O(engine=puma).
    type: int
  workers:
    description:
      - The fewest workers that are of use.
      - It is 2 by default with O(engine=php_fpm), and 1 with O(engine=octane).
    type: int
  jit_mib:
    description: The buffer of the just-in-time compiler, in MiB, with O(engine=php_fpm). It is off with 0.
    type: int
    default: 0
"""

EXAMPLES = r"""
- name: Show the settings of a database
  ansible.builtin.debug:
    msg: "{{ 512 | onebox.stack.tuning('mysql', flavor='mariadb', connections=24) }}"
  # => {"innodb_buffer_pool_size": "262M", "max_connections": 24, "sort_buffer_size": "512K", ...}

- name: Show the settings of another one
  ansible.builtin.debug:
    msg: "{{ 512 | onebox.stack.tuning('postgresql', connections=30, cpus=2) }}"
  # => {"shared_buffers": "128MB", "work_mem": "2762kB", "max_connections": 30, "maintenance_work_mem": "32MB", ...}

- name: Show the settings of a queue
  ansible.builtin.debug:
    msg: "{{ 128 | onebox.stack.tuning('redis', eviction_policy='noeviction') }}"
  # => {"maxmemory": "50mb", "maxmemory-policy": "noeviction", "appendonly": "yes", "save": '""'}

- name: Show the settings of a web application
  ansible.builtin.debug:
    msg: "{{ 416 | onebox.stack.tuning('php_fpm', worker_mib=60) }}"
  # => {"pm": "dynamic", "pm.max_children": 3, "memory_limit": "128M", "opcache.memory_consumption": 128, ...}

- name: Show the environment of a Node application
  ansible.builtin.debug:
    msg: "{{ 256 | onebox.stack.tuning('node') }}"
  # => {"NODE_OPTIONS": "--max-old-space-size=160"}
"""

RETURN = r"""
_value:
  description: The settings by their names.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.onebox.stack.plugins.module_utils import _tuning


def tuning(memory_mib: int, engine: str, **facts: Any) -> dict[str, int | str]:
    try:
        return _tuning.tuning(memory_mib, engine, **facts)
    except ValueError as exc:
        raise AnsibleFilterError(f"tuning: {exc}") from exc


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"tuning": tuning}
