# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.onebox.stack.plugins.module_utils import _apps, _managed

from certificates import Authority

CA = Authority().certificate
APPS = {"my-shop": {"uses": ["mysql", "redis"]}, "news": {"uses": ["postgresql"]}, "blog": {"uses": ["mysql"]}}
SERVER = {"host": "db.example.net"}


def problems(server: Any, engine: str = "mysql") -> list[str]:
    return _managed.problems({engine: server}, APPS, ["nginx", "redis"])


@pytest.mark.parametrize(
    "server",
    [
        SERVER,
        {"host": "203.0.113.7", "port": 65535},
        {"host": "2001:db8::7"},
        {**SERVER, "ca": CA},
        {**SERVER, "ca": f"{CA}{CA}"},
        {**SERVER, "apps": {"my-shop": {"database": "shop_prod", "user": "shop_rw"}, "blog": {}}},
    ],
)
def test_a_server_that_can_be_used_has_no_problem(server: dict[str, Any]) -> None:
    assert problems(server) == []
    assert _managed.problems({}, APPS, ["mysql", "postgresql"]) == []


AT = "onebox_managed.mysql"
NO_CERTIFICATE = (
    "is not a certificate (PEM); give the text of the CA's, such as "
    "\"{{ lookup('ansible.builtin.file', 'ca.pem') }}\", or leave it out to trust the public CAs"
)


@pytest.mark.parametrize(
    ("server", "problem"),
    [
        ("db.example.net", f"{AT}: a dictionary is needed, not 'db.example.net'"),
        ({}, f"{AT}.host: missing; give the server's name, as its certificate has it"),
        ({"host": ""}, f"{AT}.host: missing; give the server's name, as its certificate has it"),
        ({"host": 7}, f"{AT}.host: a text (in quotes) is needed, not 7"),
        *(
            (
                {"host": host},
                f"{AT}.host: '{host}' is neither a host name nor an address; give one, such as db.example.net",
            )
            for host in ("mysql://db", "db:3306", "db,other", "/run/mysqld", "a b", "-db")
        ),
        ({**SERVER, "port": "3306"}, f"{AT}.port: a whole number is needed, not '3306'"),
        ({**SERVER, "port": 0}, f"{AT}.port: 0 is too little; give 1 or more"),
        ({**SERVER, "port": 65536}, f"{AT}.port: 65536 is too much; give 65535 or less"),
        ({**SERVER, "hots": "db"}, f"{AT}.hots: unknown; did you mean 'host'?"),
        ({**SERVER, "tls": False}, f"{AT}.tls: unknown; there is host, port, ca, apps"),
        ({**SERVER, "ca": "ca.pem"}, f"{AT}.ca: 'ca.pem' {NO_CERTIFICATE}"),
        ({**SERVER, "ca": ""}, f"{AT}.ca: '' {NO_CERTIFICATE}"),
        ({**SERVER, "ca": "é"}, f"{AT}.ca: 'é' {NO_CERTIFICATE}"),
        ({**SERVER, "ca": CA[:200]}, f"{AT}.ca: '-----BEGIN CERTIFICATE-----\\n{CA[28:40]}' {NO_CERTIFICATE}"),
        ({**SERVER, "apps": ["my-shop"]}, f"{AT}.apps: a dictionary is needed, not ['my-shop']"),
        ({**SERVER, "apps": {"shop": {}}}, f"{AT}.apps.shop: no app of this name uses mysql; did you mean 'my-shop'?"),
        ({**SERVER, "apps": {"news": {}}}, f"{AT}.apps.news: no app of this name uses mysql; there is my-shop, blog"),
        ({**SERVER, "apps": {"blog": {"db": "b"}}}, f"{AT}.apps.blog.db: unknown; there is database, user"),
        (
            {**SERVER, "apps": {"blog": {"user": ""}}},
            f"{AT}.apps.blog.user: '' is no name; give one, or leave it out",
        ),
    ],
)
def test_what_cannot_be_used_is_named_with_its_value_and_what_to_do(server: Any, problem: str) -> None:
    assert problems(server) == [problem]


def test_a_private_key_is_refused_and_of_it_only_the_first_letters_are_shown() -> None:
    _certificate, key = Authority().issue("db.example.net")
    (problem,) = problems({**SERVER, "ca": f"{key}{CA}"})
    assert problem == f"{AT}.ca: '-----BEGIN PRIVATE KEY-----\\n{key[28:40]}' {NO_CERTIFICATE}"


def test_an_engine_that_no_server_elsewhere_can_be_is_named() -> None:
    assert problems(SERVER, "mysq") == ["onebox_managed.mysq: unknown; did you mean 'mysql'?"]
    assert problems(SERVER, "redis") == ["onebox_managed.redis: unknown; there is mysql, postgresql"]
    assert _managed.problems("mysql", APPS, []) == [
        "onebox_managed: a dictionary of servers by engine is needed, such as "
        "{mysql: {host: db.example.net, port: 25060}}, not 'mysql'"
    ]


def test_an_engine_is_either_here_or_elsewhere() -> None:
    assert _managed.problems({"mysql": SERVER, "postgresql": SERVER}, APPS, ["mysql"]) == [
        "onebox_managed.mysql: 'mysql' runs on this host too, by onebox_profile or onebox_services; leave one of them "
        "out, such as with onebox_services: {mysql: false}"
    ]


