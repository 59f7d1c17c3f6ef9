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
    as its configuration file takes them.
  - No setting shrinks as the limit grows.
  - A limit that is too small to be of use is an error that names the smallest one.
positional: _input, engine
options:
  _input:
    description: The memory limit of the container, in MiB.
    type: int
    required: true
  engine:
    description: What runs in the container.
    type: str
    required: true
    choices: [mysql, redis, nginx, php_fpm]
  flavor:
    description:
      - With O(engine=mysql), only V(mariadb), the default.
      - With O(engine=redis), V(valkey), the default, or V(redis).
    type: str
  cpus:
    description: CPUs that the container may use, with O(engine=mysql) and O(engine=nginx).
    type: int
    default: 2
  connections:
    description: Connections that all clients need together, with O(engine=mysql). Fewer than 20 are taken for 20.
    type: int
    default: 20
  performance_schema:
    description: Whether the performance schema is on, with O(engine=mysql). It takes 95 MiB.
    type: bool
    default: false
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
    description: What one worker is planned to hold, in MiB, with O(engine=php_fpm).
    type: int
    default: 60
  workers:
    description: The fewest workers that are of use, with O(engine=php_fpm).
    type: int
    default: 2
  jit_mib:
    description: The buffer of the just-in-time compiler, in MiB, with O(engine=php_fpm). It is off with 0.
    type: int
    default: 0
"""

EXAMPLES = r"""
- name: Show the settings of a database
  ansible.builtin.debug:
    msg: "{{ 512 | onebox.stack.tuning('mysql', flavor='mariadb', connections=24) }}"
  # => {"innodb_buffer_pool_size": "264M", "max_connections": 24, "sort_buffer_size": "512K", ...}

- name: Show the settings of a queue
  ansible.builtin.debug:
    msg: "{{ 128 | onebox.stack.tuning('redis', eviction_policy='noeviction') }}"
  # => {"maxmemory": "50mb", "maxmemory-policy": "noeviction", "appendonly": "yes", "save": '""'}

- name: Show the settings of a web application
  ansible.builtin.debug:
    msg: "{{ 416 | onebox.stack.tuning('php_fpm', worker_mib=60) }}"
  # => {"pm": "dynamic", "pm.max_children": 3, "memory_limit": "128M", "opcache.memory_consumption": 128, ...}
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
