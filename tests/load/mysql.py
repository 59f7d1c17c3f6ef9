# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Load on MariaDB and MySQL."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pymysql

from load.running import CONNECT_TIMEOUT_SECONDS, TIMEOUT_SECONDS, Report, repeat, split

ROW_BYTES = 1024
# As deep as a recursion may be by default.
BATCH_ROWS = 1000
# More than fits into the temporary table of any configuration that is of use, stock ones of 16 MiB included.
WINDOW_ROWS = 10_000

# A grouping, a sort of long rows, and a join for which no index is of use.
QUERIES = (
    "SELECT word, COUNT(*), MAX(filler) AS most FROM load_rows WHERE id BETWEEN {first} AND {last}"
    " GROUP BY word ORDER BY most DESC, word LIMIT 10",
    "SELECT id, word, filler FROM load_rows WHERE id BETWEEN {first} AND {last} ORDER BY filler DESC, word LIMIT 5000",
    "SELECT COUNT(*) FROM load_rows a JOIN load_rows b ON a.number = b.number"
    " WHERE a.id BETWEEN {first} AND {first} + 300 AND b.id BETWEEN {first} AND {last}",
)


def heavy_sorts(
    address: str, *, user: str, password: str, database: str, connections: int, seconds: float, mib: int = 64
) -> Report:
    """Sort, group and join in all connections at once, in random parts of a table of `mib`, which is made if need be.

    Whoever wants the buffer pool full gives `mib` more than its size.
    """
    host, port = split(address) or (None, 0)
    login: dict[str, Any] = {"user": user, "password": password, "database": database}
    login |= {"host": host, "port": port} if host else {"unix_socket": address}

    def open_connection() -> closing[pymysql.Connection[Any]]:
        timeouts = {"connect_timeout": CONNECT_TIMEOUT_SECONDS, "read_timeout": TIMEOUT_SECONDS}
        return closing(pymysql.connect(**login, **timeouts, write_timeout=TIMEOUT_SECONDS, autocommit=True))

    with open_connection() as connection, connection.cursor() as cursor:
        rows = _fill(cursor, mib)

    @contextmanager
    def connect() -> Iterator[Callable[[], str]]:
        with open_connection() as connection, connection.cursor() as cursor:

            def query() -> str:
                first = 1 + secrets.randbelow(max(1, rows - WINDOW_ROWS))
                cursor.execute(secrets.choice(QUERIES).format(first=first, last=first + WINDOW_ROWS))
                cursor.fetchall()
                return "queries"

            yield query

    return repeat(connect, connections, seconds)


def _fill(cursor: Any, mib: int) -> int:
    """Have at least `mib` of rows; return how many there are."""
    cursor.execute(
        "CREATE TABLE IF NOT EXISTS load_rows (id INT AUTO_INCREMENT PRIMARY KEY, word VARCHAR(40) NOT NULL,"
        " number INT NOT NULL, filler VARCHAR(1000) NOT NULL) CHARACTER SET utf8mb4"
    )
    cursor.execute("SELECT COALESCE(MAX(id), 0) FROM load_rows")
    (rows,) = cursor.fetchone()
    while rows < mib * 2**20 // ROW_BYTES:
        cursor.execute(
            "INSERT INTO load_rows (word, number, filler)"
            " WITH RECURSIVE batch (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM batch WHERE n < %s)"
            " SELECT UUID(), RAND() * 1000000, RPAD(SHA2(RAND(), 512), 940, SHA2(RAND(), 256)) FROM batch",
            [BATCH_ROWS],
        )
        rows += BATCH_ROWS
    return int(rows)
