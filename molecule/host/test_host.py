# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Swap and the kernel's settings on a real kernel, which is the machine's: every test puts back what it changes."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import docker
import pytest
from docker.models.containers import Container
from testinfra.host import Host

from lab.engine import connect
from lab.vps import Vps

SYSCTL = "/etc/sysctl.d/onebox.conf"
FILE = "/var/lib/containerd/onebox.swap"
OTHER = "/var/lib/containerd/provider.swap"
MIB = 2**20

HAVE_SWAP = "onebox.stack.host : Have swap for the system"
WRITE = "onebox.stack.host : Write the kernel's settings for the next boot"
SET = "onebox.stack.host : Set what differs"

# All that the role may leave on a host, and what is in use of it.
TREE = (
    "stat --format '%n %s %a' /var/lib/containerd/*.swap* /etc/systemd/system/onebox* /run/onebox-swap "
    "/etc/systemd/system/swap.target.wants/* /etc/sysctl.d/onebox.conf 2>/dev/null; cat /etc/sysctl.d/onebox.conf; "
    "awk '{ print $1, $3 }' /proc/swaps; sysctl vm.swappiness vm.overcommit_memory; "
    "systemctl list-units --failed --no-legend"
)


@pytest.fixture
def site(play: Callable[..., Any]) -> Callable[..., Any]:
    """Run the part of the site's playbook that is about the host: `site("--check", host_swap="none")`."""
    return lambda *options, **variables: play(
        "playbooks/site.yml", "--tags", "host", *options, "-e", json.dumps(variables)
    )


@pytest.fixture
def swap(run_tasks: Callable[..., Any]) -> Callable[..., Any]:
    """Run the module alone, once for each set of options: `swap({"kind": "zram", "mib": 64}, {"kind": "none"})`."""
    return lambda *options: run_tasks([{"onebox.stack.swap": {"beside_others": True, **one}} for one in options])


@pytest.fixture
def tree(host: Host) -> Callable[[], str]:
    return lambda: host.check_output(TREE)


@pytest.fixture
def restore(swap: Callable[..., Any], host: Host, tree: Callable[[], str]) -> Iterator[None]:
    """Have all as it was again after the test, however it ends."""
    before = tree()
    yield
    if tree() != before:
        run = swap(file(64))
        assert run.exit_code == 0, run.output
        host.check_output("sysctl --load=/etc/sysctl.d/onebox.conf")
        assert tree() == before


def file(mib: int, path: str = FILE) -> dict[str, Any]:
    return {"kind": "file", "mib": mib, "file": path}


def areas(host: Host) -> dict[str, int]:
    """The swap areas that the kernel uses, and their MiB; it keeps a page of each for itself."""
    lines = host.check_output("cat /proc/swaps").splitlines()[1:]
    return {line.split()[0]: round(int(line.split()[2]) / 1024) for line in lines}


def setting(host: Host, name: str) -> int:
    return int(host.check_output(f"sysctl --values {name}"))


# -- as converged ------------------------------------------------------------------------------------------------------


def test_the_kernel_uses_a_file_of_the_size_that_root_alone_may_read(host: Host) -> None:
    assert areas(host)[FILE] == 64
    file = host.file(FILE)
    assert (file.size, file.mode, file.user) == (64 * MIB, 0o600, "root")
    assert host.service("onebox-swap").is_enabled


def test_the_kernel_has_the_settings_now_and_for_the_next_boot(host: Host) -> None:
    assert (setting(host, "vm.swappiness"), setting(host, "vm.overcommit_memory")) == (10, 1)
    # As systemd will read them, /etc/sysctl.conf included: the last one of a name wins.
    read = host.check_output("SYSTEMD_COLORS=0 /usr/lib/systemd/systemd-sysctl --cat-config")
    for name, value in {"vm.swappiness": "10", "vm.overcommit_memory": "1"}.items():
        assert re.findall(rf"^{re.escape(name)} *= *(\d+)", read, re.MULTILINE)[-1] == value


def test_all_of_it_comes_back_by_itself_after_a_power_cut(host: Host) -> None:
    # The kernel outlives this VPS: what a real one forgets, it is made to forget.
    host.check_output("systemctl stop onebox-swap && sysctl -w vm.swappiness=60 vm.overcommit_memory=0")
    assert FILE not in areas(host)
    client = connect()
    assert client is not None
    Vps(client, host.ansible.get_variables()["inventory_hostname"]).power_cycle()
    assert areas(host)[FILE] == 64
    assert (setting(host, "vm.swappiness"), setting(host, "vm.overcommit_memory")) == (10, 1)


