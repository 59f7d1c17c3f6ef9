# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The scripts that copy databases to a server elsewhere, for what no scenario runs."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

import pytest
import yaml

PASSWORD = 'it\'s "a" $(touch pwned) `word`\\ #1;&'


@pytest.fixture
def script(render: Callable[..., str]) -> Callable[..., str]:
    """Render the script of an engine for two apps, one of which is called otherwise there."""

    def script(engine: str, server: dict[str, Any] | None = None, **variables: Any) -> str:
        app = {"uses": [engine], "processes": {}}
        managed = {"host": "db.example.net", "ca": "PEM", "apps": {"shop": {"database": "prod", "user": "rw"}}}
        passwords = {f"{app}_{engine}_password": PASSWORD for app in ("shop", "news_letter")}
        given = {"onebox_apps": {"shop": app, "news-letter": app}, "onebox_managed": {engine: server or managed}}
        return render(engine, "copy.sh.j2", __onebox_copy_engine=engine, **given, **passwords, **variables)

    return script


def each(script: str, tmp_path: Any) -> list[str]:
    """What the script's functions see of every database, as Bash reads it."""
    functions = script[: script.rindex('main "$@"')]
    shown = 'show() { printf "%s|%s|%s|%s\\n" "$name" "$database" "$user" "$password"; }; each show'
    done = subprocess.run(
        ["bash", "-c", f"{functions}\n{shown}"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize("engine", ["mysql", "postgresql"])
def test_every_database_goes_to_its_own_place_whatever_is_in_its_password(
    engine: str, script: Callable[..., str], tmp_path: Any
) -> None:
    assert each(script(engine), tmp_path) == [
        f"shop|prod|rw|{PASSWORD}",
        f"news_letter|news_letter|news_letter|{PASSWORD}",
    ]
    assert list(tmp_path.glob("pwned")) == []


def test_the_client_of_each_flavour_is_told_to_verify_the_certificate_and_the_name(script: Callable[..., str]) -> None:
    mariadb, mysql = script("mysql"), script("mysql", mysql_flavor="mysql")
    assert '--user="$user" --ssl-ca=/tmp/ca.pem --ssl-verify-server-cert "${@:2}"' in mariadb
    assert '--user="$user" --ssl-ca=/tmp/ca.pem --ssl-mode=VERIFY_IDENTITY "${@:2}"' in mysql
    assert '"$1" mariadb-dump --single-transaction' in mariadb
    assert '"$1" mysqldump --no-tablespaces --set-gtid-purged=OFF --single-transaction' in mysql
    assert "mariadb" not in mysql
    assert "PGSSLMODE=verify-full" in script("postgresql")


@pytest.mark.parametrize(("engine", "port"), [("mysql", "--port=3306"), ("postgresql", "PGPORT=5432")])
def test_without_more_than_a_host_it_is_the_engine_s_port_and_the_cas_of_the_host(
    engine: str, port: str, script: Callable[..., str]
) -> None:
    text = script(engine, {"host": "db.example.net"}, __onebox_copy_cas={"content": "UFVCTElD"})
    assert port in text
    assert "<<'CA'\nPUBLIC\nCA\n" in text
    assert port.replace("3306", "1").replace("5432", "1") + " " in script(
        engine, {"host": "db", "port": 1, "ca": "PEM"}
    )


@pytest.mark.parametrize("engine", ["mysql", "postgresql"])
def test_the_clients_container_is_started_for_a_job_alone_and_reaches_both_sides(
    engine: str, render: Callable[..., str]
) -> None:
    client = yaml.safe_load(render(engine, "compose.yaml.j2"))["services"][f"{engine}-client"]
    assert client["profiles"] == ["job"]
    assert client["networks"] == ["edge", "data"]
    assert client["secrets"] == [f"{engine}_backup_password"]


def test_on_networks_of_others_the_client_has_the_stack_s_name(value: Callable[..., Any]) -> None:
    other = {"edge": {"name": "web", "external": True}, "data": {"internal": True}}
    run = value("mysql", "__onebox_copy_run", __onebox_copy_engine="mysql")
    assert run[-3:] == ["mysql-client", "bash", "-s"]
    run = value("mysql", "__onebox_copy_run", __onebox_copy_engine="mysql", onebox_networks=other)
    assert run[-3:] == ["onebox-mysql-client", "bash", "-s"]
