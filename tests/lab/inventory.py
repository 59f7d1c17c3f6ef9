# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Ansible inventory of one VPS of the lab."""

from __future__ import annotations

from typing import Any

from lab.settings import APT_REPOSITORY_URL, REGISTRY

# A VPS comes and goes with its host keys: nothing is to be remembered of them.
SSH_OPTIONS = "-o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"


def inventory(
    name: str, container: str, ports: dict[int, int], ipv4: str, ipv6: str, key_file: str, docker_apt: bool
) -> dict[str, Any]:
    """Return the inventory as Ansible's YAML plugin reads it.

    `ports` maps a port of the VPS to the one of 127.0.0.1 that leads to it. With `docker_apt`, Docker comes from
    the lab's own apt repository, which is laid out like Docker's; without, from the distribution.
    """
    source = {"docker_source": "docker", "docker_apt_url": APT_REPOSITORY_URL}
    host = {
        "ansible_host": "127.0.0.1",
        "ansible_port": ports[22],
        "ansible_user": "root",
        "ansible_ssh_private_key_file": key_file,
        "ansible_ssh_common_args": SSH_OPTIONS,
        "ansible_python_interpreter": "/usr/bin/python3",
        **(source if docker_apt else {"docker_source": "distro"}),
        "docker_registry_mirrors": [f"http://{REGISTRY}"],
        "docker_insecure_registries": [REGISTRY],
        "lab_container": container,
        "lab_ipv4": ipv4,
        "lab_ipv6": ipv6,
        "lab_ports": ports,
    }
    # Swap and the kernel's settings would be those of the whole machine: a scenario asks for what it puts back.
    return {"all": {"hosts": {name: host}, "vars": {"host_swap": "none", "host_sysctl": {}}}}