# -- from one to another -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("restore")
def test_none_leaves_nothing_the_plan_is_the_same_without_and_check_mode_foretells_what_a_run_does(
    site: Callable[..., Any], host: Host, tree: Callable[[], str]
) -> None:
    gone = site(host_swap="none", host_sysctl={})
    assert gone.changed == [HAVE_SWAP, WRITE]
    host.check_output("sysctl -w vm.swappiness=60 vm.overcommit_memory=0")
    bare = tree()
    assert "onebox-swap" not in bare
    assert FILE not in bare

    check = site("--check", "--diff")
    assert check.exit_code == 0, check.output
    assert "+vm.swappiness = 10" in check.output
    assert f"-swap: none\n+swap: {FILE} of 64 MiB\n+in use: yes\n+at boot: yes" in check.output
    assert tree() == bare, "check mode changed something"

    run = site()
    assert run.changed == check.changed == [HAVE_SWAP, WRITE, SET, SET]
    assert FILE in areas(host)

    # Looked at before there was swap, and with swap.
    assert "redis" in plan(check)
    assert plan(site("--check")) == plan(check)


def plan(run: Any) -> str:
    """The memory plan that a run shows."""
    table: str = run.output[run.output.index("\nMiB ") :]
    return table[: table.index("\n\n")]


@pytest.mark.usefixtures("restore")
def test_another_size_takes_the_place_of_the_former(swap: Callable[..., Any], host: Host) -> None:
    run = swap(file(32), file(32))
    assert run.exit_code == 0, run.output
    assert len(run.changed) == 1
    assert areas(host)[FILE] == 32
    assert host.file(FILE).size == 32 * MIB


@pytest.fixture
def zram(host: Host) -> Iterator[None]:
    """Let the VPS use the machine's zram, as its own kernel would: devices that may be opened, and a writable /sys."""
    script = """
        set -e
        test -d /sys/class/zram-control || exit 3
        mount -o remount,rw /sys
        test -d /sys/block/zram0 || cat /sys/class/zram-control/hot_add
        major=$(cut -d: -f1 /sys/block/zram0/dev)
        for minor in 0 1 2 3; do test -b /dev/zram$minor || mknod /dev/zram$minor b $major $minor; done
        for group in . system.slice; do
          allow=/sys/fs/cgroup/devices/$group/devices.allow
          if test -f $allow; then echo "b $major:* rwm" > $allow; fi
        done
        systemd-run --quiet --wait dd if=/dev/zram0 of=/dev/null count=0 || exit 3
    """
    made = host.run(script)
    if made.rc == 3:
        pytest.skip("this machine's kernel or engine has no zram for a container")
    assert made.rc == 0, made.stderr
    yield
    # The last use of a device takes it out of the kernel.
    add = "test -d /sys/block/zram0 || cat /sys/class/zram-control/hot_add"
    host.check_output(f"{add}; rm -f /dev/zram?; mount -o remount,ro /sys")


@pytest.mark.usefixtures("restore", "zram")
def test_zram_takes_the_place_of_a_file_and_a_file_that_of_zram(swap: Callable[..., Any], host: Host) -> None:
    run = swap({"kind": "zram", "mib": 48}, {"kind": "zram", "mib": 32}, {"kind": "zram", "mib": 32})
    assert run.exit_code == 0, run.output
    assert len(run.changed) == 2
    device = host.check_output("cat /run/onebox-swap")
    assert areas(host)[device] == 32
    assert FILE not in areas(host)
    assert host.file(FILE).exists is False
    assert host.check_output(f"awk '$1 == \"{device}\" {{ print $5 }}' /proc/swaps") == "100"
    # As at boot, when /run is empty and the kernel has no device in use.
    host.check_output("systemctl stop onebox-swap && test ! -e /run/onebox-swap && systemctl start swap.target")
    device = host.check_output("cat /run/onebox-swap")
    assert areas(host)[device] == 32
    run = swap(file(64))
    assert run.exit_code == 0, run.output
    assert FILE in areas(host)
    assert device not in areas(host)
    assert host.run("zramctl --noheadings").stdout == ""


