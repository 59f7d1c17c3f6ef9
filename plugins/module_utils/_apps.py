# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows from ``onebox_apps``: environment, databases, virtual hosts, and what is wrong with it.

PRIVATE to the collection. Pure. The shape of an app is documented with ``onebox_apps`` in roles/onebox.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ansible_collections.onebox.stack.plugins.module_utils import _runtimes, _tuning
from ansible_collections.onebox.stack.plugins.module_utils._checks import hint, key_problems


class _Taken(NamedTuple):
    """What a server is called, and the users and databases that it has, or keeps for itself."""

    server: str
    names: re.Pattern[str]


App = Mapping[str, Any]
Apps = Mapping[str, App]
# ``onebox_managed``: servers elsewhere, by the engine.
Managed = Mapping[str, Mapping[str, Any]]

PRESETS = ("none",)
KINDS = ("fastcgi", "http")
# SQL servers: what frameworks call them in DB_CONNECTION, and their ports.
DATABASES = {"mysql": ("mysql", "3306"), "postgresql": ("pgsql", "5432")}
# Instances of Redis: what the names of an app's variables for them begin with.
INSTANCES = {"redis": "REDIS", "redis_cache": "REDIS_CACHE"}
_TAKEN = {
    "mysql": _Taken(
        "MySQL", re.compile(r"root|mysql|sys|information_schema|performance_schema|healthcheck|onebox_backup")
    ),
    "postgresql": _Taken("PostgreSQL", re.compile(r"postgres|template[01]|public|none|pg_.*|onebox_backup")),
    **dict.fromkeys(INSTANCES, _Taken("Redis", re.compile(r"default|onebox"))),
}
# The service that apps do not use, but are served by.
EDGE = "nginx"
LARGEST_PORT = 65535
# Where an image of Debian, Ubuntu or Alpine has the certificates that it trusts.
SYSTEM_CAS = "/etc/ssl/certs/ca-certificates.crt"

_NAME = re.compile(r"[a-z][a-z0-9-]*")
_DOMAIN = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])")
_DATABASE = re.compile(r"[a-z][a-z0-9_]{0,31}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_APP_KEYS: dict[str, type] = {
    "image": str,
    "tag": str,
    "preset": str,
    "uses": list,
    "domains": list,
    "processes": dict,
    "release_steps": list,
    "env": dict,
    "secrets": dict,
    "public_path": str,
    "request_limits": dict,
    "user": str,
    "capabilities": list,
    "read_only": bool,
    "tmpfs": list,
    "volumes": dict,
}
_PROCESS_KEYS: dict[str, type] = {
    "kind": str,
    "port": int,
    "command": list,
    "health": list,
    "replicas": int,
    "runtime": str,
    **_runtimes.FACTS,
    "stop_seconds": int,
    "memory": dict,
}
_LIMIT_KEYS: dict[str, type] = {"body_mib": int, "timeout_seconds": int}
_MEMORY_KEYS: dict[str, type] = {
    "floor_mib": int,
    "ideal_mib": int,
    "ceiling_mib": int,
    "limit_mib": int,
    "priority": int,
    "weight": int,
}


def container_key(app: str, process: str) -> str:
    """Return the key of a process in the Compose file, which is also its name in the memory plan."""
    return f"{app}-{process}"


