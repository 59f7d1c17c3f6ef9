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


def mysql(host: Host, sql: str) -> list[str]:
    """What the server answers an app that asks from its own container, with the client that is there."""
    client = "$(command -v mysql || echo mariadb --skip-ssl-verify-server-cert) --batch --skip-column-names"
    login = '--host="$DB_HOST" --user="$DB_USERNAME" "$DB_DATABASE"'
    ask = f'MYSQL_PWD="$(cat "$DB_PASSWORD_FILE")" {client} {login} --execute={shlex.quote(sql)}'
    enter = "docker compose --project-directory /opt/onebox exec -T shop-worker sh -c %s"
    return str(host.check_output(enter, ask)).splitlines()


def test_the_stack_comes_back_by_itself_after_a_power_cut_with_all_that_was_committed(host: Host) -> None:
    before = health(host)
    assert before == ["mysql healthy", "news-letter-worker healthy", "shop-worker healthy"]
    mysql(
        host,
        "CREATE TABLE orders (id INT PRIMARY KEY) "
        "WITH RECURSIVE up AS (SELECT 1 AS id UNION ALL SELECT id + 1 FROM up WHERE id < 1000) SELECT id FROM up",
    )
    Vps(engine.connect(), host.ansible.get_variables()["inventory_hostname"]).power_cycle()
    assert wait_until(lambda: health(host) == before, seconds=120), health(host)
    assert mysql(host, "SELECT count(*) FROM orders") == ["1000"]
    mysql(host, "DROP TABLE orders")
