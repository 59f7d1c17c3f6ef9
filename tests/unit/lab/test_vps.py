# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a VPS may be asked for, and the inventory that it is written down in."""

from __future__ import annotations

from unittest.mock import MagicMock

import pytest
import yaml

from lab import vps
from lab.inventory import inventory
from lab.settings import LabError
from lab.vps import Options


@pytest.mark.parametrize(("text", "expected"), [("443", (443, 0)), ("8443:443", (443, 8443)), ("80:80", (80, 80))])
def test_a_published_port_is_given_alone_or_with_the_one_of_this_machine(text: str, expected: tuple[int, int]) -> None:
    assert vps.parse_publish(text) == expected


@pytest.mark.parametrize("text", ["", "https", "1:2:3", ":443", "443:", "70000", "127.0.0.1:80:80", "-1"])
def test_a_published_port_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(LabError, match=f"--publish {text}: write HOSTPORT:PORT"):
        vps.parse_publish(text)


@pytest.mark.parametrize("name", ["shop", "a", "h2-redis", "x" * 32])
def test_a_host_name_can_name_a_vps(name: str) -> None:
    vps.check_name(name)


@pytest.mark.parametrize("name", ["", "Shop", "-a", "a-", "a_b", "a.b", "1a", "x" * 33])
def test_anything_else_cannot(name: str) -> None:
    with pytest.raises(LabError, match="is not a name for a VPS: lower-case letters, digits and dashes, at most 32"):
        vps.check_name(name)


def test_an_unknown_distribution_is_refused_with_the_known_ones() -> None:
    with pytest.raises(LabError, match="--distro debian11: there is debian13 and debian12"):
        Options(distro="debian11")


@pytest.mark.parametrize(
    ("api_version", "expected"),
    [("1.41", ["SYS_RESOURCE"]), ("1.42", []), ("1.51", [])],
)
def test_only_an_old_engine_is_told_which_capability_a_machine_may_lack(api_version: str, expected: list[str]) -> None:
    client = MagicMock()
    client.version.return_value = {"ApiVersion": api_version}
    assert vps.Vps(client, "shop")._missing_capabilities() == expected


def written(docker_apt: bool) -> dict[str, object]:
    ports = {22: 50022, 443: 50443}
    made = inventory("shop", "onebox-lab-vps-shop", ports, "198.18.77.9", "fdac:1ab0:77::9", "/k/id", docker_apt)
    host: dict[str, object] = yaml.safe_load(yaml.safe_dump(made))["all"]["hosts"]["shop"]
    return host


def test_an_inventory_says_how_to_reach_the_vps_and_where_it_pulls_from() -> None:
    host = written(docker_apt=False)
    assert (host["ansible_host"], host["ansible_port"], host["ansible_user"]) == ("127.0.0.1", 50022, "root")
    assert host["ansible_ssh_private_key_file"] == "/k/id"
    assert "UserKnownHostsFile=/dev/null" in str(host["ansible_ssh_common_args"])
    assert host["docker_registry_mirrors"] == ["http://registry.lab:5000"]
    assert host["docker_insecure_registries"] == ["registry.lab:5000"]
    assert host["lab_ports"] == {22: 50022, 443: 50443}
    assert (host["lab_ipv4"], host["lab_ipv6"]) == ("198.18.77.9", "fdac:1ab0:77::9")


def test_a_vps_is_asked_for_no_swap_and_no_settings_of_the_kernel_that_it_shares_with_the_machine() -> None:
    made = inventory("shop", "onebox-lab-vps-shop", {22: 50022}, "198.18.77.9", "fdac:1ab0:77::9", "/k/id", False)
    assert made["all"]["vars"] == {"host_swap": "none", "host_sysctl": {}}


def test_docker_is_the_distributions_unless_the_labs_apt_repository_is_asked_for() -> None:
    assert written(docker_apt=False)["docker_source"] == "distro"
    assert "docker_apt_url" not in written(docker_apt=False)
    assert written(docker_apt=True)["docker_source"] == "docker"
    assert written(docker_apt=True)["docker_apt_url"] == "http://download.lab/linux/debian"
