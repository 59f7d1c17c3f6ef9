#!/usr/bin/python
# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: compose_service
short_description: Run one service of a stack with Docker Compose
version_added: 0.1.0
author: onebox.stack contributors (!UNKNOWN)
description:
  - Renders a role's own Compose file and configuration on the controller, adds the policy that all services share, and
    brings the service on the host to that state in one remote execution.
  - The policy is restart, bounded logs, memory limit and reservation, process limit, no new privileges, no
    capabilities, read-only root file system, open files, health timing, names on the networks, and labels. What the
    role's file says wins over it.
  - Looks at the containers on every run, and repairs what is stopped, unhealthy, removed or altered by hand.
  - Files are written whole, after C(docker compose config) and the vendor's own checker accepted them. A container is
    recreated exactly when its definition or a file or secret that it mounts has changed.
  - When the new containers do not become healthy, the configuration before is put back in force and the task fails.
options:
  name:
    description: Name of the service, which is its directory below C(services/) and C(secrets/).
    type: str
    required: true
  state:
    description:
      - V(present) runs the service.
      - V(absent) removes its containers and files. Its volumes stay unless O(remove_volumes=true).
    type: str
    choices: [present, absent]
    default: present
  remove_volumes:
    description: With O(state=absent), remove the service's named volumes and all data in them.
    type: bool
    default: false
  heir:
    description: With O(state=absent), the service that has the data from then on. What that had before is kept.
    type: str
    default: ""
  compose:
    description:
      - Template of the role's Compose file. Required with O(state=present).
      - Names of networks are keys of O(networks); secrets are names of O(secrets), or of secret O(files).
    type: str
  files:
    description:
      - Further files of the service, each the name of a template, or a dictionary with C(template) or C(content),
        C(path), C(mode) (an octal number in quotes, V("0644") if not given) and C(secret).
      - A template's name without C(.j2) is the path of the file, relative to the Compose file.
      - With C(secret=true) the file is kept among the service's secrets, and its content is not shown in diffs.
    type: list
    elements: raw
    default: []
  secrets:
    description:
      - Passwords by name, each mounted at C(/run/secrets/<name>) where the Compose file asks for it.
      - 16 or more letters, digits, C(_) and C(-), a letter first.
      - Once on the host, a value that differs is refused unless O(rotate) names it.
    type: dict
    default: {}
  rotate:
    description:
      - Names of secrets whose value may change. Taken from the variable C(onebox_rotate_secrets) when not given.
    type: list
    elements: str
  memory_mib:
    description: Memory limit of each container in MiB, or a dictionary of limits by the keys of the Compose file.
    type: raw
  checks:
    description: By key of the Compose file, the vendor's command that fails when it does not accept the new files.
    type: dict
    default: {}
  release:
    description:
      - Commands that run once for each release (image, settings and secrets), each in a container of its own made from
        the new image, before the containers are replaced.
    type: list
    elements: dict
    default: []
    suboptions:
      service:
        description: Key of the Compose file whose definition is used.
        type: str
        required: true
      command:
        description: The command and its arguments.
        type: list
        elements: str
        required: true
  publish:
    description:
      - Copies a directory out of the image to C(<directory>/current) beside the Compose file, for another container to
        serve; the release before stays at C(<directory>/previous).
    type: dict
    suboptions:
      service:
        description: Key of the Compose file whose image is used.
        type: str
        required: true
      path:
        description: The directory in the image.
        type: str
        required: true
      directory:
        description: The directory on the host, beside the Compose file.
        type: str
        default: public
  reload:
    description: How the running container takes up files for which it need not be recreated.
    type: dict
    suboptions:
      service:
        description: Key of the Compose file.
        type: str
        required: true
      command:
        description: The command and its arguments, run in the container.
        type: list
        elements: str
        required: true
      files:
        description: Paths of the files, or of directories that hold them.
        type: list
        elements: str
        required: true
      stdin:
        description: Path of the file that the command reads from its standard input.
        type: str
  tuned_for:
    description:
      - What the service's settings follow from beside its memory, such as the connections of a database. Recorded on
        the host, where M(onebox.stack.preflight) finds it, so that the next memory plan keeps to it while it is enough.
    type: dict
    default: {}
  data:
    description:
      - What the service keeps for good. The host has a record of it in C(.data.json) in the stack's directory, which
        outlives the service.
      - The service is not started on files of another format, nor on an empty volume where there was a full one. One
        that the variable C(onebox_accept_data_loss) names begins anew instead; a volume that it had is kept.
      - What a first start that was cut off left is removed.
    type: dict
    suboptions:
      volume:
        description: Key of the volume in the Compose file. On the host it is named after the project and the format.
        type: str
        required: true
      format:
        description: Name of the format, as the filter P(onebox.stack.data_format#filter) gives it.
        type: str
        required: true
  wait_seconds:
    description: How long the containers may take to become healthy, in seconds.
    type: int
    default: 180
  project:
    description: Name of the Compose project. Taken from the variable C(onebox_project) when not given.
    type: str
  directory:
    description: The stack's directory. Taken from the variable C(onebox_directory) when not given.
    type: path
  networks:
    description: The stack's networks as Compose defines them. Taken from C(onebox_networks) when not given.
    type: dict
  payload:
    description: What the action plugin makes of the other options for the host. Not for playbooks.
    type: dict
attributes:
  check_mode:
    support: full
    description: Says what would be written, started and recreated, on a bare host too, and changes nothing.
  diff_mode:
    support: full
    description: Shows the files that change; of secrets, only that they change.
requirements:
  - Docker with Compose 2.20 or newer on the host
  - Python 3.9 or newer on the host
"""

EXAMPLES = r"""
- name: Run Redis
  onebox.stack.compose_service:
    name: redis
    compose: compose.yaml.j2
    files: [valkey.conf.j2]
    secrets:
      redis_password: "{{ redis_password }}"
    memory_mib: 192

- name: Remove Redis, keep its data
  onebox.stack.compose_service:
    name: redis
    state: absent
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be done, a short sentence each.
  type: list
  elements: str
  returned: success
  sample: ["write /opt/shop/services/redis/valkey.conf", "recreate redis (its settings differ)"]
containers:
  description: The service's containers after the run.
  type: list
  elements: dict
  returned: success, not in check mode
  contains:
    name:
      description: Name of the container.
      type: str
      sample: shop-redis-1
    id:
      description: Its full id.
      type: str
      sample: 4f5c0e...
    image:
      description: The image as the Compose file names it.
      type: str
      sample: valkey/valkey:8.1.9-alpine
    condition:
      description: C(healthy), or C(running) for a container without health check.
      type: str
      sample: healthy
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.onebox.stack.plugins.module_utils._arguments import COMPOSE_SERVICE
from ansible_collections.onebox.stack.plugins.module_utils._stack import (
    Command,
    Container,
    File,
    Published,
    Secret,
    Service,
    StackError,
    Wanted,
)


def wanted_of(params: dict[str, Any]) -> Wanted:
    """Translate the action plugin's payload, whose shape is the data classes of ``_stack``."""
    payload = params["payload"] or {}
    reload = payload.get("reload")
    return Wanted(
        project=params["project"],
        directory=params["directory"],
        name=params["name"],
        files={path: File(**file) for path, file in payload.get("files", {}).items()},
        secrets={
            name: Secret(content=content, **payload["secret_rights"][name])
            for name, content in (params["secrets"] or {}).items()
        },
        containers={
            key: Container(**{**container, "files": tuple(container["files"]), "secrets": tuple(container["secrets"])})
            for key, container in payload.get("containers", {}).items()
        },
        checks=payload.get("checks", {}),
        release=tuple(Command(step["service"], tuple(step["command"])) for step in payload.get("release", [])),
        publish=Published(**payload["publish"]) if payload.get("publish") else None,
        reload=Command(reload["service"], tuple(reload["command"]), reload["stdin"]) if reload else None,
        reload_files=tuple(reload["files"]) if reload else (),
        rotate=tuple(params["rotate"] or ()),
        tuned_for=params["tuned_for"] or {},
        data_format=payload.get("data_format", ""),
        accept_data_loss=payload.get("accept_data_loss", False),
        wait_seconds=params["wait_seconds"],
    )


def main() -> None:
    module = AnsibleModule(argument_spec=COMPOSE_SERVICE, supports_check_mode=True)
    os.umask(0o022)
    service = Service(wanted_of(module.params), check_mode=module.check_mode)
    try:
        if module.params["state"] == "absent":
            result = service.remove(volumes=module.params["remove_volumes"], heir=module.params["heir"])
        else:
            result = service.apply()
    except (StackError, OSError) as error:
        module.fail_json(msg=str(error), actions=service.result.actions)
    module.exit_json(
        changed=bool(result.actions),
        actions=result.actions,
        containers=result.containers,
        diff=result.diff,
    )


if __name__ == "__main__":
    main()
