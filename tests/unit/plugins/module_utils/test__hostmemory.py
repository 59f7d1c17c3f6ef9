# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.onebox.stack.plugins.module_utils._hostmemory import DockerError, containers, host_memory

MIB = 2**20
ID = "e755e5e5cf5b387e088b7e970a75062e10a887885288a5c1539fd1b696a284f4"
OTHER_ID = "fff2957d0c723ec87aa2ebe75ca29c7e1179314f643e495b669ce4966ca7c4a3"

MEMINFO = """\
MemTotal:       24684096 kB
MemFree:        20277424 kB
MemAvailable:   23731836 kB
Buffers:           43468 kB
SwapTotal:       1048572 kB
SwapFree:         524286 kB
HugePages_Total:       0
"""

# As recorded: a host of each sort, and a Docker container in which another Docker runs.
V1_MOUNTS = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
35 31 0:32 / /sys/fs/cgroup/memory rw,nosuid,relatime shared:9 - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
V1_MOUNTS_WITHOUT_A_NAMESPACE = """\
329 325 0:32 /docker/outer /sys/fs/cgroup/memory ro,nosuid,relatime master:9 - cgroup cgroup rw,memory
"""
V2_MOUNTS = """\
24 31 0:22 / /proc rw,nosuid - proc proc rw
35 24 0:30 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate
"""
NO_MOUNTS = "24 31 0:22 / /proc rw,nosuid - proc proc rw\n"
NO_LIMIT_V1 = 9223372036854771712


def exactly(message: str) -> str:
    return rf"\A{re.escape(message)}\Z"


def write(root: Path, files: dict[str, Any]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n" if isinstance(content, int) else content)
    return root


def v1_group(path: str, limit: int, usage: int, inactive: int = 0, kills: int = 0, active: int = 0) -> dict[str, Any]:
    return {
        f"{path}/memory.limit_in_bytes": limit,
        f"{path}/memory.usage_in_bytes": usage,
        f"{path}/memory.max_usage_in_bytes": 2 * usage,
        f"{path}/memory.stat": f"cache 4096\ninactive_file 1\ntotal_inactive_file {inactive}\n"
        f"total_active_file {active}\n",
        f"{path}/memory.oom_control": f"oom_kill_disable 0\nunder_oom 0\noom_kill {kills}\n",
    }


def v2_group(
    path: str, limit: int | str, usage: int, inactive: int = 0, kills: int = 0, active: int = 0, slab: int = 0
) -> dict[str, Any]:
    return {
        f"{path}/memory.max": f"{limit}\n",
        f"{path}/memory.current": usage,
        f"{path}/memory.peak": 2 * usage,
        f"{path}/memory.stat": f"anon 4096\ninactive_file {inactive}\nactive_file {active}\nslab_reclaimable {slab}\n",
        f"{path}/memory.events": f"low 0\nhigh 0\nmax 3\noom 1\noom_kill {kills}\n",
    }


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path, {"proc/meminfo": MEMINFO})


# The host


def test_a_machine_of_its_own_has_what_the_kernel_says(root: Path) -> None:
    write(root, {"proc/self/mountinfo": V2_MOUNTS, "sys/fs/cgroup/memory.stat": "anon 1\n"})
    assert host_memory(root) == {
        "total_mib": 24105,
        "available_mib": 23175,
        "swap_total_mib": 1023,
        "swap_free_mib": 511,
        "cgroup": "v2",
    }


@pytest.mark.parametrize("mounts", [NO_MOUNTS, V1_MOUNTS, V2_MOUNTS], ids=["no groups", "v1", "v2"])
def test_swap_is_told_of_and_never_counted_as_memory(root: Path, mounts: str) -> None:
    write(root, {"proc/self/mountinfo": mounts})
    with_swap = host_memory(root)
    write(root, {"proc/meminfo": re.sub(r"(Swap\w+:) +\d+", r"\1 0", MEMINFO)})
    without = host_memory(root)
    assert (with_swap["swap_total_mib"], without["swap_total_mib"]) == (1023, 0)
    for figure in ("total_mib", "available_mib"):
        assert with_swap[figure] == without[figure]


