# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Argument specs that an action plugin and the module behind it share.

PRIVATE to the collection.
"""

from __future__ import annotations

from typing import Any

_COMMAND: dict[str, Any] = {
    "service": {"type": "str", "required": True},
    "command": {"type": "list", "elements": "str", "required": True},
}

# `payload` is what the action plugin makes of the options, for the module.
COMPOSE_SERVICE: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "remove_volumes": {"type": "bool", "default": False},
    "heir": {"type": "str", "default": ""},
    "compose": {"type": "str"},
    "files": {"type": "list", "elements": "raw", "default": []},
    "secrets": {"type": "dict", "default": {}, "no_log": True},
    "rotate": {"type": "list", "elements": "str"},
    "memory_mib": {"type": "raw"},
    "tuned_for": {"type": "dict", "default": {}},
    "data": {
        "type": "dict",
        "options": {
            "volume": {"type": "str", "required": True},
            "format": {"type": "str", "required": True},
        },
    },
    "checks": {"type": "dict", "default": {}},
    "release": {"type": "list", "elements": "dict", "default": [], "options": _COMMAND},
    "publish": {
        "type": "dict",
        "options": {
            "service": {"type": "str", "required": True},
            "path": {"type": "str", "required": True},
            "directory": {"type": "str", "default": "public"},
        },
    },
    "reload": {
        "type": "dict",
        "options": {
            **_COMMAND,
            "files": {"type": "list", "elements": "str", "required": True},
            "stdin": {"type": "str"},
        },
    },
    "wait_seconds": {"type": "int", "default": 180},
    "project": {"type": "str"},
    "directory": {"type": "path"},
    "networks": {"type": "dict"},
    "payload": {"type": "dict"},
}

PREFLIGHT: dict[str, Any] = {
    "apps": {"type": "raw", "default": {}},
    "profile": {"type": "str", "required": True},
    "profiles": {"type": "dict", "required": True},
    "services": {"type": "raw", "default": {}},
    "memory": {"type": "raw", "default": {}},
    "managed": {"type": "raw", "default": {}},
    "project": {"type": "str", "required": True},
    "directory": {"type": "path", "required": True},
    "ports": {"type": "list", "elements": "int", "default": [80, 443]},
    "disk_mib": {"type": "int", "default": 5120},
    "host": {"type": "bool", "default": True},
    "deploy": {"type": "bool", "default": True},
    "replan": {"type": "bool", "default": False},
    "remove": {"type": "list", "elements": "str", "default": []},
    "rotate": {"type": "list", "elements": "str", "default": []},
    "accept_end_of_life": {"type": "list", "elements": "str", "default": []},
    "accept_data_loss": {"type": "list", "elements": "str", "default": []},
    "upgrade": {"type": "str", "default": ""},
}
