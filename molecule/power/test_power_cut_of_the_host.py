# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host fails while clients write to all servers, and comes back. Last, since no connection to it outlives that."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from testinfra.host import Host

from lab import engine
from lab.vps import Vps
from observing import wait_until
from powerloss import HEALTHY_SECONDS, writing

COMMITS = 1000
HEALTHY = "docker compose --project-directory /opt/onebox ps --all --format '{{.Service}} {{.Health}}' | sort"


def test_a_host_comes_back_by_itself_with_all_that_its_servers_acknowledged(
    host: Host, forward: Callable[[str], str], clients: Callable[..., dict[str, Any]]
) -> None:
    def reach(service: str, port: int) -> str:
        """As the fixture does, by SSH alone: the connection to the engine does not outlive the host's failure."""
        address = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        return forward(host.check_output("docker inspect --format %s %s", address, f"onebox-{service}-1") + f":{port}")

    before = host.check_output(HEALTHY)
    assert all(line.endswith(" healthy") for line in before.splitlines())
    with ExitStack() as stack:
        written = {}
        for service, client in clients(reach).items():
            client.begin()
            written[service] = stack.enter_context(writing(client.writer, itertools.count()))
        for one in written.values():
            assert wait_until(lambda one=one: len(one.acknowledged) >= COMMITS or one.errors, 300)
            assert one.errors == []
        Vps(engine.connect(), host.ansible.get_variables()["inventory_hostname"]).power_cycle()
    assert wait_until(lambda: host.run(HEALTHY).stdout.rstrip() == before, HEALTHY_SECONDS), host.run(HEALTHY).stdout
    for service, client in clients(reach).items():
        assert set(written[service].acknowledged) - client.found() == set(), service
        client.end()
