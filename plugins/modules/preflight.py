#!/usr/bin/python
# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Refuse what cannot work, before anything on the host is changed
version_added: 0.1.0
author: onebox.stack contributors (!UNKNOWN)
description:
  - Checks the stack's variables on the controller, then in one remote execution the host - distribution, free disk, and
    ports that something else holds - and that the memory plan fits. Everything that is wrong is said in one error.
  - The plan is the variable C(onebox_memory_plan) of the role P(onebox.stack.onebox#role), made with what was found out
    about the host.
  - Returns what the roles and the memory plan need to know of the host. Changes nothing.
options:
  apps:
    description: The variable C(onebox_apps), a dictionary.
    type: raw
    default: {}
  profile:
    description: The variable C(onebox_profile).
    type: str
    required: true
  profiles:
    description: The services of each profile, by its name.
    type: dict
    required: true
  services:
    description: The variable C(onebox_services), a dictionary.
    type: raw
    default: {}
  memory:
    description: The variable C(onebox_memory), a dictionary.
    type: raw
    default: {}
  managed:
    description: The variable C(onebox_managed), a dictionary.
    type: raw
    default: {}
  project:
    description: Name of the Compose project.
    type: str
    required: true
  directory:
    description: The stack's directory on the host.
    type: path
    required: true
  ports:
    description: TCP ports that only the stack itself may hold.
    type: list
    elements: int
    default: [80, 443]
  disk_mib:
    description: Free disk space that is needed, in MiB.
    type: int
    default: 5120
  host:
    description: Look at the host too. Without, no connection is made.
    type: bool
    default: true
  deploy:
    description:
      - Whether the stack shall be brought up, and not planned only.
      - Then services that can be planned but have no role yet are refused, changes of memory limits in force, and
        databases elsewhere whose passwords are not given.
    type: bool
    default: true
  replan:
    description: Accept a memory plan that changes limits in force.
    type: bool
    default: false
  remove:
    description: Services and apps of the host that the inventory no longer has, and that may be removed.
    type: list
    elements: str
    default: []
  rotate:
    description: Secrets whose value may change.
    type: list
    elements: str
    default: []
  accept_end_of_life:
    description: Release series that may run although they get no fixes any more, such as V(postgresql-14).
    type: list
    elements: str
    default: []
  accept_data_loss:
    description: Services that may begin anew although the host has a record of their data.
    type: list
    elements: str
    default: []
  upgrade:
    description: The service whose data is taken to another format, and so may be of another than is asked for.
    type: str
    default: ""
attributes:
  check_mode:
    support: full
    description: Only looks.
  diff_mode:
    support: none
    description: Changes nothing.
"""

EXAMPLES = r"""
- name: Check the variables and the host
  onebox.stack.preflight:
    apps: "{{ onebox_apps }}"
    profile: small-prod
    profiles: {small-prod: [nginx, mysql, redis]}
    project: shop
    directory: /opt/shop
  register: onebox_host
"""

RETURN = r"""
distribution:
  description: The host's distribution, as C(id), C(version) and C(codename).
  type: dict
  returned: success, when O(host=true)
  sample: {id: debian, version: "13", codename: trixie}
cpus:
  description: Processors that the host may use.
  type: int
  returned: success, when O(host=true)
  sample: 2
disk_free_mib:
  description: Free disk space where Docker keeps its data, in MiB.
  type: int
  returned: success, when O(host=true)
  sample: 40960
memory:
  description: Memory of the host, as M(onebox.stack.memory_info) returns it.
  type: dict
  returned: success, when O(host=true)
limits_mib:
  description: Memory limits in force in the stack, in MiB, by the key of the container.
  type: dict
  returned: success, when O(host=true)
  sample: {mysql: 512, shop-web: 416}
replicas:
  description: How many containers of the stack there are, running or not, by their key.
  type: dict
  returned: success, when O(host=true)
  sample: {mysql: 1, shop-worker: 2}
tuned_for:
  description: What the settings of services follow from beside their memory, by service.
  type: dict
  returned: success, when O(host=true)
  sample: {mysql: {connections: 40}}
ports:
  description: Who holds the ports, by port. Empty, or the task has failed.
  type: dict
  returned: success, when O(host=true)
secrets:
  description: Names of the stack's secrets that the host has and the inventory lacks.
  type: list
  elements: str
  returned: success, when O(host=true)
services:
  description: Names of the services and apps that the stack has on the host.
  type: list
  elements: str
  returned: success, when O(host=true)
data:
  description: Which volume has the data of a service, by the service's name.
  type: dict
  returned: success, when O(host=true)
  sample: {mysql: {format: mariadb-11.8, volume: shop_mariadb-11.8, ready: true, there: true}}
"""

import collections
import os
import pathlib
import shutil
import subprocess

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.onebox.stack.plugins.module_utils import _host, _hostmemory
from ansible_collections.onebox.stack.plugins.module_utils._arguments import PREFLIGHT


def replicas(project: str) -> dict[str, int]:
    """Return how many containers each key of the project has, stopped ones too; nothing where there is no Docker."""
    if not shutil.which("docker"):
        return {}
    label = "com.docker.compose"
    argv = ["docker", "ps", "--all", "--filter", f"label={label}.project={project}"]
    argv += ["--filter", f"label={label}.oneoff=False", "--format", f'{{{{.Label "{label}.service"}}}}']
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return dict(collections.Counter(done.stdout.split()))


def main() -> None:
    module = AnsibleModule(argument_spec=PREFLIGHT, supports_check_mode=True)
    root = pathlib.Path("/")
    stack = pathlib.Path(module.params["directory"])
    project = module.params["project"]
    module.exit_json(
        changed=False,
        distribution=_host.distribution(root),
        cpus=len(os.sched_getaffinity(0)),
        disk_free_mib=_host.free_mib(pathlib.Path("/var/lib/docker")),
        memory=_hostmemory.host_memory(),
        limits_mib=_host.limits_in_force(stack),
        replicas=replicas(project),
        tuned_for=_host.tuned_for(stack),
        ports=_host.ports_in_the_way(module.params["ports"], project, root),
        secrets=sorted(_host.guarded_secrets(stack)),
        services=_host.services(stack),
        data=_host.data(stack),
    )


if __name__ == "__main__":
    main()
