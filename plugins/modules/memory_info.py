#!/usr/bin/python
# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: memory_info
short_description: Tell what memory a host has and what its containers use
version_added: 0.1.0
author: onebox.stack contributors (!UNKNOWN)
description:
  - Reads the memory that a stack may use. That is the smaller of the machine's memory and the limit of the topmost
    control group that the host sees, since in containers and some virtual servers the kernel shows the memory of the
    whole machine.
  - For each running container, reads limit, use, peak and kills from its control group, of version 1 or 2.
  - Works without Docker, and then returns no containers.
options:
  project:
    description: The Compose project whose containers are wanted. All running ones are returned when it is not given.
    type: str
attributes:
  check_mode:
    description: Can run in check mode and returns the same as without.
    support: full
  diff_mode:
    description: Returns what has changed, in diff mode.
    support: none
seealso:
  - plugin: onebox.stack.memory_plan
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Read what is used
  onebox.stack.memory_info:
    project: shop
  register: memory

- name: Stop when a container was short of memory
  ansible.builtin.assert:
    that: memory['containers'] | selectattr('oom_kills') | length == 0
"""

RETURN = r"""
total_mib:
  description: Memory that the stack may use, in MiB.
  returned: success
  type: int
  sample: 3840
available_mib:
  description: What of it is free, or can be freed, in MiB.
  returned: success
  type: int
  sample: 1712
swap_total_mib:
  description: Swap in MiB, as the kernel shows it.
  returned: success
  type: int
  sample: 1024
swap_free_mib:
  description: Swap that is free, in MiB.
  returned: success
  type: int
  sample: 1024
cgroup:
  description: The version of the memory controller; V(v1), V(v2), or V(none) when there is none.
  returned: success
  type: str
  sample: v2
docker_error:
  description: Why the containers could not be listed, or null. It is null too where Docker is not installed.
  returned: success
  type: str
containers:
  description: The running containers by name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the container.
      type: str
      sample: shop-mysql-1
    service:
      description: Name of its service in the Compose file, or null.
      type: str
      sample: mysql
    onebox_service:
      description: The service of the stack that it belongs to, from its label C(onebox.service), or null.
      type: str
      sample: mysql
    image:
      description: The image as it was asked for.
      type: str
      sample: mariadb:11.8.8-noble
    state:
      description: State of the container, such as V(running), V(paused) or V(restarting).
      type: str
      sample: running
    health:
      description: V(starting), V(healthy), V(unhealthy), or null without a health check.
      type: str
      sample: healthy
    restarts:
      description: How often Docker has restarted it since it was made.
      type: int
      sample: 0
    started_at:
      description: Since when it runs. Its peak and its kills are of the time since then.
      type: str
      sample: "2026-11-21 04:37 UTC"
    limit_mib:
      description: Its memory limit in MiB, or null without one.
      type: int
      sample: 608
    current_mib:
      description: What it uses in MiB, without file cache that is not in use. Null when it cannot be read.
      type: int
      sample: 301
    held_mib:
      description:
        - What of it the kernel cannot take back, in MiB; without any file cache. Null when it cannot be read.
        - With version 1, kernel memory that can be taken back is in it.
      type: int
      sample: 287
    peak_mib:
      description:
        - The most that it has used since it started, in MiB, with all file cache. That fills what a limit leaves, so
          that a peak at the limit says nothing by itself; a peak far below it does.
        - The kernel keeps no peak without file cache.
        - Null when it cannot be read, as with version 2 before Linux 5.19.
      type: int
      sample: 412
    oom_kills:
      description: How many of its processes the kernel killed for want of memory since it started. Null when unknown.
      type: int
      sample: 0
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.onebox.stack.plugins.module_utils._hostmemory import DockerError, containers, host_memory


def main() -> None:
    module = AnsibleModule({"project": {"type": "str"}}, supports_check_mode=True)
    try:
        result = host_memory()
    except OSError as exc:
        module.fail_json(msg=f"cannot tell how much memory this host has: {exc}")
    result.update(containers=[], docker_error=None)
    if module.get_bin_path("docker"):
        try:
            result["containers"] = containers(module.run_command, module.params["project"])
        except DockerError as exc:
            result["docker_error"] = str(exc)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