# -- killed, and damaged -----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def deadly(host: Host, program: str, arguments: str) -> Iterator[None]:
    """A program that, called so, kills who called it."""
    wrapper = f"/usr/local/bin/{program}"
    script = f'case "$*" in {arguments}) kill -9 $PPID; exit 1;; esac; exec /usr/bin/{program} "$@"'
    host.check_output(f"printf '#!/bin/sh\n%s\n' '{script}' > {wrapper} && chmod 755 {wrapper}")
    try:
        yield
    finally:
        host.check_output(f"rm {wrapper}")


@pytest.mark.usefixtures("restore")
def test_a_run_that_is_killed_is_finished_by_the_next_and_no_half_made_file_is_used(
    swap: Callable[..., Any], host: Host
) -> None:
    with deadly(host, "mkswap", "*"):
        assert swap(file(32)).exit_code != 0
    assert FILE not in areas(host)
    assert host.file(FILE).exists is False
    assert host.file(f"{FILE}.new").size == 32 * MIB, "it was not killed while it made the file"
    with deadly(host, "systemctl", "restart*"):
        assert swap(file(32)).exit_code != 0
    assert FILE not in areas(host)
    assert host.file(FILE).size == 32 * MIB
    run = swap(file(32), file(32))
    assert run.exit_code == 0, run.output
    assert len(run.changed) == 1
    assert areas(host)[FILE] == 32
    assert host.file(f"{FILE}.new").exists is False


@pytest.mark.usefixtures("restore")
def test_what_was_changed_by_hand_is_put_right(site: Callable[..., Any], host: Host, tree: Callable[[], str]) -> None:
    before = tree()
    host.check_output(
        f"swapoff {FILE} && sysctl -w vm.swappiness=60 && sed -i 's/^vm.swappiness.*/vm.swappiness = 60/' {SYSCTL}"
    )
    assert site().changed == [HAVE_SWAP, WRITE, SET]
    assert tree() == before


# -- swap of others ----------------------------------------------------------------------------------------------------


@pytest.fixture
def provider(host: Host) -> Iterator[str]:
    """Swap as a provider's image has it: a file in use, with a line in /etc/fstab."""
    host.check_output(
        f"fallocate -l 16M {OTHER} && chmod 600 {OTHER} && mkswap {OTHER} && swapon {OTHER} && "
        f"cp /etc/fstab /root/fstab && echo '{OTHER} none swap sw 0 0' >> /etc/fstab"
    )
    yield f"sha256sum {OTHER} /etc/fstab; awk '$1 == \"{OTHER}\" {{ print $1, $3 }}' /proc/swaps"
    host.check_output(f"mv /root/fstab /etc/fstab && swapoff {OTHER} && rm {OTHER}")


@pytest.mark.usefixtures("restore")
def test_swap_of_the_provider_is_never_touched_and_gets_none_beside_it_unless_asked(
    provider: str, swap: Callable[..., Any], host: Host
) -> None:
    before = host.check_output(provider)
    alone = swap({"kind": "none"}, {**file(32), "beside_others": False})
    assert (alone.exit_code, len(alone.changed)) == (0, 1)
    assert FILE not in areas(host)
    beside = swap(file(32))
    assert beside.exit_code == 0, beside.output
    assert areas(host)[FILE] == 32
    assert swap({"kind": "none"}).exit_code == 0
    assert FILE not in areas(host)
    assert host.check_output(provider) == before


# -- what cannot be ----------------------------------------------------------------------------------------------------

REFUSED = {
    "overlay": (file(32, "/onebox.swap"), "host_swap_file: '/onebox.swap' would be on overlay"),
    "tmpfs": (file(32, "/run/onebox.swap"), "host_swap_file: '/run/onebox.swap' would be on tmpfs"),
    "no room": (file(2**26), f"host_swap_mib: {2**26} MiB do not fit on the disk of '{FILE}'"),
    "taken": (file(32, "/etc/hostname"), "host_swap_file: '/etc/hostname' exists, and is not of this role's making"),
}


def test_what_cannot_be_is_refused_and_the_swap_in_use_stays(
    run_tasks: Callable[..., Any], tree: Callable[[], str]
) -> None:
    before = tree()
    run = run_tasks([{"onebox.stack.swap": options, "ignore_errors": True} for options, _error in REFUSED.values()])
    shown = " ".join(run.output.split())
    assert [error for _options, error in REFUSED.values() if error not in shown] == []
    assert run.changed == []
    assert tree() == before


