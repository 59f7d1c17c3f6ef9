# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring one service of a stack on this host to its wanted state.

PRIVATE to the collection. Runs on the host, needs only the standard library (Python 3.9) and the docker client.

A stack is a directory (``/opt/<project>``): ``compose.yaml`` includes ``services/<name>/compose.yaml``, secrets lie
in ``secrets/<name>/``. What makes an interrupted run resume is kept beside each service in ``.state.json``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import fcntl
import hashlib
import hmac
import json
import os
import pathlib
import re
import secrets as random_secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from typing import Any

from ansible_collections.onebox.stack.plugins.module_utils import _data
from ansible_collections.onebox.stack.plugins.module_utils._compose import (
    DATA_MARK,
    DIGEST_MARK,
    LABEL_DIGEST,
    LABEL_SERVICE,
)

LOG_LINES = 15
WELL = ("running", "healthy")
HIDDEN = "(hidden)\n"
STATE = ".state.json"
VAULT_MODE = "0440"
# What Compose calls a new container until the one that it replaces is gone. One that a killed run left over is in the
# way of every later ``up``.
HALF_MADE = re.compile(r"/[0-9a-f]{12}_")
POLL_SECONDS = 0.3
# A container without a health check is well when it has run for this long.
SETTLED_SECONDS = 2
# One that has ended and been restarted so many times in this run will not get well.
HOPELESS_RESTARTS = 4


class StackError(Exception):
    """The service could not be brought to its wanted state; the text is for the operator."""


@dataclasses.dataclass(frozen=True)
class File:
    """A file below ``services/<name>/``; ``mode`` is octal text."""

    content: str
    mode: str = "0644"


@dataclasses.dataclass(frozen=True)
class Secret:
    """A file below ``secrets/<name>/``. A ``guarded`` one, once on the host, changes only when that is asked for."""

    content: str
    group: int
    guarded: bool


@dataclasses.dataclass(frozen=True)
class Container:
    """What one key of the Compose file must look like when it runs.

    Files and secrets are those for which it is recreated: all that it mounts, less what a reload takes up.
    """

    image: str
    replicas: int
    limit_mib: int
    files: tuple[str, ...]
    secrets: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Command:
    """A command for a container; ``stdin`` names a file or secret of the service that it reads."""

    service: str
    argv: tuple[str, ...]
    stdin: str | None = None


@dataclasses.dataclass(frozen=True)
class Published:
    """A directory of the release's image that another container serves, as ``<directory>/current``."""

    service: str
    path: str
    directory: str


@dataclasses.dataclass(frozen=True)
class Wanted:
    """One service as it is to be.

    ``checks`` are Compose models, by the key of the service, that run the vendor's checker on the new files.
    ``release`` runs once for each release, before its containers start. ``reload`` tells a running container to take
    up ``reload_files``, for which it is not recreated. ``tuned_for`` is recorded for the next memory plan.
    ``data_format`` names what the service's data is of, empty for one that keeps none; ``accept_data_loss`` permits to
    start on no data where there was some.
    """

    project: str
    directory: str
    name: str
    files: dict[str, File]
    secrets: dict[str, Secret]
    containers: dict[str, Container]
    checks: dict[str, str]
    release: tuple[Command, ...]
    publish: Published | None
    reload: Command | None
    reload_files: tuple[str, ...]
    rotate: tuple[str, ...]
    tuned_for: dict[str, Any]
    data_format: str
    accept_data_loss: bool
    wait_seconds: int


@dataclasses.dataclass
class Result:
    """What was done, or in check mode would be."""

    actions: list[str] = dataclasses.field(default_factory=list)
    diff: list[dict[str, str]] = dataclasses.field(default_factory=list)
    containers: list[dict[str, str]] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Difference:
    """How the host differs from what is wanted. ``recreate`` names containers that Compose would take for current."""

    top: bool = False
    files: list[str] = dataclasses.field(default_factory=list)
    stale_files: list[str] = dataclasses.field(default_factory=list)
    secrets: list[str] = dataclasses.field(default_factory=list)
    stale_secrets: list[str] = dataclasses.field(default_factory=list)
    recreate: list[str] = dataclasses.field(default_factory=list)
    leftover: list[str] = dataclasses.field(default_factory=list)
    up: bool = False
    wait: bool = False
    release: bool = False
    publish: bool = False
    reload: bool = False

    def any(self) -> bool:
        return any(getattr(self, field.name) for field in dataclasses.fields(self))


