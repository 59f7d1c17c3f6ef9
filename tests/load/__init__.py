# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Load generators for the services: one shape for all, so that a test can put several on one box at once.

    from load import at_once, http, mysql, redis

    report = mysql.heavy_sorts(
        "172.17.0.2:3306", user="shop", password="...", database="shop", connections=20, seconds=10, mib=64
    )
    report.counts  # {"queries": 312}
    report.errors  # {} or, for example, {"OperationalError: (2013, 'Lost connection ...')": 20}

A generator

- takes the `address` of the service first: "HOST:PORT", or the path of a Unix socket (of an SSH tunnel, say); those
  that speak HTTP take a URL, and in `address` where its host is really to be found;
- runs where it is called, with `connections` open at the same time; when all are, gives each something to do until
  `seconds` have passed, counted from when what it needs (rows, keys) is there;
- ends by itself: nothing waits longer than TIMEOUT_SECONDS for an answer;
- returns a Report, and raises for what is wrong before the load begins (no server, a wrong password). What fails under
  load is an error in the report, and the connection tries again.

What there is, all with keywords after the first (a * marks those that have a default):

    mysql.heavy_sorts        user, password, database, connections, seconds, mib*
                             sorts, groupings and joins over a table `load_rows` of that size; MariaDB and MySQL
    postgresql.heavy_sorts   user, password, database, connections, seconds, mib*
                             the same
    redis.fill_and_rewrite   connections, seconds, password*, rewrites*, mib*
                             keeps the server at its maxmemory by writes, and has it rewrite its append-only file over
                             and over; Redis and Valkey
    http.requests            (url) connections, seconds, address*, ca*
                             GETs on connections that are kept
    http.uploads             (url) connections, seconds, mib*, address*, ca*
                             POSTs of a form with a file
    http.slow_clients        (url) connections, seconds, address*, ca*
                             large requests, and hardly anything read of the answer
    websocket.subscribers    app_id, key, secret, connections, seconds
                             clients of the Pusher protocol, each of which gets every event that is published

`at_once` runs several, each in a process of its own.
"""

from __future__ import annotations

from load.running import TIMEOUT_SECONDS, Report, at_once

__all__ = ["TIMEOUT_SECONDS", "Report", "at_once"]
