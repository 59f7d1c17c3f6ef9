# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policy that all services of a stack share, laid under what a role's own Compose file says.

PRIVATE to the collection. Pure: takes and returns plain dictionaries, in the shapes of the Compose specification.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

# The module replaces this in the written file by the keyed digest of what the container mounts.
DIGEST_MARK = "@digest:{service}@"
# And this by the name of the volume that has the service's data on that host.
DATA_MARK = "@data@"

LABEL_SERVICE = "onebox.service"
LABEL_DIGEST = "onebox.digest"

_POLICY: Json = {
    "restart": "unless-stopped",
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
    # Docker 29 lowered the soft limit in containers to 1024. A Redis asks for 10032; more than 20000 is refused in
    # guests whose own limit is lower.
    "ulimits": {"nofile": {"soft": 16384, "hard": 16384}},
    "logging": {"driver": "local", "options": {"max-size": "10m", "max-file": "5"}},
    "deploy": {"resources": {"limits": {"pids": 512}}},
}
_HEALTH_POLICY: Json = {
    "interval": "15s",
    "timeout": "5s",
    "retries": 3,
    "start_period": "30s",
    "start_interval": "1s",
}


class ComposeError(ValueError):
    """A role's Compose file that cannot be used; the text says where and what to do."""


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> Json:
    """Return ``base`` with ``over`` laid on it: mappings are merged, anything else is replaced."""
    merged = copy.deepcopy(dict(base))
    for key, value in over.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def build(
    text_model: Mapping[str, Any],
    *,
    name: str,
    project: str,
    memory_mib: int | Mapping[str, int],
    networks: Mapping[str, Mapping[str, Any]],
    secrets: list[str],
    data: str = "",
) -> Json:
    """Return the complete Compose model of one service of the stack.

    ``text_model`` is the role's own file as parsed; ``memory_mib`` the limit of its containers, or one for each
    container by its key; ``networks`` the stack's networks as Compose defines them, by the names the roles use;
    ``secrets`` the names of the files under ``secrets/<name>/`` that the containers may mount; ``data`` the key of the
    volume with the service's data.
    """
    services = text_model.get("services")
    if not isinstance(services, Mapping) or not services:
        raise ComposeError(f"the Compose file of '{name}' has no 'services'")
    limits = memory_mib if isinstance(memory_mib, Mapping) else dict.fromkeys(services, memory_mib)
    unknown = sorted(set(limits) - set(services))
    if unknown:
        raise ComposeError(f"memory_mib names '{unknown[0]}', but the Compose file has only {', '.join(services)}")
    model = {field: copy.deepcopy(value) for field, value in text_model.items() if not field.startswith("x-")}
    used_networks: set[str] = set()
    used_secrets: set[str] = set()
    model["services"] = {}
    for key, own in services.items():
        if key not in limits:
            raise ComposeError(f"memory_mib has no limit for '{key}'")
        if not isinstance(own, Mapping) or not own.get("image"):
            raise ComposeError(f"'{key}' has no image in the Compose file of '{name}'")
        attached = _attach(own.get("networks", []), key, project, networks)
        shared = any(networks[network].get("external") for network in attached)
        # On a network that other stacks use too, Compose would answer to the bare key there.
        final_key = f"{project}-{key}" if shared else key
        service = _with_policy(own, final_key, name, limits[key])
        service["networks"] = attached
        service["secrets"] = _mount_secrets(own.get("secrets", []), key, name, secrets)
        used_networks |= set(attached)
        used_secrets |= {secret["target"] for secret in service["secrets"]}
        model["services"][final_key] = {field: value for field, value in service.items() if value != []}
    model["networks"] = {network: dict(networks[network]) for network in sorted(used_networks)}
    model["secrets"] = {
        f"{name}-{secret}": {"file": f"../../secrets/{name}/{secret}"} for secret in sorted(used_secrets)
    }
    if data:
        if data not in model.get("volumes", {}):
            raise ComposeError(f"data: the Compose file of '{name}' has no volume '{data}'")
        model["volumes"][data] = {**(model["volumes"][data] or {}), "name": DATA_MARK}
    return {key: value for key, value in model.items() if value != {}}