def model(app: App, name: str, managed: Managed | None = None) -> dict[str, Any]:
    """Return the app as its role deploys it.

    ``processes``: ``{key, command, kind, port, health, replicas, stop_seconds}`` each, with defaults filled in;
    ``front``: the key of the process that serves requests, or empty; ``fastcgi``: whether that one is PHP's;
    ``body_mib``: the largest request; ``volumes``: where each is mounted, by its name on the host; ``release``: the key
    of the container for the release steps, or empty; ``release_steps`` and ``secret_files`` as
    `onebox.stack.compose_service` takes them; ``given_passwords``: the names of those secret files that hold the
    passwords of managed servers, which are variables of these names.
    """
    processes = []
    front: Mapping[str, Any] = {}
    for process_name, process in app["processes"].items():
        own = process or {}
        described = {
            "key": container_key(name, process_name),
            "command": own.get("command", []),
            "kind": own.get("kind", ""),
            "port": own.get("port", 0),
            "health": own.get("health", []),
            "replicas": own.get("replicas", 1),
            "stop_seconds": own.get("stop_seconds", 30),
        }
        processes.append(described)
        if described["kind"]:
            front = described
    return {
        "processes": processes,
        "front": front.get("key", ""),
        "fastcgi": front.get("kind") == "fastcgi",
        "body_mib": _body_mib(app),
        "volumes": {f"{name}-{volume}": path for volume, path in app.get("volumes", {}).items()},
        "release": container_key(name, "release") if app.get("release_steps") else "",
        "release_steps": [
            {"service": container_key(name, "release"), "command": command} for command in app.get("release_steps", [])
        ],
        "secret_files": [
            {"path": path, "content": content, "secret": True}
            for path, content in {**app.get("secrets", {}), **_certificates(app, managed or {})}.items()
        ],
        "given_passwords": [secret_name(name, engine) for engine in _managed_engines(app, managed or {})],
    }


def _managed_engines(app: App, managed: Managed) -> list[str]:
    return [engine for engine in app.get("uses", []) if engine in managed]


def _certificates(app: App, managed: Managed) -> dict[str, str]:
    """Return the certificates of the CAs that the app is to trust, by the names of their files."""
    return {
        _ca_file(engine): managed[engine]["ca"]
        for engine in _managed_engines(app, managed)
        if managed[engine].get("ca")
    }


def _ca_file(engine: str) -> str:
    return f"{engine}_ca.pem"  # a dot, which no secret of the operator's has


def _body_mib(app: App) -> int:
    return int(app.get("request_limits", {}).get("body_mib", 20))


def secret_name(app: str, engine: str) -> str:
    """Return the name of the secret with which the app reaches the engine."""
    return f"{app.replace('-', '_')}_{engine}_password"


def environment(app: App, name: str, project: str, managed: Managed | None = None) -> dict[str, str]:
    """Return the environment of the app's containers; what is secret in it is the path of a file."""
    servers = managed or {}
    variables = {"APP_NAME": name, "APP_URL": f"https://{app['domains'][0]}" if app.get("domains") else ""}
    uses = app.get("uses", [])
    for engine, (connection, port) in DATABASES.items():
        if engine in uses:
            server, database = servers.get(engine, {}), _database(name, engine, servers)
            variables.update(
                DB_CONNECTION=connection,
                DB_HOST=server.get("host", f"{project}-{engine}"),
                DB_PORT=str(server.get("port", port)),
                DB_DATABASE=database["name"],
                DB_USERNAME=database["user"],
                DB_PASSWORD_FILE=f"/run/secrets/{database['secret']}",
                **(_verified_tls(engine, server) if server else {}),
            )
    for engine, prefix in INSTANCES.items():
        if engine in uses:
            variables[f"{prefix}_HOST"] = f"{project}-{engine.replace('_', '-')}"
            variables[f"{prefix}_PORT"] = "6379"
            variables[f"{prefix}_USERNAME"] = name
            variables[f"{prefix}_PASSWORD_FILE"] = f"/run/secrets/{secret_name(name, engine)}"
            # Of all keys, on both instances: apps share one space of keys.
            variables["REDIS_PREFIX"] = f"{name}:"
    return {**variables, **{key: _text(value) for key, value in app.get("env", {}).items()}}


