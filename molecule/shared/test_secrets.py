# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where passwords are on the host, and where they are not."""

from __future__ import annotations

from testinfra.host import Host


def test_no_secret_is_in_a_containers_configuration_or_in_a_process_list(host: Host, secrets: dict[str, str]) -> None:
    shown = host.check_output(
        "docker inspect $(docker ps --all --quiet); cd /opt/*/ && docker compose config;"
        "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"
    )
    assert [name for name, value in secrets.items() if value in shown] == []


def test_a_secret_on_the_host_is_closed_to_who_has_no_need_of_it(host: Host, secrets: dict[str, str]) -> None:
    values = "\n".join(secrets.values())
    paths = host.check_output("grep --recursive --files-with-matches --fixed-strings %s /opt", values).splitlines()
    assert paths
    assert host.run(f"runuser -u nobody -- cat {' '.join(paths)}").stdout == ""
    assert {(host.file(path).user, host.file(path).mode) for path in paths} == {("root", 0o440)}