def test_a_machine_without_control_groups_has_what_the_kernel_says(root: Path) -> None:
    write(root, {"proc/self/mountinfo": NO_MOUNTS})
    assert (host_memory(root)["total_mib"], host_memory(root)["cgroup"]) == (24105, "none")


def test_a_guest_of_a_shared_kernel_has_its_group_s_limit_in_version_1(root: Path) -> None:
    write(root, {"proc/self/mountinfo": V1_MOUNTS})
    write(root, v1_group("sys/fs/cgroup/memory", 1024 * MIB, 300 * MIB, inactive=100 * MIB))
    assert host_memory(root) | {"swap_total_mib": 0, "swap_free_mib": 0} == {
        "total_mib": 1024,
        "available_mib": 824,
        "swap_total_mib": 0,
        "swap_free_mib": 0,
        "cgroup": "v1",
    }


def test_a_guest_of_a_shared_kernel_has_its_group_s_limit_in_version_2(root: Path) -> None:
    write(root, {"proc/self/mountinfo": V2_MOUNTS})
    write(root, v2_group("sys/fs/cgroup", 1024 * MIB, 300 * MIB, inactive=100 * MIB))
    found = host_memory(root)
    assert (found["total_mib"], found["available_mib"], found["cgroup"]) == (1024, 824, "v2")


@pytest.mark.parametrize(
    ("mounts", "group"),
    [
        (V1_MOUNTS, v1_group("sys/fs/cgroup/memory", NO_LIMIT_V1, 300 * MIB)),
        (V1_MOUNTS, v1_group("sys/fs/cgroup/memory", 65536 * MIB, 300 * MIB)),
        (V2_MOUNTS, v2_group("sys/fs/cgroup", "max", 300 * MIB)),
        (V2_MOUNTS, v2_group("sys/fs/cgroup", 65536 * MIB, 300 * MIB)),
    ],
)
def test_a_limit_beyond_the_machine_does_not_count(root: Path, mounts: str, group: dict[str, Any]) -> None:
    write(root, {"proc/self/mountinfo": mounts, **group})
    assert (host_memory(root)["total_mib"], host_memory(root)["available_mib"]) == (24105, 23175)


def test_nothing_is_available_when_a_group_is_at_its_limit(root: Path) -> None:
    write(root, {"proc/self/mountinfo": V2_MOUNTS, **v2_group("sys/fs/cgroup", 512 * MIB, 513 * MIB)})
    assert host_memory(root)["available_mib"] == 0


def test_a_machine_that_does_not_tell_its_memory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="meminfo"):
        host_memory(tmp_path)


# The containers


def inspected(identity: str = ID, pid: int = 42, name: str = "/shop-app-1", **more: Any) -> dict[str, Any]:
    """What `docker inspect` says of a container, as far as it is read."""
    return {
        "Id": identity,
        "Name": name,
        "RestartCount": 3,
        "State": {
            "Status": "running",
            "Pid": pid,
            "OOMKilled": False,
            "Health": {"Status": "healthy", "Log": []},
            "StartedAt": "2026-11-21T05:50:32.274238154Z",
        },
        "Config": {
            "Image": "registry.example.com/shop:1.4.2",
            "Labels": {
                "com.docker.compose.project": "shop",
                "com.docker.compose.service": "app-web",
                "onebox.service": "app",
            },
        },
        "HostConfig": {"Memory": 64 * MIB},
        **more,
    }


class Docker:
    """The client, with an answer for each subcommand, and the commands it was given."""

    def __init__(self, found: list[dict[str, Any]], **answers: tuple[int, str, str]) -> None:
        self.commands: list[list[str]] = []
        listing = "".join(f"{details['Id']}\n" for details in found)
        self.answers = {"ps": (0, listing, ""), "inspect": (0, json.dumps(found), ""), **answers}

    def __call__(self, command: list[str]) -> tuple[int, str, str]:
        self.commands.append(command)
        return self.answers[command[1]]