def _verified_tls(engine: str, server: Mapping[str, Any]) -> dict[str, str]:
    """Return what makes an app's client refuse a server whose certificate or name is not verified."""
    ca = f"/run/secrets/{_ca_file(engine)}" if server.get("ca") else ""
    if engine == "postgresql":
        # Read by libpq itself, whatever the framework; `system` is known to libpq 16 and newer.
        return {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": ca or "system", "DB_SSLMODE": "verify-full"}
    return {"DB_SSL_CA": ca or SYSTEM_CAS, "MYSQL_ATTR_SSL_CA": ca or SYSTEM_CAS}


def _text(value: Any) -> str:
    """Return the value as YAML writes it: true, not Python's True."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def secret_names(app: App, name: str, managed: Managed | None = None) -> list[str]:
    """Return the names of the generated secrets that the app's containers read."""
    return [secret_name(name, engine) for engine in app.get("uses", []) if engine not in (managed or {})]


def databases(
    apps: Apps, engine: str, declared: Iterable[Mapping[str, str]] = (), managed: Managed | None = None
) -> list[dict[str, str]]:
    """Return the databases of the engine: ``{name, user, secret}``, the last a secret's name.

    They are those that the apps need and the declared ones: ``{name}``, and ``user`` where it is not the same. With
    ``managed``, the apps' are those on the managed server, which may be called otherwise there. Raises ValueError for a
    declared one that cannot be.
    """
    found = [_database(name, engine, managed or {}) for name, app in apps.items() if engine in app.get("uses", [])]
    for more in declared:
        wrong = key_problems(more, {"name": str, "user": str}, f"{engine}_databases")
        name = more.get("name", "")
        words = [*wrong] or [
            f"{engine}_databases: {why}" for word in (name, more.get("user", name)) if (why := _unfit(engine, word))
        ]
        words += [
            f"{engine}_databases: '{one[part]}' is there already, as the {part} of an app or of another database"
            for part in ("name", "user")
            for one in found
            if one[part] == more.get(part, name)
        ]
        if words:
            raise ValueError(words[0])
        found.append({"name": name, "user": more.get("user", name), "secret": secret_name(name, engine)})
    return found


def _unfit(engine: str, word: str) -> str:
    """Return why a database or a user cannot have this name; empty when it can."""
    if not _DATABASE.fullmatch(word):
        return f"'{word}' cannot be a name; use up to 32 small letters, digits and '_', a letter first"
    taken = _TAKEN[engine]
    return f"{taken.server} has '{word}' for itself; give another name" if taken.names.fullmatch(word) else ""


def absent_problems(databases: Iterable[Mapping[str, str]], engine: str, absent: Iterable[str]) -> list[str]:
    """Return what is wrong with the databases to be dropped: names that cannot be, and those that are wanted."""
    wanted = {one[part] for one in databases for part in ("name", "user")}
    at = f"{engine}_absent_databases"
    return [
        f"{at}: '{name}' is of an app, or declared in {engine}_databases; take it out there first"
        if name in wanted
        else f"{at}: '{name}' cannot be the name of a database made here"
        for name in absent
        if name in wanted or _unfit(engine, name)
    ]


def _database(app: str, engine: str, managed: Managed) -> dict[str, str]:
    own = managed.get(engine, {}).get("apps", {}).get(app, {})
    name = app.replace("-", "_")
    return {
        "name": own.get("database", name),
        "user": own.get("user", name),
        "secret": secret_name(app, engine),
    }


def redis_users(apps: Apps, engine: str, declared: Iterable[str] = ()) -> list[dict[str, str]]:
    """Return the users of an instance of Redis: ``{name, secret}``, the last a secret's name.

    They are the apps that use it and the declared names. Raises ValueError for one of these that cannot be.
    """
    names = [name for name, app in apps.items() if engine in app.get("uses", [])]
    for name in declared:
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"redis_users: '{name}' cannot be a name; use small letters, digits and '-', a letter first"
            )
        if _TAKEN[engine].names.fullmatch(name):
            raise ValueError(f"redis_users: Redis has '{name}' for itself; give another name")
        if name in names:
            raise ValueError(f"redis_users: '{name}' is there already, as an app or another user; give one name once")
        names.append(name)
    return [{"name": name, "secret": secret_name(name, engine)} for name in names]


