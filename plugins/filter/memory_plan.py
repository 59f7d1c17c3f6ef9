# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: memory_plan
short_description: Divide the memory of one host among its services
version_added: 0.1.0
author: onebox.stack contributors (!UNKNOWN)
description:
  - Plans a memory limit for each service, so that all limits, the system's reserve, the largest one-off job and one
    spare copy for a rollout fit in memory together.
  - Everyone gets its floor; then everyone its ideal, the lower priority number first and with equal progress within
    one; then the rest is shared by weight up to the ceilings.
  - The same input gives the same plan, and more memory never lowers a limit while the update order stays the same.
  - Floors that do not fit are an error that shows the table, what is missing and what would help.
positional: _input, total_mib
options:
  _input:
    description: What each service asks for, by its name. All sizes are for one replica.
    type: dict
    required: true
    suboptions:
      floor_mib:
        description: The least it can live in, in MiB. Required without O(_input.tuning), which has a floor of its own.
        type: int
      ideal_mib:
        description: What it should have in normal production, in MiB.
        type: int
        required: true
      ceiling_mib:
        description: What it can make use of at most, in MiB.
        type: int
        required: true
      priority:
        description: Those with a lower number come to their ideal first.
        type: int
        default: 1
      weight:
        description: Its share of what is left above all ideals.
        type: int
        default: 1
      replicas:
        description: How many containers run at once.
        type: int
        default: 1
      rolling:
        description: Whether a deploy starts a new replica before it stops an old one, when there is memory for it.
        type: bool
        default: false
      limit_mib:
        description: A limit that is taken as it is, in MiB. The rest is planned around it.
        type: int
      ports:
        description: How many ports it publishes on the host.
        type: int
        default: 0
      optional:
        description: Whether the stack can do without it. Says only what an error may propose.
        type: bool
        default: false
      tuning:
        description:
          - The engine that runs in it, as C(engine), and the facts that its settings depend on, as
            P(onebox.stack.tuning#filter) takes them.
        type: dict
      keep:
        description: How firmly a limit in force is kept. Those with a lower number are given up first.
        type: int
        default: 0
      managed:
        description: Whether it can be had as a managed service elsewhere. Says only what an error may propose.
        type: bool
        default: false
  total_mib:
    description:
      - The memory that the stack may use, in MiB, as M(onebox.stack.memory_info) returns it. Rounded down to 64 MiB.
      - Without it there is no host to fit into, and RV(_value.services) alone is returned, each at its ideal.
    type: int
  reserve_mib:
    description:
      - What is kept for the system and Docker, in MiB.
      - Computed when it is not given; 180 for the system, 131 for Docker, 9 a container, 3 a published port, and
        5 percent of the total but at least 128.
    type: int
  jobs_mib:
    description: The memory of the largest one-off job, in MiB. Jobs run one at a time.
    type: int
    default: 0
  step_mib:
    description: Limits grow to multiples of this many MiB.
    type: int
    default: 8
  current:
    description:
      - The limits in force on the host, in MiB, by the names of the services.
      - They are kept while everybody's floor fits beside them, and what is new shares what is left. When not all can be
        kept, those with the lowest C(keep) are given up first, and no more than it takes.
      - A host that lost up to 1 percent of its memory keeps them all; the reserve's slack is smaller then.
    type: dict
  running:
    description:
      - How many containers of each service the limits in force are for, by name; as many as are asked for when not
        given. What is in force may leave room for a rollout's copy, and one more replica then does not take it.
    type: dict
  afresh:
    description: Keep no limit in force, as on a new host. The changes are named all the same.
    type: bool
    default: false
seealso:
  - plugin: onebox.stack.memory_table
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Plan a small host
  ansible.builtin.debug:
    msg: "{{ requests | onebox.stack.memory_plan(total_mib=2048) }}"
  vars:
    requests:
      mysql: {floor_mib: 264, ideal_mib: 512, ceiling_mib: 1536, priority: 0, weight: 5}
      app: {floor_mib: 232, ideal_mib: 416, ceiling_mib: 1024, priority: 0, weight: 4, rolling: true}
  # => {"total_mib": 2048, "reserve_mib": 457, "jobs_mib": 0, "rollout_mib": 488, "update_order": "start-first",
  #     "spare_mib": 7, "changes": [], "services": {
  #       "app": {"limit_mib": 488, "replicas": 1, "floor_mib": 232, "ideal_mib": 416, "ceiling_mib": 1024},
  #       "mysql": {"limit_mib": 608, "replicas": 1, "floor_mib": 264, "ideal_mib": 512, "ceiling_mib": 1536}}}

- name: Plan a database with the settings that follow
  ansible.builtin.debug:
    msg: "{{ (requests | onebox.stack.memory_plan(total_mib=1024)).services.redis }}"
  vars:
    requests:
      redis: {tuning: {engine: redis}, ideal_mib: 96, ceiling_mib: 256}
  # => {"limit_mib": 256, "replicas": 1, "floor_mib": 48, "ideal_mib": 96, "ceiling_mib": 256,
  #     "settings": {"maxmemory": "109mb", "maxmemory-policy": "noeviction", "appendonly": "yes", "save": "\"\""},
  #     "summary": "109mb, noeviction"}
"""

RETURN = r"""
_value:
  description:
    - The plan. The limits times their replicas, RV(_value.reserve_mib), RV(_value.jobs_mib), RV(_value.rollout_mib) and
      RV(_value.spare_mib) add up to RV(_value.total_mib).
  type: dict
  contains:
    total_mib:
      description: The memory that was planned, in MiB, a multiple of 64.
      type: int
    reserve_mib:
      description: What is kept for the system and Docker, in MiB.
      type: int
    jobs_mib:
      description: What is kept for one-off jobs, in MiB.
      type: int
    rollout_mib:
      description: What is kept for one more replica of the largest rolling service, in MiB; 0 when there is none.
      type: int
    update_order:
      description:
        - V(start-first), or V(stop-first) when there is no memory for a rollout's copy, be it at the floors or beside
          limits in force.
      type: str
    spare_mib:
      description: What nobody got, in MiB.
      type: int
    changes:
      description: The limits in force that the plan alters, each with C(name), C(from) and C(to) in MiB.
      type: list
      elements: dict
    services:
      description:
        - By name, C(limit_mib), C(floor_mib), C(ideal_mib) and C(ceiling_mib) of one replica, and C(replicas).
        - Of those with C(tuning), also the engine's C(settings), and the main ones of them as a text, C(summary).
      type: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.onebox.stack.plugins.module_utils._memory import ideals, plan


def memory_plan(
    requests: Mapping[str, Mapping[str, Any]],
    total_mib: int | None = None,
    reserve_mib: int | None = None,
    jobs_mib: int = 0,
    step_mib: int = 8,
    current: Mapping[str, int] | None = None,
    running: Mapping[str, int] | None = None,
    afresh: bool = False,
) -> dict[str, Any]:
    try:
        if total_mib is None:
            return ideals(requests)
        return plan(
            requests,
            total_mib,
            reserve_mib=reserve_mib,
            jobs_mib=jobs_mib,
            step_mib=step_mib,
            current=current,
            running=running,
            afresh=afresh,
        )
    except ValueError as exc:
        raise AnsibleFilterError(f"memory_plan: {exc}") from exc


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"memory_plan": memory_plan}