class Docker:
    """The docker client, for one Compose project."""

    def __init__(self, project: str, directory: pathlib.Path) -> None:
        self.project = project
        self.directory = directory
        self.installed = shutil.which("docker") is not None

    def run(self, *argv: str, stdin: str | None = None) -> str:
        """Run ``docker`` with these arguments; return its standard output, raise its last words when it fails."""
        done = self.attempt(*argv, stdin=stdin)
        if done.returncode != 0:
            raise StackError(_last_words(done.stderr or done.stdout) or f"docker {argv[0]} failed ({done.returncode})")
        return done.stdout

    def attempt(self, *argv: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        if not self.installed:
            raise StackError("the docker client is not installed; apply the role onebox.stack.docker first")
        source: dict[str, Any] = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
        # In check mode the directory may not be there yet; what only looks does not need it.
        where = str(self.directory) if self.directory.is_dir() else "/"
        # A file of one service knows nothing of the others, which Compose would advise to remove.
        environment = {**os.environ, "COMPOSE_IGNORE_ORPHANS": "true"}
        return subprocess.run(
            ["docker", *argv],
            cwd=where,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            close_fds=False,  # with the lock, which a command that outlives this process keeps until it ends
            **source,
        )

    def containers(self, name: str) -> list[dict[str, Any]]:
        """Return ``docker inspect`` of the service's containers, stopped ones too, one-off ones not."""
        if not self.installed:
            return []
        labels = (
            f"label=com.docker.compose.project={self.project}",
            f"label={LABEL_SERVICE}={name}",
            "label=com.docker.compose.oneoff=False",
        )
        ids = self.run("ps", "--all", "--quiet", "--no-trunc", *(a for label in labels for a in ("--filter", label)))
        if not ids.split():
            return []
        inspected: list[dict[str, Any]] = json.loads(self.run("inspect", *ids.split()))
        return inspected

    def missing_images(self, images: list[str]) -> list[str]:
        return [image for image in images if self.attempt("image", "inspect", "--format", "{{.Id}}", image).returncode]

    def image_id(self, image: str) -> str:
        return self.run("image", "inspect", "--format", "{{.Id}}", image).strip()

    def holds_data(self, volume: str) -> bool:
        """Whether there is such a volume with anything in it."""
        return self.installed and _data.is_there(volume, self.attempt)


class Service:
    """One service on this host: looks at what is there, and changes what differs."""

    def __init__(self, wanted: Wanted, *, check_mode: bool = False) -> None:
        self.wanted = wanted
        self.check_mode = check_mode
        self.stack = pathlib.Path(wanted.directory)
        self.home = self.stack / "services" / wanted.name
        self.vault = self.stack / "secrets" / wanted.name
        self.docker = Docker(wanted.project, self.stack)
        self.result = Result()

    def apply(self) -> Result:
        """Bring the service to its wanted state; in check mode only say what would be done."""
        with self._locked():
            self.key = self._digest_key()
            self.state = self._read_state()
            self.found = self.docker.containers(self.wanted.name)
            self._find_data()
            self.files = self._final_files()
            difference = self._look()
            if self.check_mode:
                return self.result
            if difference.any():
                self._prepare(difference)
                self._switch(difference)
                self.found = self.docker.containers(self.wanted.name)
            self._record_data(ready=True)
            self._write_state(
                recreate=[],
                release=self._release_digest(),
                reload=self._reload_digest(),
                published=self._published_image(),
                guarded=self._guarded(),
                rotating={},
                tuned_for=self.wanted.tuned_for,
            )
            self.result.containers = [_summary(found) for found in self.found]
        return self.result

    def remove(self, *, volumes: bool, heir: str = "") -> Result:
        """Remove the service's containers and files, and its volumes when asked for; keep what others use.

        ``heir`` names the service that has its data from then on.
        """
        with self._locked():
            found = self.docker.containers(self.wanted.name)
            ids = [container["Id"] for container in found]
            kept = self._volumes() if volumes else []
            paths = [path for path in (self.home, self.vault) if path.is_dir()]
            self.result.actions += [f"removed container {_name(container)}" for container in found]
            self.result.actions += [f"removed volume {volume}" for volume in kept]
            self.result.actions += [f"removed {path}" for path in paths]
            if self.check_mode:
                return self.result
            self._remove_containers(ids)
            if kept:
                self.docker.run("volume", "rm", *kept)
            self._forget_data(kept, heir)
            if paths:
                self._write_top(self._top())
            for path in paths:
                shutil.rmtree(path)
        return self.result

    # -- the service's data ------------------------------------------------------------------------------------------

    def _find_data(self) -> None:
        """Find the volume of the service's data, or its name to be; refuse one that is not what it should be."""
        self.record = _data.read(self.stack)
        self.held = held = self.record.services.get(self.wanted.name)
        self.volume = ""
        self.without_data = False
        # The first start was cut off, and what it left may never become a whole.
        self.half_made = False
        if not self.wanted.data_format:
            return
        there = held is not None and self.docker.holds_data(held.volume)
        if held and held.ready:
            accepted = self.wanted.accept_data_loss
            if words := _data.refusal(self.wanted.name, self.wanted.data_format, held, there, loss_accepted=accepted):
                raise StackError(f"{words}\nNothing was changed.")
            given_up = held.format != self.wanted.data_format
            self.volume = (
                self.record.new_volume(self.wanted.project, self.wanted.data_format) if given_up else held.volume
            )
            self.without_data = given_up or not there
            return
        if held and held.format == self.wanted.data_format:
            self.volume = held.volume
        else:
            self.volume = self.record.new_volume(self.wanted.project, self.wanted.data_format)
        well = bool(self.found) and all(_condition(found) == "healthy" for found in self.found)
        self.half_made = there and not well
        self.without_data = self.half_made or not self.docker.holds_data(self.volume)
        if held and self.half_made:
            self._say("remove volume", f"{held.volume} (its first start was cut off)")

    def _record_data(self, *, ready: bool) -> None:
        held = _data.Held(self.wanted.data_format, self.volume, ready) if self.volume else None
        if held and held != self.held:
            if self.held and self.held.ready and self.held.volume != self.volume:
                self.record.kept[self.held.volume] = self.wanted.name
            self.record.services[self.wanted.name] = self.held = held
            self._write_record()

    def _forget_data(self, volumes: list[str], heir: str) -> None:
        record = self.record = _data.read(self.stack)
        before = record.text()
        if heir:
            record.hand_over(self.wanted.name, heir)
        elif self.wanted.name in record.services and record.services[self.wanted.name].volume in volumes:
            del record.services[self.wanted.name]
        if record.text() != before:
            self._write_record()

    def _write_record(self) -> None:
        _write(self.stack / _data.FILE, self.record.text().encode(), mode=0o600)

    # -- what must be there ------------------------------------------------------------------------------------------

    def _digest_key(self) -> bytes:
        """Return the host's own key, so that a label does not tell whether a guessed password is right."""
        path = self.stack / "secrets" / ".digest_key"
        if path.exists():
            return path.read_bytes()
        key = random_secrets.token_hex(32).encode()
        if not self.check_mode:
            _write(path, key, mode=0o600)
        return key

    def _digest(self, contents: Any) -> str:
        return hmac.new(self.key, json.dumps(contents, sort_keys=True).encode(), hashlib.sha256).hexdigest()[:32]

    def _final_files(self) -> dict[str, File]:
        compose = self.wanted.files["compose.yaml"]
        content = compose.content
        for key in self.wanted.containers:
            content = content.replace(DIGEST_MARK.format(service=key), self._container_digest(key))
        content = content.replace(DATA_MARK, self.volume)
        return {**self.wanted.files, "compose.yaml": dataclasses.replace(compose, content=content)}

    def _container_digest(self, key: str) -> str:
        container = self.wanted.containers[key]
        files = {path: self.wanted.files[path].content for path in container.files}
        secrets = {name: self.wanted.secrets[name].content for name in container.secrets}
        # Compose does not notice that a volume has another name.
        return self._digest([files, secrets, self.volume])

    def _release_digest(self) -> str:
        steps = [[step.service, step.argv] for step in self.wanted.release]
        return self._digest([self.files["compose.yaml"].content, steps]) if steps else ""

    def _reload_digest(self) -> str:
        if not self.wanted.reload:
            return ""
        contents = {path: self._content(path) for path in self.wanted.reload_files}
        return self._digest([contents, self.wanted.reload.argv])

    def _content(self, path: str) -> str:
        return self.files[path].content if path in self.files else self.wanted.secrets[path].content

    def _guarded(self) -> list[str]:
        return sorted(name for name, secret in self.wanted.secrets.items() if secret.guarded)

    def _top(self, *own: str) -> str:
        """Return the stack's own Compose file, with which plain ``docker compose`` commands work in its directory.

        It includes the other services, and this one when its name is given.
        """
        others = {path.parent.name for path in (self.stack / "services").glob("[!.]*/compose.yaml")}
        names = sorted((others - {self.wanted.name}).union(own))
        lines = [f"name: {self.wanted.project}", "include:", *(f"  - services/{name}/compose.yaml" for name in names)]
        return "\n".join(lines if names else [f"name: {self.wanted.project}", "services: {}"]) + "\n"

    # -- what is there -----------------------------------------------------------------------------------------------

    def _read_state(self) -> dict[str, Any]:
        path = self.home / STATE
        state: dict[str, Any] = {}
        if path.exists():
            with contextlib.suppress(ValueError):  # a damaged record only costs a look at everything
                state = json.loads(path.read_text())
        return state

    def _write_state(self, **changes: Any) -> None:
        if {**self.state, **changes} != self.state:
            self.state.update(changes)
            _write(self.home / STATE, json.dumps(self.state, indent=1, sort_keys=True).encode(), mode=0o600)

    def _look(self) -> Difference:
        difference = Difference()
        self._look_at_files(difference)
        self._look_at_secrets(difference)
        self._look_at_containers(difference)
        if self.wanted.release and self.state.get("release") != self._release_digest():
            difference.release = True
            self._say("run the release steps of", self.wanted.name)
        if self.wanted.publish and not self._is_published(self.wanted.publish):
            difference.publish = True
            self._say("publish the files of", self._published_image())
        if self.wanted.reload and self._needs_reload(self.wanted.reload, difference):
            difference.reload = True
            self._say("load the settings of", self.wanted.name)
        return difference

    def _needs_reload(self, reload: Command, difference: Difference) -> bool:
        altered = set(self.wanted.reload_files) & {*difference.files, *difference.secrets}
        # Who removed the container may have removed the volume too, which holds what a database was told.
        missing = self.without_data or reload.service not in map(_key, self.found)
        return bool(altered) or missing or self.state.get("reload") != self._reload_digest()

    def _files_there(self) -> dict[str, File]:
        return _read_tree(self.home, skip={STATE, self.wanted.publish.directory if self.wanted.publish else STATE})

    def _look_at_files(self, difference: Difference) -> None:
        there = self._files_there()
        for path, wanted in self.files.items():
            found = there.get(path)
            if found != wanted:
                difference.files.append(path)
                self._say("write", f"{self.home}/{path}")
                self._show(path, found, wanted)
        for path in sorted(set(there) - set(self.files)):
            difference.stale_files.append(path)
            self._say("remove", f"{self.home}/{path}")
            self._show(path, there[path], None)
        if _read(self.stack / "compose.yaml") != self._top(self.wanted.name):
            difference.top = True
            self._say("write", f"{self.stack}/compose.yaml")

    def _look_at_secrets(self, difference: Difference) -> None:
        for name, secret in self.wanted.secrets.items():
            path = self.vault / name
            found = _read_file(path)
            if found == File(secret.content, VAULT_MODE) and path.stat().st_gid == secret.group:
                continue
            altered = found is not None and found.content != secret.content
            if secret.guarded and altered and not self._may_change(name, secret):
                raise StackError(
                    f"{name}: the value given differs from the one in force on this host ({path}). Nothing was "
                    f"changed. Give the value in force (it is read back into the inventory when it is missing there), "
                    f"or ask for the change with -e onebox_rotate_secrets={name}"
                )
            difference.secrets.append(name)
            self._say("write", str(path))
            self._show_secret(path, found)
        there = {path.name for path in self.vault.iterdir()} if self.vault.is_dir() else set()
        for name in sorted(there - set(self.wanted.secrets)):
            difference.stale_secrets.append(name)
            self._say("remove", f"{self.vault}/{name}")

    def _may_change(self, name: str, secret: Secret) -> bool:
        """Whether it is asked for, or was in a run that was cut off: before this service had it, or before all had."""
        begun = self.state.get("rotating", {}).get(name) == self._digest(secret.content)
        since = (self.vault / name).stat().st_mtime
        newer = (path for path in self.vault.parent.glob(f"[!.]*/{name}") if path.stat().st_mtime > since)
        return name in self.wanted.rotate or begun or any(_read(path) == secret.content for path in newer)

    def _look_at_containers(self, difference: Difference) -> None:
        changed = set(difference.files) | set(difference.secrets)
        by_key: dict[str, list[dict[str, Any]]] = {key: [] for key in self.wanted.containers}
        for found in self.found:
            key = _key(found)
            if key in by_key and not HALF_MADE.match(found["Name"]):
                by_key[key].append(found)
            else:
                difference.leftover.append(found["Id"])
                self._say("remove container", _name(found))
        for key, found_list in by_key.items():
            wanted = self.wanted.containers[key]
            digest = self._container_digest(key)
            current = [found for found in found_list if found["Config"]["Labels"].get(LABEL_DIGEST) == digest]
            # The label says that a container is current, but what it mounts was altered on the host.
            drifted = current and (changed & {*wanted.files, *wanted.secrets} or key in self.state.get("recreate", []))
            drifted = drifted or (current and self.without_data)
            sick = [state for state in map(_condition, found_list) if state in ("unhealthy", "paused")]
            if drifted or sick:
                difference.recreate.append(key)
                self._say("recreate", f"{key} ({sick[0] if sick else 'its files were altered'})")
            elif len(found_list) != wanted.replicas:
                difference.up = True
                self._say("start", f"{key} ({len(found_list)} of {wanted.replicas} containers there)")
            elif current != found_list or self._hashes(found_list) != self.state.get("hashes", {}).get(key):
                difference.up = True
                self._say("recreate", f"{key} (its settings differ)")
            elif ended := [state for state in map(_condition, found_list) if state not in (*WELL, "starting")]:
                difference.up = True
                self._say("start", f"{key} ({ended[0]})")
            elif any(_condition(found) == "starting" for found in found_list):
                difference.wait = True  # no change: it is what is wanted, and not ready yet
        if "compose.yaml" in difference.files:
            difference.up = True

    @staticmethod
    def _hashes(found: Iterable[dict[str, Any]]) -> list[str]:
        return sorted({container["Config"]["Labels"].get("com.docker.compose.config-hash", "") for container in found})

    def _published_image(self) -> str:
        return self.wanted.containers[self.wanted.publish.service].image if self.wanted.publish else ""

    def _volumes(self) -> list[str]:
        # Without the file, an earlier removal was cut off after the volumes.
        there = (self.home / "compose.yaml").exists()
        model = json.loads(self._compose("config", "--format", "json", at=self.home)) if there else {}
        names = [volume["name"] for volume in model.get("volumes", {}).values() if not volume.get("external")]
        return [name for name in names if self.docker.attempt("volume", "inspect", name).returncode == 0]

    # -- before anything that runs is touched --------------------------------------------------------------------------

    def _prepare(self, difference: Difference) -> None:
        # Said before it is done: a run that dies from here on is taken up by the next one.
        before_state = dict(self.state)
        reload = None if difference.reload else self.state.get("reload")
        rotating = {name: self._digest(self.wanted.secrets[name].content) for name in difference.secrets}
        self._write_state(recreate=difference.recreate, reload=reload, guarded=self._guarded(), rotating=rotating)
        self.before_secrets = {name: _read_secret(self.vault / name) for name in difference.secrets}
        stage = self.home.with_name(f".{self.wanted.name}.new")
        shutil.rmtree(stage, ignore_errors=True)
        try:
            for path, file in self.files.items():
                _write(stage / path, file.content.encode(), mode=int(file.mode, 8))
            self._write_secrets(difference)
            self._pull()
            if difference.files or difference.secrets:
                self._compose("config", "--quiet", at=stage)
                for key, model in self.wanted.checks.items():
                    self._check(stage, key, model)
            if difference.release:
                self._run_release(stage)
        except StackError:
            self._restore_secrets()
            self._write_state(**before_state)
            raise
        finally:
            shutil.rmtree(stage, ignore_errors=True)

    def _compose(self, *argv: str, at: pathlib.Path, stdin: str | None = None) -> str:
        file = str(at / "compose.yaml")
        return self.docker.run("compose", "-p", self.wanted.project, "-f", file, *argv, stdin=stdin)

    def _pull(self) -> None:
        images = sorted({container.image for container in self.wanted.containers.values()})
        for image in self.docker.missing_images(images):
            try:
                self.docker.run("pull", "--quiet", image)
            except StackError as error:
                raise StackError(f"{self.wanted.name}: the image {image} cannot be pulled: {error}") from error

    def _check(self, stage: pathlib.Path, key: str, model: str) -> None:
        """Run the vendor's checker on the new files in a container of its own."""
        _write(stage / ".check.yaml", model.encode(), mode=0o600)
        done = self.docker.attempt(
            "compose", "-p", f"{self.wanted.project}-check", "-f", str(stage / ".check.yaml"), "run", "--rm", "-T", key
        )
        if done.returncode != 0:
            words = _last_words(done.stdout + done.stderr, LOG_LINES)
            raise StackError(
                f"{self.wanted.name}: {key} refuses its new settings; the ones in force are kept:\n{words}"
            )

    def _run_release(self, stage: pathlib.Path) -> None:
        file = str(stage / "compose.yaml")
        for step in self.wanted.release:
            done = self.docker.attempt(
                "compose",
                "-p",
                self.wanted.project,
                "-f",
                file,
                "run",
                "--rm",
                "-T",
                "--no-deps",
                step.service,
                *step.argv,
            )
            if done.returncode != 0:
                words = _last_words(done.stdout + done.stderr, LOG_LINES)
                command = " ".join(step.argv)
                raise StackError(
                    f"{self.wanted.name}: the release step '{command}' failed; what ran before still runs:\n{words}"
                )

    def _write_secrets(self, difference: Difference) -> None:
        _make_directory(self.vault, 0o700)
        for name in difference.secrets:
            secret = self.wanted.secrets[name]
            _write(self.vault / name, secret.content.encode(), mode=int(VAULT_MODE, 8), group=secret.group)

    def _restore_secrets(self) -> None:
        for name, before in self.before_secrets.items():
            if before is None:
                (self.vault / name).unlink(missing_ok=True)
            else:
                _write(self.vault / name, before[0], mode=int(VAULT_MODE, 8), group=before[1])

    # -- the switch --------------------------------------------------------------------------------------------------

    def _switch(self, difference: Difference) -> None:
        before = self._files_there()
        before_state = dict(self.state)
        before_public = self._public("current")
        try:
            if self.wanted.publish and difference.publish:
                self._publish(self.wanted.publish)
            self._write_files(self.files, difference.stale_files)
            if difference.top:
                self._write_top(self._top(self.wanted.name))
            self._clear_half_made()
            if difference.up or difference.wait or difference.recreate or difference.leftover:
                self._up(difference.recreate, difference.leftover)
            if self.wanted.reload and difference.reload:
                self._reload(self.wanted.reload)
        except StackError as error:
            raise StackError(f"{error}\n{self._go_back(before, before_state, before_public)}") from error
        for name in difference.stale_secrets:
            (self.vault / name).unlink(missing_ok=True)

    def _write_files(self, files: dict[str, File], stale: Iterable[str]) -> None:
        for path, file in files.items():
            if _read_file(self.home / path) != file:
                _write(self.home / path, file.content.encode(), mode=int(file.mode, 8))
        for path in stale:
            (self.home / path).unlink(missing_ok=True)

    def _write_top(self, content: str) -> None:
        _write(self.stack / "compose.yaml", content.encode(), mode=0o644)

    def _clear_half_made(self) -> None:
        """Take away what a first start that was cut off left, and note that one begins."""
        if self.half_made and self.held:
            self._remove_containers([found["Id"] for found in self.found])
            self.docker.run("volume", "rm", self.held.volume)
        if self.without_data:
            self._record_data(ready=False)

    def _up(self, recreate: list[str], leftover: list[str]) -> None:
        keys = list(self.wanted.containers)
        self._remove_containers(leftover)
        if recreate:
            self._compose_up("--force-recreate", *recreate)
        self._compose_up(*keys)
        self._wait(keys)
        self._record_data(ready=True)
        found = self.docker.containers(self.wanted.name)
        hashes = {key: self._hashes([one for one in found if _key(one) == key]) for key in keys}
        limits = {key: container.limit_mib for key, container in self.wanted.containers.items()}
        self._write_state(hashes=hashes, limits_mib=limits, recreate=[])

    def _compose_up(self, *arguments: str) -> None:
        try:
            self.docker.run("compose", "up", "--detach", "--no-deps", *arguments)
        except StackError as error:
            raise StackError(f"{self.wanted.name}: {error}") from error

    def _wait(self, keys: Iterable[str]) -> None:
        """Wait until all containers are well, or one will not get well any more.

        Not with Compose's own ``--wait``: 2.26 takes a container whose health check is disabled for sick, and goes on
        waiting for one that ends again and again.
        """
        deadline = time.monotonic() + self.wanted.wait_seconds
        restarts: dict[str, int] = {}
        while True:
            found = [one for one in self.docker.containers(self.wanted.name) if _key(one) in keys]
            sick = [one for one in found if not _is_well(one)]
            if not sick:
                return
            hopeless = [one for one in sick if _is_hopeless(one, restarts.setdefault(one["Id"], one["RestartCount"]))]
            if hopeless or time.monotonic() > deadline:
                raise StackError(self._why((hopeless or sick)[0]))
            time.sleep(POLL_SECONDS)

    def _remove_containers(self, ids: list[str]) -> None:
        if ids:
            # A database gets the time that its own Compose file allows it to close its files.
            self.docker.run("stop", *ids)
            self.docker.run("rm", "--volumes", *ids)

    def _reload(self, command: Command) -> None:
        stdin = self._content(command.stdin) if command.stdin else None
        try:
            self.docker.run("compose", "exec", "-T", command.service, *command.argv, stdin=stdin)
        except StackError as error:
            raise StackError(
                f"{self.wanted.name}: {command.service} did not take up its new settings: {error}"
            ) from error
        self._write_state(reload=self._reload_digest())

    def _publish(self, publish: Published) -> None:
        """Copy the release's public files out of its image, and keep those of the release before."""
        image = self._published_image()
        home = self.home / publish.directory
        release = self.docker.image_id(image).split(":")[-1][:12]
        _make_directory(home, 0o755)
        if not (home / release).exists():
            self._copy_out(image, publish.path, home / release)
        current = self._public("current") or release
        if current != release:
            _link(home / "previous", current)
        _link(home / "current", release)
        kept = {release, self._public("previous")}
        for path in home.iterdir():
            if path.is_dir() and not path.is_symlink() and path.name not in kept:
                shutil.rmtree(path)

    def _is_published(self, publish: Published) -> bool:
        there = (self.home / publish.directory / "current").is_dir()
        return there and self.state.get("published") == self._published_image()

    def _public(self, link: str) -> str | None:
        """Return the release that ``current`` or ``previous`` stands for among the published files."""
        path = self.home / self.wanted.publish.directory / link if self.wanted.publish else None
        return os.readlink(path) if path and path.is_symlink() else None

    def _copy_out(self, image: str, source: str, target: pathlib.Path) -> None:
        # A name of its own, so that one left over by a run that was cut off is found.
        name = f"{self.wanted.project}-{self.wanted.name}-publish"
        self.docker.attempt("rm", "--force", "--volumes", name)
        with tempfile.TemporaryDirectory(dir=str(target.parent), prefix=".") as work:
            try:
                self.docker.run("create", "--name", name, image)
                self.docker.run("cp", f"{name}:{source}/.", f"{work}/files")
            except StackError as error:
                raise StackError(f"{self.wanted.name}: {source} of {image} cannot be published: {error}") from error
            finally:
                self.docker.attempt("rm", "--force", "--volumes", name)
            os.rename(f"{work}/files", target)

    def _go_back(self, before: dict[str, File], before_state: dict[str, Any], before_public: str | None) -> str:
        """Put the service back as it was before this run; return what became of it in a sentence."""
        keys = before_state.get("hashes", {})
        if not keys:
            return f"It had not run before. Its containers are left for a look: docker compose logs, in {self.stack}."
        self._restore_secrets()
        if self.wanted.publish and before_public:
            _link(self.home / self.wanted.publish.directory / "current", before_public)
        self._write_files(before, set(self.files) - set(before))
        self.state = {}
        self._write_state(**{**before_state, "rotating": {}, **({"reload": None} if self.wanted.reload else {})})
        try:
            self._compose_up(*keys)
            self._wait(keys)
        except StackError:
            return "Going back to the configuration before this run was tried, and failed too."
        return "The configuration before this run is in force again."

    # -- words for the operator ----------------------------------------------------------------------------------------

    def _say(self, verb: str, what: str) -> None:
        self.result.actions.append(f"{verb} {what}")

    def _show(self, path: str, before: File | None, after: File | None) -> None:
        entry = {"before_header": f"{self.home}/{path}", "after_header": f"{self.home}/{path}"}
        for side, file in (("before", before), ("after", after)):
            entry[side] = file.content if file else ""
        if before and after and before.content == after.content:
            entry.update(before=f"mode {before.mode}\n", after=f"mode {after.mode}\n")
        self.result.diff.append(entry)

    def _show_secret(self, path: pathlib.Path, found: File | None) -> None:
        before = "" if found is None else HIDDEN
        entry = {"before_header": str(path), "after_header": str(path), "before": before, "after": f"new {HIDDEN}"}
        self.result.diff.append(entry)

    def _why(self, found: dict[str, Any]) -> str:
        """Say how the container is, why, and what it wrote last."""
        state = found["State"]
        reason = f"is {_condition(found)}"
        if _condition(found) == "starting":
            reason += f" after {self.wanted.wait_seconds} s"
        if state.get("OOMKilled"):
            reason += f", killed for want of memory (limit {found['HostConfig']['Memory'] // 2**20} MiB)"
        elif state.get("ExitCode"):
            reason += f" (exit code {state['ExitCode']})"
        checks = (state.get("Health") or {}).get("Log") or []
        health = _last_words(checks[-1]["Output"], 3) if checks else ""
        log = self.docker.attempt("logs", "--tail", str(LOG_LINES), found["Id"])
        words = _last_words(log.stdout + log.stderr, LOG_LINES)
        parts = [f"{self.wanted.name}: container {_name(found)} {reason}."]
        parts += [f"Its health check says: {health}"] if health else []
        parts += [f"Last log lines:\n{words}"] if words else ["It wrote no log."]
        return "\n".join(parts)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        if self.check_mode:
            yield
            return
        _make_directory(self.stack, 0o755)
        _make_directory(self.stack / "services", 0o755)
        _make_directory(self.stack / "secrets", 0o700)
        with open(self.stack / ".lock", "a", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            os.set_inheritable(lock.fileno(), True)
            yield


def _condition(found: dict[str, Any]) -> str:
    """Return healthy, unhealthy, starting, running, paused, restarting, exited, created or dead."""
    state = found["State"]
    if state["Status"] == "running" and state.get("Health"):
        return str(state["Health"]["Status"])
    return str(state["Status"])


def _key(found: dict[str, Any]) -> str:
    """Return the container's key in the Compose file."""
    return str(found["Config"]["Labels"]["com.docker.compose.service"])


def _is_well(found: dict[str, Any]) -> bool:
    if _condition(found) != "running":
        return _condition(found) == "healthy"
    started = datetime.datetime.fromisoformat(found["State"]["StartedAt"][:19] + "+00:00")
    return datetime.datetime.now(datetime.timezone.utc) - started > datetime.timedelta(seconds=SETTLED_SECONDS)


def _is_hopeless(found: dict[str, Any], restarts_before: int) -> bool:
    if _condition(found) == "restarting":
        return int(found["RestartCount"]) - restarts_before >= HOPELESS_RESTARTS
    return _condition(found) in ("unhealthy", "exited", "dead")


def _name(found: dict[str, Any]) -> str:
    return str(found["Name"]).lstrip("/")


def _summary(found: dict[str, Any]) -> dict[str, str]:
    return {"name": _name(found), "id": found["Id"], "image": found["Config"]["Image"], "condition": _condition(found)}


def _last_words(text: str, lines: int = 5) -> str:
    return "\n".join([line for line in text.splitlines() if line.strip()][-lines:]).strip()


def _read(path: pathlib.Path) -> str | None:
    return path.read_bytes().decode(errors="replace") if path.is_file() else None


def _read_secret(path: pathlib.Path) -> tuple[bytes, int] | None:
    return (path.read_bytes(), path.stat().st_gid) if path.is_file() else None


def _read_file(path: pathlib.Path) -> File | None:
    content = _read(path)
    return None if content is None else File(content, f"{path.stat().st_mode & 0o7777:04o}")


def _read_tree(root: pathlib.Path, *, skip: set[str]) -> dict[str, File]:
    """Return the files below ``root`` by their relative paths; ``skip`` names what to leave out at the top."""
    found = {}
    for path in sorted(root.rglob("*")) if root.is_dir() else []:
        relative = path.relative_to(root)
        file = None if relative.parts[0] in skip else _read_file(path)
        if file:
            found[str(relative)] = file
    return found


def _make_directory(path: pathlib.Path, mode: int) -> None:
    path.mkdir(parents=True, exist_ok=True)
    if path.stat().st_mode & 0o7777 != mode:
        path.chmod(mode)


def _write(path: pathlib.Path, content: bytes, *, mode: int, group: int = 0) -> None:
    """Write the file whole or not at all: another program sees the old content or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Always the same name, so that what a run that was cut off left there is replaced by the next one.
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    os.chown(temporary, 0 if os.geteuid() == 0 else -1, group if os.geteuid() == 0 else -1)
    temporary.chmod(mode)
    os.replace(temporary, path)


def _link(path: pathlib.Path, target: str) -> None:
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    os.replace(temporary, path)
