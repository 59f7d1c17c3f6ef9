# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the apps have in their databases here, how it is asked for, and what can go wrong with a copy of it."""

from __future__ import annotations

from dataclasses import dataclass

from managed_servers import ADMIN_PASSWORD, DATABASE, USER

# How the server's rights name the database.
PATTERN = r"`shop\_prod`"


@dataclass(frozen=True)
class Engine:
    """How an app, and the provider, ask a server, and what the app has there.

    `fill` makes one of all that a copy must bring; `facts` are questions whose answers are the same on both sides.
    `tamper` is what a comparison must find, how it is undone where it can be, and what is said of it. `break_off` makes
    a copy fail on its way, `mend` lets it pass again, and `left_behind` is what it leaves; `empty` takes all of a
    database away. `another_name` and `another_ca` are how a client refuses a certificate for or by another.
    """

    app: str
    client: str
    admin: str
    fill: str
    facts: tuple[str, ...]
    tls: str
    tamper: tuple[tuple[str, str, str], ...]
    break_off: str
    mend: str
    empty: str
    left_behind: str
    another_name: str
    another_ca: str


ENGINES = {
    "mysql": Engine(
        app="shop",
        client='MYSQL_PWD="$(cat "$DB_PASSWORD_FILE")" mariadb --host="$DB_HOST" --port="$DB_PORT" '
        "$([[ $DB_SSL_CA ]] && echo --ssl-ca=$DB_SSL_CA || echo --skip-ssl-verify-server-cert) "
        '--user="$DB_USERNAME" --batch --skip-column-names --default-character-set=utf8mb4 --execute="$0" $DB_DATABASE',
        admin=f"MYSQL_PWD={ADMIN_PASSWORD} mariadb --user=root --batch --skip-column-names --delimiter=';' "
        f'--execute="$0" {DATABASE}',
        fill="""
            CREATE TABLE orders (id INT AUTO_INCREMENT PRIMARY KEY, note TEXT, photo LONGBLOB, total DECIMAL(10, 2),
                at TIMESTAMP(6) NULL, twice DECIMAL(11, 2) AS (total * 2) STORED);
            INSERT INTO orders (note, photo, total, at) VALUES
                ('Grüße, 你好 🚀 DEFINER=`a`@`b`', 0x00FF0D0A1A27225C, 12.50, '2026-01-02 03:04:05.678901'),
                ('it''s \\\\ "quoted"\\n2nd line', NULL, NULL, NULL), (NULL, '', 7, NULL);
            INSERT INTO orders (note, photo) SELECT seq, REPEAT(CHAR(seq % 256), 1000) FROM seq_1_to_2000;
            DELETE FROM orders WHERE id > 2000;
            CREATE TABLE items (order_id INT, FOREIGN KEY (order_id) REFERENCES orders (id));
            INSERT INTO items VALUES (1), (1), (2);
            CREATE FUNCTION thrice(a INT) RETURNS INT DETERMINISTIC RETURN a * 3;
            CREATE VIEW dear AS SELECT thrice(id) AS it FROM orders WHERE total > 10;
            CREATE TRIGGER noted AFTER INSERT ON items FOR EACH ROW
                UPDATE orders SET note = 'sold' WHERE id = NEW.order_id;
            CREATE EVENT tidy ON SCHEDULE EVERY 1 DAY DO DELETE FROM items WHERE order_id IS NULL;
            CREATE SEQUENCE tickets START WITH 100 CACHE 10;
            DO NEXTVAL(tickets)""",
        facts=(
            "SELECT id, HEX(note), HEX(photo), total, at, twice FROM orders ORDER BY id LIMIT 4",
            "SELECT COUNT(*), SUM(CRC32(photo)), MAX(id) FROM orders",
            "SELECT * FROM items",
            "SELECT it, thrice(5) FROM dear",
            "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE()",
            "SELECT event_name FROM information_schema.events WHERE event_schema = DATABASE()",
            "SELECT auto_increment FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY 1",
            "SELECT next_not_cached_value FROM tickets",
        ),
        tls="SHOW SESSION STATUS LIKE 'Ssl_version'",
        tamper=(
            (
                "UPDATE orders SET photo = CONCAT(photo, 0x00) WHERE id = 1000",
                "UPDATE orders SET photo = LEFT(photo, 1000) WHERE id = 1000",
                "the rows of 'shop_prod' differ",
            ),
            ("DELETE FROM items LIMIT 1", "DO 1", "the rows of 'shop_prod' differ"),
            ("DROP VIEW dear", "DO 1", "'shop_prod' has not what 'shop' has here: view dear"),
            ("DROP TRIGGER noted", "DO 1", "'shop_prod' has not what 'shop' has here: trigger noted"),
        ),
        break_off=f"REVOKE TRIGGER ON {PATTERN}.* FROM {USER}",
        mend=f"GRANT TRIGGER ON {PATTERN}.* TO {USER}",
        empty="DROP DATABASE {database}; CREATE DATABASE {database}",
        left_behind="items, orders",
        another_name="Hostname verification failed",
        another_ca="unable to get local issuer certificate",
    ),
    "postgresql": Engine(
        app="news-letter",
        client='PGPASSWORD="$(cat "$DB_PASSWORD_FILE")" psql --no-psqlrc --tuples-only --no-align --quiet '
        '--set=ON_ERROR_STOP=1 --host="$DB_HOST" --port="$DB_PORT" --username="$DB_USERNAME" --command="$0" '
        '"$DB_DATABASE"',
        admin="psql --no-psqlrc --tuples-only --no-align --quiet --set=ON_ERROR_STOP=1 "
        f'--username={USER} --command="$0" {DATABASE}',
        fill="""
            CREATE EXTENSION citext;
            CREATE TABLE orders (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note citext, photo bytea,
                total numeric, at timestamptz, twice numeric GENERATED ALWAYS AS (total * 2) STORED);
            INSERT INTO orders (note, photo, total, at) VALUES
                ('Grüße, 你好 🚀', '\\x00ff0d0a1a27225c', 12.50, '2026-01-02 03:04:05.678901Z'),
                (E'it''s \\\\ "quoted"\\n\\\\.\\nCOPY a FROM stdin;', NULL, NULL, NULL), (NULL, '', 'NaN', 'infinity');
            INSERT INTO orders (note, photo) SELECT i, decode(repeat(to_hex(i % 240 + 16), 1000), 'hex')
                FROM generate_series(1, 2000) AS i;
            DELETE FROM orders WHERE id > 2000;
            CREATE SCHEMA shelf;
            CREATE TABLE shelf.items (order_id int REFERENCES orders (id));
            INSERT INTO shelf.items VALUES (1), (1), (2);
            ALTER TABLE shelf.items ENABLE ROW LEVEL SECURITY;
            CREATE FUNCTION thrice(a int) RETURNS int LANGUAGE sql AS 'SELECT a * 3';
            CREATE VIEW dear AS SELECT thrice(id) AS it FROM orders WHERE total > 10;
            CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
                'BEGIN UPDATE orders SET note = ''sold'' WHERE id = NEW.order_id; RETURN NEW; END';
            CREATE TRIGGER noted AFTER INSERT ON shelf.items FOR EACH ROW EXECUTE FUNCTION note();
            CREATE SEQUENCE tickets START 100;
            SELECT nextval('tickets');
            SELECT lo_from_bytea(77777, '\\x0001fe');""",
        facts=(
            "SELECT id, note, photo, total, at, twice FROM orders ORDER BY id LIMIT 4",
            "SELECT count(*), sum(hashtext(photo::text)), max(id) FROM orders",
            "SELECT * FROM shelf.items",
            "SELECT it, thrice(5) FROM dear",
            "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
            "SELECT last_value FROM tickets UNION ALL SELECT last_value FROM orders_id_seq",
            "SELECT lo_get(77777)",
            "SELECT relrowsecurity FROM pg_class WHERE relname = 'items'",
        ),
        tls="SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
        tamper=(
            ("SELECT nextval('tickets')", "SELECT setval('tickets', 100)", "the rows of 'shop_prod' differ"),
            (
                "SELECT lo_put(77777, 0, '\\x01')",
                "SELECT lo_put(77777, 0, '\\x00')",
                "the rows of 'shop_prod' differ",
            ),
            ("UPDATE orders SET photo = photo || '\\x00' WHERE id = 1000", "SELECT", "the rows of 'shop_prod' differ"),
            ("DROP VIEW dear", "SELECT", "'shop_prod' has not what 'news_letter' has here: view|public.dear"),
            ("DROP TRIGGER noted ON shelf.items", "SELECT", "has here: trigger|shelf.items.noted"),
        ),
        break_off=f"ALTER ROLE {USER} SET default_transaction_read_only = on",
        mend=f"BEGIN READ WRITE; ALTER ROLE {USER} RESET default_transaction_read_only; COMMIT",
        empty="DROP SCHEMA IF EXISTS shelf CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public;"
        "SELECT lo_unlink(oid) FROM pg_largeobject_metadata",
        left_behind="",
        another_name="does not match host name",
        another_ca="certificate verify failed",
    ),
}