@pytest.fixture
def guest(host: Host) -> Iterator[str]:
    """A Python that sees what it would in a container: no right to swapon, and a /proc/sys that is read only."""
    path = "/usr/local/bin/python-of-a-guest"
    closed = "mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys"
    host.check_output(
        f"cat > {path} <<'EOF'\n#!/bin/sh\n"
        f"""exec unshare --mount sh -c '{closed} && exec setpriv --bounding-set=-sys_admin python3 "$@"' - "$@"\n"""
        f"EOF\nchmod 755 {path}"
    )
    yield path
    host.check_output(f"rm {path}")


@pytest.mark.usefixtures("restore")
def test_a_guest_that_may_set_nothing_is_told_which_variables_to_set(
    guest: str, site: Callable[..., Any], swap: Callable[..., Any], host: Host, tree: Callable[[], str]
) -> None:
    assert swap({"kind": "none"}).exit_code == 0
    host.check_output("sysctl -w vm.swappiness=60")
    before = tree()
    refused = site(ansible_python_interpreter=guest)
    assert refused.exit_code != 0
    assert "host_swap: 'file' cannot be, since this host's kernel does not let it use swap" in refused.output
    assert "Set host_swap to none" in refused.output
    refused = site(ansible_python_interpreter=guest, host_swap="none")
    assert refused.exit_code != 0
    assert (
        'host_sysctl: setting vm.swappiness failed: sysctl: permission denied on key "vm.swappiness"' in refused.output
    )
    assert "take them out of host_sysctl, {} for none" in refused.output
    assert tree() == before


# -- containers --------------------------------------------------------------------------------------------------------


def swap_limit_mib(host: Host, container: Container) -> float:
    """How much swap the kernel lets a container use."""
    groups = host.check_output(f"cat /proc/{container.attrs['State']['Pid']}/cgroup")
    if v1 := re.search(r"\bmemory\b[^:]*:(.*)", groups):
        group = f"/sys/fs/cgroup/memory{v1[1]}"
        both, memory = host.check_output(
            f"cat {group}/memory.memsw.limit_in_bytes {group}/memory.limit_in_bytes"
        ).split()
        return (int(both) - int(memory)) / MIB
    unified = re.search(r"0::(.*)", groups)
    assert unified
    value = host.check_output(f"cat /sys/fs/cgroup{unified[1]}/memory.swap.max").replace("max", "inf")
    return float(value) / MIB


def test_the_kernel_lets_no_container_of_the_stack_swap(container: Callable[..., Container], host: Host) -> None:
    assert swap_limit_mib(host, container("redis")) == 0


@pytest.mark.parametrize(("memswap", "held"), [("32m", 0), (None, 48 * MIB)], ids=["as ours", "without"])
def test_a_limit_means_what_it_says_only_when_swap_is_limited_too(
    memswap: str | None, held: int, engine: docker.DockerClient, container: Callable[..., Container]
) -> None:
    """A process that holds 48 MiB in a container of 32 MiB, with 64 MiB of swap on the host."""
    counted = engine.containers.run(
        container("redis").image,
        ["-c", "head -c 48M /dev/zero | tail -c 48M | wc -c"],
        entrypoint="sh",
        mem_limit="32m",
        memswap_limit=memswap,
        log_config=docker.types.LogConfig(type="json-file"),
        remove=True,
    )
    assert int(counted) == held


def test_the_server_warns_of_a_kernel_that_may_refuse_its_fork_and_not_of_ours(
    container: Callable[..., Container], host: Host
) -> None:
    warning = "Memory overcommit must be enabled"

    def said_at_start() -> str:
        server = container("redis")
        before = len(server.logs())
        server.restart()
        deadline = time.monotonic() + 30
        while b"Server initialized" not in server.logs()[before:]:
            assert time.monotonic() < deadline, "it does not start"
            time.sleep(0.1)
        return str(server.logs()[before:].decode())

    assert warning not in said_at_start()
    host.check_output("sysctl -w vm.overcommit_memory=0")
    try:
        assert warning in said_at_start()
    finally:
        host.check_output("sysctl -w vm.overcommit_memory=1")
