# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host fails and comes back. Last, since no connection to it outlives that."""

from __future__ import annotations

import shlex

from testinfra.host import Host

from lab import engine
from lab.vps import Vps
from observing import wait_until

COMPOSE = "docker compose --project-directory /opt/onebox"
HEALTHY = f"{COMPOSE} ps --all --format '{{{{.Service}}}} {{{{.Health}}}}' | sort"


def ask(host: Host, prefix: str, command: str) -> str:
    """What an instance answers an app that asks from its own container."""
    login = f'valkey-cli -e -h "${prefix}_HOST" --user "${prefix}_USERNAME" --no-auth-warning {command}'
    script = f'REDISCLI_AUTH="$(cat "${prefix}_PASSWORD_FILE")" {login}'
    return str(host.check_output(f"{COMPOSE} exec -T shop-worker sh -c {shlex.quote(script)}"))


def test_the_stack_comes_back_by_itself_after_a_power_cut_with_its_queue_and_an_empty_cache(host: Host) -> None:
    before = host.check_output(HEALTHY)
    assert before.splitlines() == [
        "news-letter-worker healthy",
        "redis healthy",
        "redis_cache healthy",
        "shop-worker healthy",
    ]
    jobs = " ".join(map(str, range(1000)))
    assert ask(host, "REDIS", f"rpush shop:jobs {jobs}") == "1000"
    assert ask(host, "REDIS_CACHE", "set shop:page text") == "OK"
    Vps(engine.connect(), host.ansible.get_variables()["inventory_hostname"]).power_cycle()
    assert wait_until(lambda: host.run(HEALTHY).stdout.rstrip() == before, 120), host.run(HEALTHY).stdout
    assert ask(host, "REDIS", "llen shop:jobs") == "1000"
    assert ask(host, "REDIS_CACHE", "exists shop:page") == "0"
    ask(host, "REDIS", "del shop:jobs")