MANAGED = {"mysql": {**SERVER, "apps": {"my-shop": {"user": "shop_rw"}}}}


def test_every_app_that_uses_a_server_elsewhere_needs_its_password() -> None:
    assert _managed.password_names(MANAGED, APPS) == ["my_shop_mysql_password", "blog_mysql_password"]
    assert _managed.password_problems(MANAGED, APPS, {"blog_mysql_password": "a 'b' $c"}) == [
        "my_shop_mysql_password: missing; the password of 'shop_rw' on db.example.net cannot be generated. Give it as "
        "a variable of this name, from a vault"
    ]


@pytest.mark.parametrize("value", ["", 12345, None, "sEcret\n"])
def test_a_password_that_cannot_be_one_is_refused_and_not_shown(value: Any) -> None:
    given = {"my_shop_mysql_password": "good", "blog_mysql_password": value}
    assert _managed.password_problems(MANAGED, APPS, given) == [
        "blog_mysql_password: the password of 'blog' on db.example.net must be a text (in quotes) of one line; the "
        "value is not shown here"
    ]


# -- what the apps get -------------------------------------------------------------------------------------------------


def environment(engine: str, server: dict[str, Any]) -> dict[str, str]:
    found = _apps.environment({"uses": [engine], "processes": {}}, "my-shop", "demo", {engine: server})
    return {name: value for name, value in found.items() if not name.startswith("APP_")}


def test_an_app_of_a_managed_mysql_verifies_the_server_with_the_ca_that_was_given() -> None:
    server = {"host": "203.0.113.7", "port": 25060, "ca": CA, "apps": {"my-shop": {"database": "prod", "user": "rw"}}}
    assert environment("mysql", server) == {
        "DB_CONNECTION": "mysql",
        "DB_HOST": "203.0.113.7",
        "DB_PORT": "25060",
        "DB_DATABASE": "prod",
        "DB_USERNAME": "rw",
        "DB_PASSWORD_FILE": "/run/secrets/my_shop_mysql_password",
        "DB_SSL_CA": "/run/secrets/mysql_ca.pem",
        "MYSQL_ATTR_SSL_CA": "/run/secrets/mysql_ca.pem",
    }


def test_an_app_of_a_managed_postgresql_verifies_the_server_with_the_cas_of_its_system() -> None:
    assert environment("postgresql", SERVER) == {
        "DB_CONNECTION": "pgsql",
        "DB_HOST": "db.example.net",
        "DB_PORT": "5432",
        "DB_DATABASE": "my_shop",
        "DB_USERNAME": "my_shop",
        "DB_PASSWORD_FILE": "/run/secrets/my_shop_postgresql_password",
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": "system",
        "DB_SSLMODE": "verify-full",
    }


def test_without_a_ca_mysql_is_verified_with_those_of_the_system_and_postgresql_with_the_one_given() -> None:
    assert environment("mysql", SERVER)["DB_SSL_CA"] == "/etc/ssl/certs/ca-certificates.crt"
    assert environment("mysql", SERVER)["MYSQL_ATTR_SSL_CA"] == "/etc/ssl/certs/ca-certificates.crt"
    assert environment("postgresql", {**SERVER, "ca": CA})["PGSSLROOTCERT"] == "/run/secrets/postgresql_ca.pem"


def test_a_server_elsewhere_changes_nothing_for_who_does_not_use_it() -> None:
    app = {"uses": ["postgresql"], "processes": {}, "secrets": {"TOKEN": "t"}}
    assert _apps.environment(app, "news", "demo", MANAGED) == _apps.environment(app, "news", "demo")
    assert _apps.model(app, "news", MANAGED) == _apps.model(app, "news")
    assert _apps.secret_names(app, "news", MANAGED) == ["news_postgresql_password"]


def test_an_app_has_the_ca_and_the_password_as_files_and_no_generated_password() -> None:
    managed = {"mysql": {**SERVER, "ca": CA}}
    app = {"uses": ["mysql", "redis"], "processes": {}, "secrets": {"TOKEN": "t"}}
    model = _apps.model(app, "my-shop", managed)
    assert model["secret_files"] == [
        {"path": "TOKEN", "content": "t", "secret": True},
        {"path": "mysql_ca.pem", "content": CA, "secret": True},
    ]
    assert model["given_passwords"] == ["my_shop_mysql_password"]
    assert _apps.secret_names(app, "my-shop", managed) == ["my_shop_redis_password"]
    assert _apps.model(app, "my-shop", MANAGED)["secret_files"] == [{"path": "TOKEN", "content": "t", "secret": True}]


def test_the_databases_of_the_apps_have_the_names_that_they_have_on_the_server() -> None:
    assert _apps.databases(APPS, "mysql", managed=MANAGED) == [
        {"name": "my_shop", "user": "shop_rw", "secret": "my_shop_mysql_password"},
        {"name": "blog", "user": "blog", "secret": "blog_mysql_password"},
    ]
    assert _apps.databases(APPS, "mysql")[0]["user"] == "my_shop"
