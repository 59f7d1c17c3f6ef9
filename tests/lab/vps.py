# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VPSes: systemd containers with SSH, in which an engine of their own can run."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
import socket
import tarfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import docker
import yaml

from lab import packages
from lab.inventory import inventory
from lab.progress import Progress
from lab.settings import LABEL, NETWORK, STATE_DIRECTORY, LabError

DISTROS = ("debian13", "debian12")
NAME_PATTERN = re.compile(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?")
KEY_FILE = STATE_DIRECTORY / "ssh" / "id_ed25519"
OPTIONS_LABEL = "onebox-lab.options"
BOOT_TIMEOUT_SECONDS = 90
# For file systems in files. They are the machine's; mount frees one again when its file system is unmounted.
LOOP_DEVICES = ["b 7:* rmw", "c 10:237 rmw"]


@dataclass(frozen=True)
class Options:
    """What a VPS is created with. `publish` maps a port of the VPS to one of 127.0.0.1; 0 is any free one."""

    distro: str = "debian13"
    memory_mib: int = 4096
    cpus: int = 2
    publish: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.distro not in DISTROS:
            raise LabError(f"--distro {self.distro}: there is {' and '.join(DISTROS)}")


@dataclass(frozen=True)
class Result:
    exit_code: int
    stdout: str
    stderr: str


def parse_publish(text: str) -> tuple[int, int]:
    """Return (port of the VPS, port of 127.0.0.1 or 0 for any) from HOSTPORT:PORT or PORT."""
    host, _, port = text.rpartition(":")
    if not re.fullmatch(r"(\d+:)?\d+", text) or not all(int(number) < 65536 for number in (host or "0", port)):
        raise LabError(f"--publish {text}: write HOSTPORT:PORT, or PORT for any free port of this machine")
    return int(port), int(host or 0)


def check_name(name: str) -> None:
    """Raise LabError when this cannot be the name of a VPS, which is its host name too."""
    if not NAME_PATTERN.fullmatch(name):
        raise LabError(f"{name!r} is not a name for a VPS: lower-case letters, digits and dashes, at most 32")


class Vps:
    """One VPS. Its methods need it to exist; make it with create()."""

    def __init__(self, client: docker.DockerClient, name: str) -> None:
        self.client = client
        self.name = name
        self.container_name = f"{LABEL}-vps-{name}"

    def exists(self) -> bool:
        try:
            self._container()
        except LabError:
            return False
        return True

    @property
    def ports(self) -> dict[int, int]:
        """Port of the VPS: port of 127.0.0.1 that leads to it."""
        bindings = self._container().attrs["HostConfig"]["PortBindings"]
        return {int(port.partition("/")[0]): int(binding[0]["HostPort"]) for port, binding in sorted(bindings.items())}

    @property
    def ipv4(self) -> str:
        return str(self._address["IPAddress"])

    @property
    def ipv6(self) -> str:
        return str(self._address["GlobalIPv6Address"])

    def exec(self, *command: str, check: bool = True) -> Result:
        """Run a command inside as root, with no SSH; raise LabError when it fails, unless told not to check."""
        exit_code, (stdout, stderr) = self._container().exec_run(list(command), demux=True)
        result = Result(exit_code, (stdout or b"").decode(errors="replace"), (stderr or b"").decode(errors="replace"))
        if check and exit_code:
            raise LabError(f"{self.name}: {' '.join(command)} failed ({exit_code}):\n{result.stdout}{result.stderr}")
        return result

    def power_cycle(self, progress: Progress | None = None) -> None:
        """Cut the power, as a failing host would, switch it on again, and wait until the VPS answers."""
        container = self._container()
        container.kill()
        container.wait()
        container.start()
        self._wait(progress or Progress())

    def destroy(self) -> None:
        """Remove the VPS and its disk; one that does not exist is fine."""
        with contextlib.suppress(docker.errors.NotFound):
            self.client.containers.get(self.container_name).remove(force=True, v=True)

    def inventory(self, docker_apt: bool = False) -> dict[str, Any]:
        return inventory(self.name, self.container_name, self.ports, self.ipv4, self.ipv6, str(KEY_FILE), docker_apt)

    def write_inventory(self, path: Path, docker_apt: bool = False) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(self.inventory(docker_apt), sort_keys=False, width=200, explicit_start=True))

    def create(self, image: str, options: Options, progress: Progress) -> None:
        """Make it from this image unless it exists, start it unless it runs, and wait until systemd and SSH answer."""
        with progress.step(f"VPS {self.name}") as step:
            if self.exists():
                self._refuse_other_options(options)
                step.result = "stands already"
            else:
                self._create(image, options)
                step.result = f"{options.distro}, {options.memory_mib} MiB, {options.cpus} CPUs, ports {self.ports}"
            container = self._container()
            # Each time, since the key may be another than when the VPS was made.
            container.put_archive("/root", _authorized_keys())
            if container.status != "running":
                container.start()
            self._wait(progress)

    def _create(self, image: str, options: Options) -> None:
        api = self.client.api
        publish = {port: host or _free_port() for port, host in {22: 0, **options.publish}.items()}
        host_config = api.create_host_config(
            cap_add=["ALL"],
            cap_drop=self._missing_capabilities(),
            security_opt=["seccomp=unconfined", "apparmor=unconfined"],
            device_cgroup_rules=LOOP_DEVICES,
            tmpfs={"/run": "exec", "/run/lock": "", "/tmp": "exec"},
            mem_limit=options.memory_mib * 2**20,
            memswap_limit=options.memory_mib * 2**20,
            nano_cpus=options.cpus * 10**9,
            sysctls={"net.ipv6.conf.all.disable_ipv6": "0"},
            port_bindings={port: ("127.0.0.1", host) for port, host in publish.items()},
            network_mode=NETWORK,
        )
        # systempaths=unconfined, which the SDK has no name for.
        host_config |= {"CgroupnsMode": "private", "MaskedPaths": [], "ReadonlyPaths": []}
        api.create_container(
            image,
            name=self.container_name,
            hostname=self.name,
            labels={LABEL: "vps", OPTIONS_LABEL: _fingerprint(options)},
            ports=list(publish),
            host_config=host_config,
            networking_config=api.create_networking_config({NETWORK: api.create_endpoint_config(aliases=[self.name])}),
        )

    def _missing_capabilities(self) -> list[str]:
        """Return what this machine may lack, which an engine before 23.0 asks for all the same when told ALL."""
        version = tuple(map(int, self.client.version()["ApiVersion"].split(".")))
        return ["SYS_RESOURCE"] if version < (1, 42) else []

    def _refuse_other_options(self, options: Options) -> None:
        if self._container().labels[OPTIONS_LABEL] != _fingerprint(options):
            raise LabError(
                f"VPS {self.name} exists with other options (it has ports {self.ports}): "
                f"repeat those, or destroy it first with `lab vps destroy {self.name}`"
            )

    def _wait(self, progress: Progress) -> None:
        deadline = time.monotonic() + BOOT_TIMEOUT_SECONDS
        state = "not started"
        while time.monotonic() < deadline:
            # Fails until systemd's bus is there; then it waits itself.
            state = self.exec("systemctl", "is-system-running", "--wait", check=False).stdout.strip()
            if state in ("running", "degraded") and self._ssh_answers():
                break
            time.sleep(0.1)
        else:
            raise LabError(f"VPS {self.name} did not come up in {BOOT_TIMEOUT_SECONDS} s: systemd says {state!r}")
        if state == "degraded":
            failed = self.exec("systemctl", "list-units", "--failed", "--plain", "--no-legend").stdout.split()[0::5]
            progress.line(f"VPS {self.name} is up with failed units: {' '.join(failed)}")

    def _ssh_answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.ports[22]), timeout=2) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    @property
    def _address(self) -> dict[str, Any]:
        return dict(self._container().attrs["NetworkSettings"]["Networks"][NETWORK])

    def _container(self) -> Any:
        try:
            return self.client.containers.get(self.container_name)
        except docker.errors.NotFound:
            raise LabError(f"There is no VPS {self.name}: make it with `lab vps create {self.name}`") from None


def _fingerprint(options: Options) -> str:
    return hashlib.sha256(json.dumps(asdict(options), sort_keys=True).encode()).hexdigest()


def _free_port() -> int:
    """A port chosen here and not by the engine, which would choose another at each start of the container."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _authorized_keys() -> bytes:
    """Return an archive of root's .ssh directory, which lets in whoever has the lab's key."""
    if not KEY_FILE.exists():
        KEY_FILE.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        packages.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", LABEL, "-f", str(KEY_FILE)])
    public_key = KEY_FILE.with_suffix(".pub").read_bytes()
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        directory = tarfile.TarInfo(".ssh")
        directory.type, directory.mode = tarfile.DIRTYPE, 0o700
        tar.addfile(directory)
        file = tarfile.TarInfo(".ssh/authorized_keys")
        file.size, file.mode = len(public_key), 0o600
        tar.addfile(file, io.BytesIO(public_key))
    return archive.getvalue()
