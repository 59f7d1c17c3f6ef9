#!/usr/bin/python
# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: swap
short_description: Give a host swap, in a file or in compressed memory
version_added: 0.1.0
author: onebox.stack contributors (!UNKNOWN)
description:
  - Keeps one swap area, which the systemd service C(onebox-swap.service) takes into use, at boot too. Another kind,
    size or path takes the place of the former.
  - Swap that is not of its making is never touched. A host that has such swap gets none beside it, unless
    O(beside_others=true).
  - Everything that cannot be is refused before anything is changed - a kernel that allows no swap, a file system that
    takes no swap file, a disk without room, a path that is taken.
  - A file is made under another name, and gets its own when it is whole. A run that was killed is finished by the next.
options:
  kind:
    description:
      - V(file) is a file, V(zram) is compressed memory.
      - V(none) removes what this module made.
    type: str
    choices: [file, zram, none]
    required: true
  mib:
    description: Size in MiB; of V(zram) the size before compression. Required with O(kind=file) and O(kind=zram).
    type: int
  file:
    description:
      - Absolute path of the file, on ext4 or xfs. Letters, digits, C(.), C(_), C(-) and C(/) are allowed in it.
      - Required with O(kind=file).
    type: path
  beside_others:
    description: Make it although the host has other swap.
    type: bool
    default: false
requirements:
  - systemd
attributes:
  check_mode:
    support: full
    description: Says what it would do, and refuses what cannot be.
  diff_mode:
    support: full
    description: Shows the area before and after.
seealso:
  - module: onebox.stack.memory_info
"""

EXAMPLES = r"""
- name: Have a swap file
  onebox.stack.swap:
    kind: file
    mib: 1024
    file: /onebox.swap

- name: Have none of ours
  onebox.stack.swap:
    kind: none
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be, in order.
  returned: success
  type: list
  elements: str
  sample: [wrote onebox-swap.service, made /onebox.swap of 1024 MiB, took /onebox.swap of 1024 MiB into use]
others:
  description: Swap areas in use that are not of this module's making, by the kernel's names for them.
  returned: success
  type: list
  elements: str
  sample: [/dev/vda2]
"""

import os
import re
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.onebox.stack.plugins.module_utils._swap import NONE, Host, State, Swap, SwapError

# What needs no quoting in a unit of systemd, and is shown as it is in /proc/swaps.
PATH = re.compile(r"(/[A-Za-z0-9._-]+)+")


def main() -> None:
    module = AnsibleModule(
        {
            "kind": {"type": "str", "choices": ["file", "zram", "none"], "required": True},
            "mib": {"type": "int"},
            "file": {"type": "path"},
            "beside_others": {"type": "bool", "default": False},
        },
        required_if=[("kind", "file", ["mib", "file"]), ("kind", "zram", ["mib"])],
        supports_check_mode=True,
    )

    def run(command: list[str]) -> tuple[int, str, str]:
        try:
            code, output, errors = module.run_command(command, handle_exceptions=False)
        except OSError as exc:
            return 127, "", str(exc)
        return code, output, errors

    host = Host(run)
    try:
        wanted = _wanted(module.params)
        steps = host.steps(wanted, module.params["beside_others"])
        before = host.state()
        if not module.check_mode:
            for step in steps:
                step.do()
    except SwapError as exc:
        module.fail_json(msg=str(exc))
    after = before
    if steps:
        on = wanted != NONE
        after = State(wanted, on, on, before.others)
    module.exit_json(
        changed=bool(steps),
        actions=[step.text for step in steps],
        others=before.others,
        diff={"before": _shown(before), "after": _shown(after)},
    )


def _wanted(params: dict[str, Any]) -> Swap:
    if params["kind"] == "none":
        return NONE
    if params["mib"] < 1:
        raise SwapError(f"host_swap_mib: {params['mib']} is too little. Give 1 or more, or set host_swap to none")
    if params["kind"] == "zram":
        return Swap("zram", params["mib"])
    # The kernel calls an area in use by the path that is left when links are followed.
    file = os.path.join(os.path.realpath(os.path.dirname(params["file"])), os.path.basename(params["file"]))
    if not PATH.fullmatch(params["file"]) or not PATH.fullmatch(file) or os.path.normpath(file) != file:
        raise SwapError(
            f"host_swap_file: '{params['file']}' cannot be used. Give an absolute path of letters, digits, '.', '_' "
            "and '-'"
        )
    return Swap("file", params["mib"], file)


def _shown(state: State) -> str:
    if state.swap == NONE:
        return "swap: none\n"
    return f"swap: {state.swap}\nin use: {_yes(state.active)}\nat boot: {_yes(state.enabled)}\n"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


if __name__ == "__main__":
    main()