def test_a_container_is_described_whole(root: Path) -> None:
    write(root, {"proc/self/mountinfo": V1_MOUNTS, "proc/42/cgroup": f"0::/\n5:cpu:/\n4:memory:/docker/{ID}\n"})
    write(
        root,
        v1_group(
            f"sys/fs/cgroup/memory/docker/{ID}", 128 * MIB, 30 * MIB + 5, inactive=9 * MIB, kills=2, active=4 * MIB
        ),
    )
    docker = Docker([inspected()])
    assert containers(docker, "shop", root) == [
        {
            "name": "shop-app-1",
            "service": "app-web",
            "onebox_service": "app",
            "image": "registry.example.com/shop:1.4.2",
            "state": "running",
            "health": "healthy",
            "restarts": 3,
            "started_at": "2026-11-21 05:50 UTC",
            "limit_mib": 128,
            "current_mib": 21,
            "held_mib": 17,
            "peak_mib": 60,
            "oom_kills": 2,
        }
    ]
    assert docker.commands == [
        ["docker", "ps", "--quiet", "--no-trunc", "--filter", "label=com.docker.compose.project=shop"],
        ["docker", "inspect", "--type", "container", ID],
    ]


def measured(found: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(found[key] for key in ("limit_mib", "current_mib", "peak_mib", "oom_kills"))


@pytest.mark.parametrize(
    ("membership", "group"),
    [
        (f"0::/system.slice/docker-{ID}.scope\n", f"sys/fs/cgroup/system.slice/docker-{ID}.scope"),
        (f"0::/docker/{ID}\n", f"sys/fs/cgroup/docker/{ID}"),
        (f"0::/system.slice/docker-{ID}.scope/init.scope\n", f"sys/fs/cgroup/system.slice/docker-{ID}.scope"),
    ],
)
def test_a_container_is_found_in_version_2(root: Path, membership: str, group: str) -> None:
    write(root, {"proc/self/mountinfo": V2_MOUNTS, "proc/42/cgroup": membership})
    write(root, v2_group(group, 96 * MIB, 30 * MIB, inactive=10 * MIB, kills=1))
    assert measured(containers(Docker([inspected()]), root=root)[0]) == (96, 20, 60, 1)


def test_what_is_held_is_without_what_the_kernel_can_take_back(root: Path) -> None:
    write(root, {"proc/self/mountinfo": V2_MOUNTS, "proc/42/cgroup": f"0::/docker/{ID}\n"})
    group = v2_group(f"sys/fs/cgroup/docker/{ID}", 96 * MIB, 90 * MIB, inactive=20 * MIB, active=30 * MIB, slab=5 * MIB)
    found = containers(Docker([inspected()]), root=write(root, group))[0]
    assert (found["current_mib"], found["held_mib"]) == (70, 35)


def test_a_first_process_below_the_container_s_own_group_does_not_hide_it(root: Path) -> None:
    write(root, {"proc/self/mountinfo": V1_MOUNTS, "proc/42/cgroup": f"4:memory:/docker/{ID}/init.scope\n"})
    write(root, v1_group(f"sys/fs/cgroup/memory/docker/{ID}", 128 * MIB, 30 * MIB))
    write(root, v1_group(f"sys/fs/cgroup/memory/docker/{ID}/init.scope", NO_LIMIT_V1, 4 * MIB))
    assert measured(containers(Docker([inspected()]), root=root)[0]) == (128, 30, 60, 0)


def test_a_container_is_found_where_the_group_of_an_outer_one_is_mounted(root: Path) -> None:
    membership = f"4:cpuset,memory:/docker/outer/docker/{ID}\n"
    write(root, {"proc/self/mountinfo": V1_MOUNTS_WITHOUT_A_NAMESPACE, "proc/42/cgroup": membership})
    write(root, v1_group(f"sys/fs/cgroup/memory/docker/{ID}", 128 * MIB, 30 * MIB))
    assert measured(containers(Docker([inspected()]), root=root)[0]) == (128, 30, 60, 0)


@pytest.mark.parametrize(
    ("mounts", "membership", "group"),
    [
        (V1_MOUNTS, f"4:memory:/docker/{ID}\n", v1_group(f"sys/fs/cgroup/memory/docker/{ID}", NO_LIMIT_V1, 30 * MIB)),
        (V2_MOUNTS, f"0::/docker/{ID}\n", v2_group(f"sys/fs/cgroup/docker/{ID}", "max", 30 * MIB)),
    ],
)
def test_a_container_may_have_no_limit(root: Path, mounts: str, membership: str, group: dict[str, Any]) -> None:
    write(root, {"proc/self/mountinfo": mounts, "proc/42/cgroup": membership, **group})
    unlimited = inspected(HostConfig={"Memory": 0})
    assert measured(containers(Docker([unlimited]), root=root)[0]) == (None, 30, 60, 0)


def test_a_kernel_that_keeps_no_peak_leaves_it_open(root: Path) -> None:
    write(root, {"proc/self/mountinfo": V2_MOUNTS, "proc/42/cgroup": f"0::/docker/{ID}\n"})
    write(root, v2_group(f"sys/fs/cgroup/docker/{ID}", 64 * MIB, 30 * MIB))
    (root / f"sys/fs/cgroup/docker/{ID}/memory.peak").unlink()
    assert measured(containers(Docker([inspected()]), root=root)[0]) == (64, 30, None, 0)


@pytest.mark.parametrize(
    "files",
    [
        {"proc/self/mountinfo": NO_MOUNTS, "proc/42/cgroup": f"0::/docker/{ID}\n"},
        {"proc/self/mountinfo": V2_MOUNTS},
        {"proc/self/mountinfo": V2_MOUNTS, "proc/42/cgroup": f"0::/docker/{ID}\n"},
        {"proc/self/mountinfo": V2_MOUNTS, "proc/42/cgroup": f"4:memory:/docker/{ID}\n"},
        {"proc/self/mountinfo": V1_MOUNTS_WITHOUT_A_NAMESPACE, "proc/42/cgroup": "4:memory:/elsewhere\n"},
    ],
    ids=["no control groups", "process gone", "group gone", "group of another version", "group not mounted"],
)
def test_what_cannot_be_read_is_left_open_and_the_limit_is_docker_s(root: Path, files: dict[str, Any]) -> None:
    write(root, files)
    found = containers(Docker([inspected()]), root=root)[0]
    assert (*measured(found), found["held_mib"]) == (64, None, None, None, None)


def test_a_bare_container_has_no_health_and_no_services(root: Path) -> None:
    bare = inspected(
        State={"Status": "restarting", "Pid": 0, "StartedAt": "2026-11-21T05:50:32Z"},
        Config={"Image": "alpine", "Labels": None},
        HostConfig={"Memory": 0},
    )
    found = containers(Docker([bare]), root=root)[0]
    assert [found[key] for key in ("state", "health", "service", "onebox_service", "limit_mib")] == [
        "restarting",
        None,
        None,
        None,
        None,
    ]


def test_all_containers_are_listed_by_name_when_no_project_is_given(root: Path) -> None:
    docker = Docker([inspected(name="/b"), inspected(OTHER_ID, name="/a")])
    assert [found["name"] for found in containers(docker, root=root)] == ["a", "b"]
    assert docker.commands[0] == ["docker", "ps", "--quiet", "--no-trunc"]


def test_without_containers_nothing_is_inspected(root: Path) -> None:
    docker = Docker([])
    assert containers(docker, "shop", root) == []
    assert len(docker.commands) == 1


def test_a_container_that_stops_in_between_is_left_out(root: Path) -> None:
    answer = (1, json.dumps([inspected()]), f"Error: No such container: {OTHER_ID}\n")
    docker = Docker([inspected(), inspected(OTHER_ID, name="/gone")], inspect=answer)
    assert [found["name"] for found in containers(docker, root=root)] == ["shop-app-1"]


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"ps": (1, "", "Cannot connect.\n")}, "'docker ps' failed: Cannot connect."),
        ({"ps": (125, "", "")}, "'docker ps' failed: exit code 125"),
        ({"inspect": (1, "[]", "permission denied\n")}, "'docker inspect' failed: permission denied"),
    ],
)
def test_a_docker_that_does_not_answer_is_an_error(
    root: Path, answers: dict[str, tuple[int, str, str]], message: str
) -> None:
    with pytest.raises(DockerError, match=exactly(message)):
        containers(Docker([inspected()], **answers), root=root)
