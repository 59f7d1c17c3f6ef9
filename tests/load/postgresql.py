# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Load on PostgreSQL."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString

import psycopg

from load.running import CONNECT_TIMEOUT_SECONDS, TIMEOUT_SECONDS, Report, repeat, split

ROW_BYTES = 1024
BATCH_ROWS = 10_000
# More than the working memory of any configuration that is of use.
WINDOW_ROWS = 20_000

PART: LiteralString = "WITH part AS NOT MATERIALIZED (SELECT * FROM load_rows WHERE id BETWEEN %(first)s AND %(last)s) "
# A hash of long rows below a sort of them, a grouping below a sort, and a sort below a sort. Of all only a few values
# are asked for: the rows are to be the server's burden and not the client's.
QUERIES: tuple[LiteralString, ...] = (
    "SELECT max(id), max(filler), max(other) FROM (SELECT a.id, a.filler, b.filler AS other FROM part a"
    " JOIN part b USING (number) ORDER BY a.filler DESC OFFSET 0) AS joined",
    "SELECT max(word), max(most) FROM (SELECT word, count(*), max(filler) AS most FROM part"
    " GROUP BY word ORDER BY most DESC OFFSET 0) AS grouped",
    "SELECT max(place), max(filler), max(word) FROM (SELECT row_number() OVER (ORDER BY filler) AS place, filler, word"
    " FROM part ORDER BY md5(filler) OFFSET 0) AS sorted",
)


def heavy_sorts(
    address: str, *, user: str, password: str, database: str, connections: int, seconds: float, mib: int = 64
) -> Report:
    """Sort, group and join in all connections at once, in random parts of a table of `mib`, which is made if need be.

    Whoever wants the shared buffers full gives `mib` more than their size. A Unix socket's name has to be one that
    PostgreSQL's clients look for: .s.PGSQL.5432.
    """
    host, port = split(address) or (str(Path(address).parent), 5432)
    login: dict[str, Any] = {"host": host, "port": port, "user": user, "password": password, "dbname": database}
    options = f"-c statement_timeout={TIMEOUT_SECONDS}s"

    def open_connection() -> psycopg.Connection[Any]:
        return psycopg.connect(**login, connect_timeout=CONNECT_TIMEOUT_SECONDS, options=options, autocommit=True)

    with open_connection() as connection:
        rows = _fill(connection, mib)

    @contextmanager
    def connect() -> Iterator[Callable[[], str]]:
        with open_connection() as connection:

            def query() -> str:
                first = 1 + secrets.randbelow(max(1, rows - WINDOW_ROWS))
                window = {"first": first, "last": first + WINDOW_ROWS}
                connection.execute(PART + secrets.choice(QUERIES), window)
                return "queries"

            yield query

    return repeat(connect, connections, seconds)


def _fill(connection: psycopg.Connection[Any], mib: int) -> int:
    """Have at least `mib` of rows; return how many there are."""
    connection.execute(
        "CREATE TABLE IF NOT EXISTS load_rows (id serial PRIMARY KEY, word text NOT NULL, number int NOT NULL,"
        " filler text NOT NULL)"
    )
    # Stored as it is: compressed or out of the row, it would be no 1 KiB.
    connection.execute("ALTER TABLE load_rows ALTER filler SET STORAGE PLAIN")
    found = connection.execute("SELECT coalesce(max(id), 0) FROM load_rows").fetchone()
    rows = found[0] if found else 0
    while rows < mib * 2**20 // ROW_BYTES:
        connection.execute(
            "INSERT INTO load_rows (word, number, filler) SELECT md5(random()::text), random() * 1000000,"
            " rpad(md5(random()::text), 940, md5(random()::text)) FROM generate_series(1, %s)",
            [BATCH_ROWS],
        )
        rows += BATCH_ROWS
    return int(rows)
