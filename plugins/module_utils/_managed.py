# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with ``onebox_managed``, the databases that run elsewhere, and with the passwords for them.

PRIVATE to the collection. Pure.
"""

from __future__ import annotations

import ipaddress
import re
import ssl
from collections.abc import Container, Iterator, Mapping
from typing import Any

from ansible_collections.onebox.stack.plugins.module_utils import _apps
from ansible_collections.onebox.stack.plugins.module_utils._checks import hint, key_problems

_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?")
_EXAMPLE = "{mysql: {host: db.example.net, port: 25060}}"
_SERVER_KEYS: dict[str, type] = {"host": str, "port": int, "ca": str, "apps": dict}
_APP_KEYS: dict[str, type] = {"database": str, "user": str}
# As much of a wrong value as an error shows.
_SHOWN_LETTERS = 40


def problems(managed: Any, apps: Any, enabled: Container[str]) -> list[str]:
    """Return every reason why the apps cannot use these servers; ``enabled`` are the services that run here."""
    if not isinstance(managed, Mapping):
        return [f"onebox_managed: a dictionary of servers by engine is needed, such as {_EXAMPLE}, not {managed!r}"]
    found = []
    for engine, server in managed.items():
        at = f"onebox_managed.{engine}"
        if engine not in _apps.DATABASES:
            found.append(f"{at}: unknown{hint(engine, _apps.DATABASES)}")
            continue
        found += key_problems(server, _SERVER_KEYS, at) or _server_problems(at, engine, server, apps)
        if engine in enabled:
            found.append(
                f"{at}: '{engine}' runs on this host too, by onebox_profile or onebox_services; leave one of them "
                f"out, such as with onebox_services: {{{engine}: false}}"
            )
    return found


def _server_problems(at: str, engine: str, server: Mapping[str, Any], apps: Any) -> Iterator[str]:
    host = server.get("host")
    if not host:
        yield f"{at}.host: missing; give the server's name, as its certificate has it"
    elif not _is_host(host):
        yield f"{at}.host: '{host}' is neither a host name nor an address; give one, such as db.example.net"
    if server.get("port", 1) > _apps.LARGEST_PORT:
        yield f"{at}.port: {server['port']} is too much; give {_apps.LARGEST_PORT} or less"
    if "ca" in server and not _is_certificate(server["ca"]):
        shown = server["ca"].strip()[:_SHOWN_LETTERS]
        yield (
            f"{at}.ca: {shown!r} is not a certificate (PEM); give the text of the CA's, such as "
            f"\"{{{{ lookup('ansible.builtin.file', 'ca.pem') }}}}\", or leave it out to trust the public CAs"
        )
    users = [name for name, app in apps.items() if engine in app.get("uses", [])] if isinstance(apps, Mapping) else []
    for name, own in server.get("apps", {}).items():
        here = f"{at}.apps.{name}"
        if name not in users:
            yield f"{here}: no app of this name uses {engine}{hint(name, users) if users else ''}"
        wrong = key_problems(own, _APP_KEYS, here)
        yield from wrong or (f"{here}.{key}: '' is no name; give one, or leave it out" for key in own if not own[key])


def _is_host(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return bool(_HOST_NAME.fullmatch(text))
    return True


def _is_certificate(text: str) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ssl.SSLError, TypeError, ValueError):  # TypeError for letters beyond ASCII
        return False
    return "PRIVATE KEY-----" not in text


def password_names(managed: Any, apps: Any) -> list[str]:
    """Return the names of the variables that must hold the passwords of the apps' users on these servers."""
    return [database["secret"] for engine in managed for database in _apps.databases(apps, engine, managed=managed)]


def password_problems(managed: Any, apps: Any, given: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the passwords, of which ``given`` has those that there are. None is told."""
    found = []
    for engine, server in managed.items():
        for database in _apps.databases(apps, engine, managed=managed):
            name, whose = database["secret"], f"'{database['user']}' on {server['host']}"
            if name not in given:
                found.append(
                    f"{name}: missing; the password of {whose} cannot be generated. Give it as a variable of this "
                    f"name, from a vault"
                )
            elif not isinstance(given[name], str) or not given[name] or "\n" in given[name]:
                found.append(
                    f"{name}: the password of {whose} must be a text (in quotes) of one line; the value is not shown "
                    f"here"
                )
    return found
