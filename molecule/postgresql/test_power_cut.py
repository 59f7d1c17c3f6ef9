# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host fails and comes back. Last, since no connection to it outlives that."""

from __future__ import annotations

import shlex

from testinfra.host import Host

from lab import engine
from lab.vps import Vps
from observing import health, wait_until


def psql(host: Host, sql: str) -> list[str]:
    """What PostgreSQL answers an app that asks from its own container."""
    login = 'psql --tuples-only --no-align --host="$DB_HOST" --username="$DB_USERNAME" "$DB_DATABASE"'
    ask = f'PGPASSWORD="$(cat "$DB_PASSWORD_FILE")" {login} --command={shlex.quote(sql)}'
    enter = "docker compose --project-directory /opt/onebox exec -T shop-worker sh -c %s"
    return str(host.check_output(enter, ask)).splitlines()


def test_the_stack_comes_back_by_itself_after_a_power_cut_with_all_that_was_committed(host: Host) -> None:
    before = health(host)
    assert before == ["news-letter-worker healthy", "postgresql healthy", "shop-worker healthy"]
    psql(host, "CREATE TABLE orders AS SELECT generate_series(1, 1000) AS id")
    Vps(engine.connect(), host.ansible.get_variables()["inventory_hostname"]).power_cycle()
    assert wait_until(lambda: health(host) == before, seconds=120), health(host)
    assert psql(host, "SELECT count(*) FROM orders") == ["1000"]
    psql(host, "DROP TABLE orders")