def _with_policy(own: Mapping[str, Any], key: str, name: str, limit_mib: int) -> Json:
    service = merge(_POLICY, own)
    if "healthcheck" in service and not service["healthcheck"].get("disable"):
        service["healthcheck"] = merge(_HEALTH_POLICY, service["healthcheck"])
    limit = f"{limit_mib}M"
    memory = {"resources": {"limits": {"memory": limit}, "reservations": {"memory": limit}}}
    service["deploy"] = merge(service["deploy"], memory)
    # Unset, a container may take as much swap again as its limit, and then crawls instead of failing. The plan counts
    # no swap, and the host's is for the system.
    service.setdefault("memswap_limit", limit)
    labels = service.get("labels", {})
    service["labels"] = {**labels, LABEL_SERVICE: name}
    if "profiles" not in service:  # such a container is made for one command, and never compared with what is wanted
        service["labels"][LABEL_DIGEST] = DIGEST_MARK.format(service=key)
    return service


def _attach(wanted: Any, key: str, project: str, networks: Mapping[str, Mapping[str, Any]]) -> Json:
    """Return the service's networks in Compose's long form, each with the name that clients use."""
    own: Mapping[str, Any] = wanted if isinstance(wanted, Mapping) else dict.fromkeys(wanted)
    for network in own:
        if network not in networks:
            raise ComposeError(f"'{key}' wants the network '{network}'; the stack has {', '.join(sorted(networks))}")
    return {
        network: (
            {}
            if networks[network].get("external")
            else merge({"aliases": [f"{project}-{key}".replace("_", "-")]}, options or {})
        )
        for network, options in own.items()
    }


def _mount_secrets(wanted: list[str], key: str, name: str, known: list[str]) -> list[Json]:
    for secret in wanted:
        if secret not in known:
            raise ComposeError(f"'{key}' mounts the secret '{secret}', which is not among those given to '{name}'")
    return [{"source": f"{name}-{secret}", "target": secret} for secret in wanted]


def inputs(service: Mapping[str, Any], files: list[str]) -> list[str]:
    """Return which of ``files`` (paths below the service's directory) the container mounts."""
    sources = []
    for source in map(_source, service.get("volumes", [])):
        if source.startswith("./"):
            sources.append(source[2:].rstrip("/"))
    return [path for path in files if any(path == source or path.startswith(f"{source}/") for source in sources)]


def _source(volume: Any) -> str:
    return str(volume.get("source", "")) if isinstance(volume, Mapping) else str(volume).partition(":")[0]


def _target(volume: Any) -> str:
    return str(volume["target"]) if isinstance(volume, Mapping) else str(volume).split(":")[1]


def group_of(service: Mapping[str, Any]) -> int:
    """Return the numeric group of the container's ``user:``, 0 where none is given."""
    user = str(service.get("user", "0:0"))
    group = user.partition(":")[2]  # without one, the image decides
    if not group.isdigit():
        raise ComposeError(f"user: '{user}' must be given in numbers, as '999:999', so that its secrets can be its own")
    return int(group)


def limit_of(service: Mapping[str, Any]) -> int:
    """Return the container's memory limit in MiB, as `build` wrote it."""
    return int(service["deploy"]["resources"]["limits"]["memory"].removesuffix("M"))


def check_model(service: Mapping[str, Any], key: str, command: list[str], secrets: Mapping[str, Any]) -> Json:
    """Return a Compose model that runs ``command`` once with the service's image and files, away from its data.

    No network, and memory in place of named volumes: a checker must not touch what the running container uses.
    """
    keep = (
        "image",
        "user",
        "read_only",
        "cap_drop",
        "cap_add",
        "security_opt",
        "tmpfs",
        "ulimits",
        "memswap_limit",
        "secrets",
        "environment",
        "platform",
    )
    once = {field: service[field] for field in keep if field in service}
    volumes = service.get("volumes", [])
    once["volumes"] = [volume for volume in volumes if _source(volume).startswith(("./", "../"))]
    named = [_target(volume) for volume in volumes if not _source(volume).startswith((".", "/"))]
    once["tmpfs"] = [*service.get("tmpfs", []), *named]
    once.update(
        entrypoint=command[:1],
        command=command[1:],
        network_mode="none",
        deploy={"resources": {"limits": service["deploy"]["resources"]["limits"]}},
    )
    mounted = {secret["source"] for secret in once.get("secrets", [])}
    model: Json = {"services": {key: once}, "secrets": {k: v for k, v in secrets.items() if k in mounted}}
    return {field: value for field, value in model.items() if value}