def vhosts(apps: Apps, project: str) -> list[dict[str, Any]]:
    """Return what nginx serves: ``{app, domains, kind, upstream, public_path, body_mib, timeout_seconds}`` each."""
    served = []
    for name, app in apps.items():
        for process_name, process in app["processes"].items():
            if process and "kind" in process:
                served.append(
                    {
                        "app": name,
                        "domains": list(app["domains"]),
                        "kind": process["kind"],
                        "upstream": f"{project}-{container_key(name, process_name)}:{process['port']}",
                        "public_path": app.get("public_path", ""),
                        "body_mib": _body_mib(app),
                        "timeout_seconds": app.get("request_limits", {}).get("timeout_seconds", 60),
                    }
                )
    return served


def problems(apps: Any, services: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return every reason why these apps cannot be run, each with the variable, the value found, and what to do.

    ``services`` are the backing services that the apps may use, those elsewhere too, ``known`` all that there are.
    """
    names = tuple(known)
    if not isinstance(apps, Mapping):
        return [f"onebox_apps: a dictionary of apps by name is needed, not {apps!r}"]
    found = []
    domains: dict[str, str] = {}
    for name, app in apps.items():
        at = f"onebox_apps.{name}"
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            found.append(f"{at}: a name has small letters, digits and '-', a letter first")
        if name in names:
            found.append(f"{at}: this is the name of a service; give the app another")
        wrong = key_problems(app, _APP_KEYS, at)
        engines = [engine for engine in names if engine != EDGE]
        found += wrong or _app_problems(str(name), app, list(services), engines, domains)
    return found or _clashes(apps)


def _clashes(apps: Apps) -> list[str]:
    """Two containers of one name would be one in the memory plan, and an error in Compose."""
    found = []
    owners: dict[str, str] = {}
    for name, app in apps.items():
        keys = {f"processes.{process}": container_key(name, process) for process in app["processes"]}
        if app.get("release_steps"):
            keys["release_steps"] = container_key(name, "release")
        for part, key in keys.items():
            at = f"onebox_apps.{name}.{part}"
            if owners.setdefault(key, at) != at:
                found.append(f"{at}: its container would be '{key}', as that of {owners[key]} is; rename one")
    return found


def memory_problems(own: Any) -> list[str]:
    """Return what is wrong with the keys and values of ``onebox_memory``."""
    if not isinstance(own, Mapping):
        return [f"onebox_memory: a dictionary is needed, such as {{mysql: {{ideal_mib: 512}}}}, not {own!r}"]
    return [
        problem
        for name, wishes in own.items()
        for problem in key_problems(wishes, _MEMORY_KEYS, f"onebox_memory.{name}")
    ]


def _app_problems(name: str, app: App, services: list[str], engines: list[str], domains: dict[str, str]) -> list[str]:
    at = f"onebox_apps.{name}"
    found = [f"{at}.{key}: missing; every app needs one" for key in ("image", "tag", "processes") if not app.get(key)]
    if app.get("tag") == "latest":
        found.append(f"{at}.tag: 'latest' names another image every day, and nothing to go back to; give a version")
    if app.get("preset", "none") not in PRESETS:
        found.append(f"{at}.preset: '{app['preset']}' is unknown{hint(app['preset'], PRESETS)}")
    for engine in app.get("uses", []):
        if engine not in engines:
            found.append(f"{at}.uses: '{engine}' is unknown{hint(engine, engines)}")
        elif engine not in services:
            found.append(f"{at}.uses: '{engine}' is not among the services of this host; add it to {_where(engine)}")
    if all(engine in app.get("uses", []) for engine in DATABASES):
        found.append(f"{at}.uses: {' and '.join(DATABASES)} would both be the app's DB_HOST; take one of them out")
    database = name.replace("-", "_")
    for engine, taken in _TAKEN.items():
        if engine in app.get("uses", []) and taken.names.fullmatch(database):
            found.append(f"{at}: {taken.server} has '{database}' for itself; give the app another name")
    for domain in app.get("domains", []):
        if not _DOMAIN.fullmatch(str(domain)):
            found.append(f"{at}.domains: '{domain}' is not a domain name in small letters, such as shop.example.com")
        elif domain in domains:
            found.append(f"{at}.domains: {domain} belongs to onebox_apps.{domains[domain]} already; one app a domain")
        else:
            domains[domain] = name
    for key in (*app.get("env", {}), *app.get("secrets", {})):
        if not _VARIABLE.fullmatch(str(key)):
            found.append(f"{at}: '{key}' cannot be the name of an environment variable or secret")
    for key, value in app.get("env", {}).items():
        if not isinstance(value, (str, int, float)):
            found.append(f"{at}.env.{key}: a text (in quotes) is needed, not {value!r}")
    for key, value in app.get("secrets", {}).items():
        if not isinstance(value, str) or not value:
            found.append(f"{at}.secrets.{key}: a text (in quotes) is needed; the value is not shown here")
    if app.get("user") and not re.fullmatch(r"\d+:\d+", app["user"]):
        found.append(f"{at}.user: '{app['user']}' must be a user and a group in numbers, such as \"33:33\"")
    limits = app.get("request_limits", {})
    found += key_problems(limits, _LIMIT_KEYS, f"{at}.request_limits")
    found += _process_problems(at, app)
    return found


def _where(engine: str) -> str:
    return "onebox_services, or to onebox_managed" if engine in DATABASES else "onebox_services"


def _process_problems(at: str, app: App) -> list[str]:
    found = []
    fronts = []
    for process_name, given in app.get("processes", {}).items():
        here = f"{at}.processes.{process_name}"
        process = given or {}
        wrong = key_problems(process, _PROCESS_KEYS, here)
        wrong = wrong or key_problems(process.get("memory", {}), _MEMORY_KEYS, f"{here}.memory")
        found += wrong
        if wrong:
            continue
        if not _NAME.fullmatch(str(process_name)):
            found.append(f"{here}: a name has small letters, digits and '-', a letter first")
        found += _runtime_problems(here, process)
        if "kind" not in process:
            if not process.get("command"):
                found.append(f"{here}.command: missing; a process that serves no requests needs one")
            continue
        fronts.append(str(process_name))
        if process["kind"] not in KINDS:
            found.append(f"{here}.kind: '{process['kind']}' is unknown{hint(process['kind'], KINDS)}")
        if "port" not in process:
            found.append(f"{here}.port: missing; nginx must know where the process listens, such as 9000")
        elif process["port"] > LARGEST_PORT:
            found.append(f"{here}.port: {process['port']} is too much; give {LARGEST_PORT} or less")
        if not process.get("health"):
            found.append(f"{here}.health: missing; give the command that fails in a container that cannot serve")
        if process["kind"] == "fastcgi" and not app.get("public_path"):
            found.append(f"{at}.public_path: missing; nginx serves the files of this directory of the image itself")
    if len(fronts) > 1:
        found.append(f"{at}.processes: {' and '.join(fronts)} both serve requests; make two apps of them")
    if fronts and not app.get("domains"):
        found.append(f"{at}.domains: missing; {fronts[0]} serves requests, and nginx must know for which domains")
    return found


def _runtime_problems(at: str, process: Mapping[str, Any]) -> list[str]:
    runtime = _runtimes.runtime(process)
    if runtime not in _runtimes.RUNTIMES:
        return [f"{at}.runtime: '{runtime}' is unknown{hint(runtime, _runtimes.RUNTIMES)}"]
    if (runtime == "php_fpm") != (process.get("kind") == "fastcgi"):
        return [f"{at}.runtime: '{runtime}' does not go with this kind; php_fpm and fastcgi are for each other"]
    facts = {fact for fact in _runtimes.FACTS if fact in process}
    known = _tuning.ENGINES[runtime].facts if runtime != "none" else {}
    unused = sorted(facts - set(known))
    if unused or runtime == "none":
        return [f"{at}.{fact}: the runtime '{runtime}' does not take it; take it out" for fact in unused]
    try:
        _tuning.floor_mib(**_runtimes.tuning(process, cpus=2))
    except ValueError as error:
        return [f"{at}: {error}"]
    return []
