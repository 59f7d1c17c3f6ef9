# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A docker client with Compose, in memory, that answers the commands of ``_stack`` and knows no others.

A container sees (``seen``) the files that it mounted when it was started, not what replaces them on the host later. It
has taken up (``loaded``) the files in the directories that it mounts as they were then, or when a command last ran in
it. One that mounts the word ``broken`` is unhealthy, one with ``slow`` never ready, one with ``crash`` ends again and
again; checkers and commands that come across ``refused`` fail.
"""

from __future__ import annotations

import functools
import hashlib
import json
import pathlib
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import yaml
from ansible_collections.onebox.stack.plugins.module_utils import _stack

Found = dict[str, Any]


class RefusedError(Exception):
    """What the client writes to its standard error before it ends with 1."""


class Engine:
    """``calls`` are the command lines so far, ``ran`` the commands in containers; ``step`` is told what comes next."""

    def __init__(self, stack: pathlib.Path, step: Callable[[str], None] = lambda _where: None) -> None:
        self.stack = stack
        self.step = step
        self.calls: list[str] = []
        self.images = {"shop:1": "sha256:" + "1" * 64}
        self.registry = {"shop:2": "sha256:" + "2" * 64}
        self.made: dict[str, Found] = {}
        self.volumes: set[str] = set()
        self.ran: list[str] = []
        self.public: dict[str, dict[str, str]] = {}
        self.failing: dict[str, str] = {}
        self.signals: dict[int, type[BaseException]] = {}
        self.born = 0

    def client(self, project: str, directory: pathlib.Path) -> _stack.Docker:
        """Stand in for the class `_stack.Docker`."""
        assert directory == self.stack
        return _Client(self, project, directory)

    # -- what a test looks at, and does by hand ----------------------------------------------------------------------

    def of(self, key: str) -> list[Found]:
        """Return the containers of a key of the Compose file, in the order of their numbers."""
        found = [one for one in self.made.values() if one["Config"]["Labels"].get(_KEY) == key]
        return sorted(found, key=lambda one: str(one["Name"]))

    def ids(self, key: str) -> list[str]:
        return [one["Id"] for one in self.of(key)]

    def picture(self) -> list[tuple[Any, ...]]:
        """Return everything of the Compose containers but their ids."""
        return sorted(
            (one["Name"], one["Config"]["Image"], one["State"]["Status"], sorted(one["Config"]["Labels"].items()),
             sorted(one["seen"].items()), sorted(one["loaded"].items()))
            for one in self.made.values()
        )  # fmt: skip

    def changing_calls(self) -> list[str]:
        looks = ("ps ", "inspect ", "image inspect ", "volume inspect ", "logs ")
        return [call for call in self.calls if not call.startswith(looks)]

    def set_state(self, key: str, **state: Any) -> None:
        for one in self.of(key):
            one["State"].update(state)

    def mountpoint(self, volume: str) -> pathlib.Path:
        return self.stack.parent / "volumes" / volume

    def fill(self, volume: str) -> None:
        """Make a volume, and something in it."""
        self.volumes.add(volume)
        self.mountpoint(volume).mkdir(parents=True, exist_ok=True)
        (self.mountpoint(volume) / "table").write_text("rows")

    # -- the client --------------------------------------------------------------------------------------------------

    def answer(self, argv: tuple[str, ...], stdin: str | None) -> subprocess.CompletedProcess[str]:
        line = " ".join(argv)
        signal = self.signals.pop(len(self.calls), None)
        self.calls.append(line)
        if signal:
            raise signal
        self.step(f"docker {line}")
        try:
            for words, error in self.failing.items():
                if words in line:
                    raise RefusedError(error)
            output = self._run(list(argv), stdin)
        except RefusedError as error:
            done = subprocess.CompletedProcess(argv, 1, "", str(error))
        else:
            done = subprocess.CompletedProcess(argv, 0, output, "")
        return done

    def _run(self, argv: list[str], stdin: str | None) -> str:
        match argv:
            case ["ps", "--all", "--quiet", "--no-trunc", *filters]:
                return self._ps(filters)
            case ["inspect", *ids]:
                shown = json.dumps([{name: self.made[id_][name] for name in _SHOWN} for id_ in ids])
                for id_ in ids:
                    self._grow_older(self.made[id_])
                return shown
            case ["image", "inspect", "--format", "{{.Id}}", image]:
                return f"{_known(self.images, image, f'Error: No such image: {image}')}\n"
            case ["pull", "--quiet", image]:
                self.images[image] = _known(self.registry, image, f"manifest for {image} not found")
                return ""
            case ["logs", "--tail", "15", id_]:
                return "\n".join(f"line {number} of {self.made[id_]['Name']}" for number in range(1, 4))
            case ["stop", *ids]:
                for id_ in ids:
                    self.made[id_]["State"]["Status"] = "exited"
                return ""
            case ["rm", "--volumes", *ids]:
                for id_ in ids:
                    assert self.made[id_]["State"]["Status"] != "running"
                    del self.made[id_]
                return ""
            case ["rm", "--force", "--volumes", name]:
                del self.made[self._named(name)]
                return ""
            case ["volume", "inspect", *_format, volume]:
                if volume not in self.volumes:
                    raise RefusedError(f"Error: No such volume: {volume}")
                return f"{self.mountpoint(volume)}\n"
            case ["volume", "rm", *volumes]:
                self.volumes -= set(volumes)
                for volume in volumes:
                    shutil.rmtree(self.mountpoint(volume))
                return ""
            case ["create", "--name", name, image]:
                assert f"/{name}" not in {one["Name"] for one in self.made.values()}
                self.born += 1
                id_ = f"{self.born:064x}"
                state = {"Status": "created"}
                config: Found = {"Image": image, "Labels": {}}
                self.made[id_] = {
                    "Id": id_,
                    "Name": f"/{name}",
                    "Config": config,
                    "State": state,
                    "seen": {},
                    "loaded": {},
                }
                return id_ + "\n"
            case ["cp", source, target]:
                name, path = source.split(":")
                return self._copy(name, path, pathlib.Path(target))
            case ["compose", "up", "--detach", "--no-deps", *rest]:
                return self._up(rest)
            case ["compose", "exec", "-T", key, *command]:
                return self._exec(key, " ".join(command), stdin)
            case ["compose", "-p", project, "-f", file, *rest]:
                return self._of_file(project, pathlib.Path(file), rest)
        raise AssertionError(f"the fake client does not know: docker {' '.join(argv)}")

    @staticmethod
    def _grow_older(one: Found) -> None:
        """What starts is healthy at the next look; what ends and is restarted ends again, until it starts well."""
        health = one["State"].get("Health", {})
        if health.get("Status") == "starting" and "slow" not in json.dumps(one["seen"]):
            health["Status"] = "healthy"
        if one["State"]["Status"] == "restarting":
            one["RestartCount"] += 1

    def _ps(self, arguments: list[str]) -> str:
        assert arguments[::2] == ["--filter"] * (len(arguments) // 2)
        wanted = [word.removeprefix("label=").split("=", 1) for word in arguments[1::2]]
        return "\n".join(
            id_
            for id_, one in self.made.items()
            if all(one["Config"]["Labels"].get(name) == value for name, value in wanted)
        )

    def _named(self, name: str) -> str:
        """Return the id of a container that does not belong to Compose."""
        return str(
            _known({one["Name"]: id_ for id_, one in self.made.items()}, f"/{name}", f"No such container: {name}")
        )

    def _copy(self, name: str, path: str, target: pathlib.Path) -> str:
        files = self.public.get(f"{self.made[self._named(name)]['Config']['Image']}{path.removesuffix('/.')}")
        if files is None:
            raise RefusedError(f"Could not find the file {path} in container {name}")
        target.mkdir()
        for name, content in files.items():
            (target / name).write_text(content)
        return ""

    def _exec(self, key: str, command: str, stdin: str | None) -> str:
        for one in self.of(key):
            live = self._files_in(one["directories"])
            if "refused" in json.dumps([live, stdin]):
                raise RefusedError(f"{key}: these settings are refused")
            one["loaded"] = live
        self.ran.append(f"{key}: {command}" if stdin is None else f"{key}: {command} < {stdin}")
        return ""

    def _of_file(self, project: str, file: pathlib.Path, rest: list[str]) -> str:
        model = self._load(file)
        match rest:
            case ["config", "--quiet"]:
                for key, service in model["services"].items():
                    if service["deploy"]["resources"]["limits"]["memory"] == "0M":
                        raise RefusedError(f"services.{key}: memory must be more than nothing")
                return ""
            case ["config", "--format", "json"]:
                volumes = {
                    key: {"name": f"{project}_{key}", **(own or {})} for key, own in model.get("volumes", {}).items()
                }
                return json.dumps({**model, "volumes": volumes})
            case ["run", "--rm", "-T", key]:
                assert project.endswith("-check")
                live = self._files_in(self._directories(model, file.parent, key))
                if "refused" in json.dumps([live, self._mounts(model, file.parent, key)]):
                    raise RefusedError("checking\nline 7: refused")
                return ""
            case ["run", "--rm", "-T", "--no-deps", key, *command]:
                seen = json.dumps(self._mounts(model, file.parent, key))
                if "cannot migrate" in seen:
                    raise RefusedError("the table is locked")
                self.ran.append(f"{key}: {' '.join(command)}")
                return ""
        raise AssertionError(f"the fake client does not know: docker compose {' '.join(rest)}")

    # -- Compose -----------------------------------------------------------------------------------------------------

    def _load(self, file: pathlib.Path) -> Found:
        if not file.is_file():
            raise RefusedError(f"stat {file}: no such file or directory")
        return _parse(file.read_text())

    def _mounts(self, model: Found, home: pathlib.Path, key: str) -> dict[str, str]:
        """Return the content of each single file that the container mounts, by its path below the stack."""
        service = model["services"][key]
        sources = [volume.split(":")[0] for volume in service.get("volumes", []) if volume.startswith("./")]
        sources += [model["secrets"][secret["source"]]["file"] for secret in service.get("secrets", [])]
        seen = {}
        for source in sources:
            path = (home / source).resolve()
            if not path.exists():
                raise RefusedError(f"bind source path does not exist: {path}")
            if path.is_file():
                seen[source.removeprefix("../../")] = path.read_text()
        return seen

    @staticmethod
    def _directories(model: Found, home: pathlib.Path, key: str) -> list[pathlib.Path]:
        paths = [home / volume.split(":")[0] for volume in model["services"][key].get("volumes", [])]
        return [path for path in paths if path.is_dir()]

    def _files_in(self, directories: list[pathlib.Path]) -> dict[str, str]:
        paths = [path for directory in directories for path in directory.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.stack)): path.read_text() for path in paths}

    def _up(self, arguments: list[str]) -> str:
        recreate = arguments[:1] == ["--force-recreate"]
        keys = arguments[1 if recreate else 0 :]
        top = self._load(self.stack / "compose.yaml")
        known = {}
        for include in top.get("include", []):
            file = self.stack / include
            model = self._load(file)
            for key in model["services"]:
                known[key] = (model, file.parent)
        for key in keys or [key for key, (model, _home) in known.items() if "profiles" not in model["services"][key]]:
            model, home = _known(known, key, f"no such service: {key}")
            self._up_one(top["name"], model, home, key, recreate=recreate)
            self.step(f"docker compose up, done with {key}")
        return ""

    def _up_one(self, project: str, model: Found, home: pathlib.Path, key: str, *, recreate: bool) -> None:
        service = model["services"][key]
        own = {field: value for field, value in service.items() if field != "deploy"}
        own["limits"] = service["deploy"]["resources"]
        hash_ = hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()
        if service["image"] not in self.images:
            raise RefusedError(f"No such image: {service['image']}")
        replicas = service["deploy"].get("replicas", 1)
        for one in self.of(key)[replicas:]:
            del self.made[one["Id"]]
        for one in self.of(key):
            labels = one["Config"]["Labels"]
            if recreate or labels[_HASH] != hash_:
                del self.made[one["Id"]]
            elif one["State"]["Status"] != "running":
                self._start(one, model, home, key)
        names = {one["Name"] for one in self.of(key)}
        for number in range(1, replicas + 1):
            name = f"/{project}-{key}-{number}"
            if name not in names:
                self._make(name, project, model, home, key, hash_)
        for volume, own in model.get("volumes", {}).items():
            self.fill(own.get("name", f"{project}_{volume}"))

    def _make(self, name: str, project: str, model: Found, home: pathlib.Path, key: str, hash_: str) -> None:
        service = model["services"][key]
        labels = {**service["labels"], _PROJECT: project, _KEY: key, _ONE_OFF: "False", _HASH: hash_}
        self.born += 1
        limit = int(service["deploy"]["resources"]["limits"]["memory"].removesuffix("M")) * 2**20
        one: Found = {
            "Id": f"{self.born:064x}",
            "Name": name,
            "Config": {"Image": service["image"], "Labels": labels},
            "HostConfig": {"Memory": limit},
            "RestartCount": 0,
            "State": {
                "Status": "created",
                "ExitCode": 0,
                "OOMKilled": False,
                "StartedAt": "2020-01-01T12:00:00.123456789Z",
            },
        }
        self._start(one, model, home, key)
        self.made[one["Id"]] = one

    def _start(self, one: Found, model: Found, home: pathlib.Path, key: str) -> None:
        one["seen"] = self._mounts(model, home, key)
        one["directories"] = self._directories(model, home, key)
        one["loaded"] = self._files_in(one["directories"])
        words = json.dumps(one["seen"])
        one["State"].update(Status="running")
        if "crash" in words:
            one["State"].update(Status="restarting", ExitCode=137, OOMKilled="hungry" in words)
        elif "healthcheck" in model["services"][key]:
            log = [{"Output": "first\n"}, {"Output": "connection refused\n"}]
            status = "unhealthy" if "broken" in words else "starting" if "slow" in words else "healthy"
            one["State"]["Health"] = {"Status": status, "Log": log}


_PROJECT = "com.docker.compose.project"
_KEY = "com.docker.compose.service"
_ONE_OFF = "com.docker.compose.oneoff"
_HASH = "com.docker.compose.config-hash"
_SHOWN = ("Id", "Name", "Config", "HostConfig", "RestartCount", "State")


@functools.cache
def _parse(text: str) -> Found:
    model: Found = yaml.safe_load(text)
    return model


def _known(known: dict[str, Any], name: str, otherwise: str) -> Any:
    if name not in known:
        raise RefusedError(otherwise)
    return known[name]


class _Client(_stack.Docker):
    def __init__(self, engine: Engine, project: str, directory: pathlib.Path) -> None:
        super().__init__(project, directory)
        self.engine = engine
        self.installed = True

    def attempt(self, *argv: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return self.engine.answer(argv, stdin)
