# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How each service is started with settings, as its role would."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from urllib.request import urlopen

import docker
import psycopg
import pymysql
import redis as redis_client

from engines.certificate import self_signed
from engines.containers import Container, run, wait_until
from engines.plan import rendered
from load.running import open_socket

Settings = Mapping[str, int | str]

MARIADB = "mariadb:11.8.8-noble"
MYSQL = "mysql:9.7.2-oraclelinux9"
POSTGRESQL = "postgres:17.11-trixie"
VALKEY = "valkey/valkey:8.1.9-alpine"
REDIS = "redis:8.2.9-alpine"
NGINX = "nginx:1.30.4-alpine"
PHP = "php:8.4-fpm"
NODE = "node:22-trixie-slim"
SOKETI = "soketi/soketi:1.6.1-16-debian"
RAILS = "onebox-lab/rails:1"
MYSQLTUNER = "onebox-lab/mysqltuner:1"
IMAGES = (MARIADB, MYSQL, POSTGRESQL, VALKEY, REDIS, NGINX, PHP, NODE, SOKETI, RAILS, MYSQLTUNER)

# What makes writing quicker where nothing has to outlive a power cut.
QUICK_MYSQL = ("innodb_flush_log_at_trx_commit = 0", "innodb_doublewrite = OFF", "skip_log_bin")
QUICK_POSTGRESQL = {"fsync": "off", "synchronous_commit": "off"}

PASSWORD = "of-the-lab"
DATABASE = "load"
MYSQL_LOGIN = {"user": "root", "password": PASSWORD, "database": DATABASE}
POSTGRESQL_LOGIN = {"user": "postgres", "password": PASSWORD, "database": DATABASE}
DOMAIN = "load.example.com"

# What a small program answers: a list as JSON.
HTTP_JS = """
require("node:http").createServer((request, response) => {
  const rows = Array.from({length: 1000}, (_, number) => ({number, name: `row ${number}`, price: Math.random()}));
  response.end(JSON.stringify(rows.sort((a, b) => a.price - b.price)));
}).listen(3000);
"""

# Holds as many MiB as it is asked for, all in all and of its own, for as many seconds.
HOLD_PHP = r"""<?php
function held_kib(): int {
    preg_match_all('/^Private_\w+: +(\d+)/m', file_get_contents('/proc/self/smaps_rollup'), $found);
    return array_sum($found[1]);
}
$held = str_repeat('x', max(0, ($_GET['mib'] * 1024 - held_kib()) * 1024));
usleep($_GET['seconds'] * 1e6);
echo strlen($held);
"""
SOKETI_APP = {"app_id": "load", "key": "load-key", "secret": "load-secret"}


@dataclass(frozen=True)
class Server:
    """A server that answers at `address`."""

    container: Container
    address: str


@contextmanager
def mysql(client: docker.DockerClient, limit_mib: int, settings: Settings, flavor: str = "mariadb") -> Iterator[Server]:
    """MariaDB or MySQL."""
    image, prefix = (MARIADB, "MARIADB") if flavor == "mariadb" else (MYSQL, "MYSQL")
    lines = [f"{name} = {value}" for name, value in settings.items()]
    with run(
        client,
        image,
        limit_mib,
        files={"/etc/mysql/conf.d/tuning.cnf": "\n".join(["[mysqld]", *QUICK_MYSQL, *lines, ""])},
        environment={f"{prefix}_ROOT_PASSWORD": PASSWORD, f"{prefix}_DATABASE": DATABASE},
    ) as container:
        server = Server(container, container.address(3306))
        host, port = server.address.split(":")
        connect = partial(pymysql.connect, host=host, port=int(port), **MYSQL_LOGIN)
        wait_until(container, lambda: connect().close())
        yield server


@contextmanager
def postgresql(client: docker.DockerClient, limit_mib: int, settings: Settings) -> Iterator[Server]:
    options = [word for name, value in {**QUICK_POSTGRESQL, **settings}.items() for word in ("-c", f"{name}={value}")]
    environment = {"POSTGRES_PASSWORD": PASSWORD, "POSTGRES_DB": DATABASE}
    with run(client, POSTGRESQL, limit_mib, ["postgres", *options], environment=environment) as container:
        server = Server(container, container.address(5432))
        host, port = server.address.split(":")
        login = f"host={host} port={port} user=postgres password={PASSWORD} dbname={DATABASE} connect_timeout=2"
        wait_until(container, lambda: psycopg.connect(login).close())
        yield server


@contextmanager
def redis(client: docker.DockerClient, limit_mib: int, settings: Settings, flavor: str = "valkey") -> Iterator[Server]:
    """Valkey or Redis."""
    lines = [f"{name} {value}" for name, value in settings.items()]
    image = VALKEY if flavor == "valkey" else REDIS
    path = "/etc/redis/redis.conf"
    configuration = "\n".join(["dir /data", "protected-mode no", "bind *", *lines, ""])
    with run(client, image, limit_mib, [f"{flavor}-server", path], files={path: configuration}) as container:
        server = Server(container, container.address(6379))
        host, port = server.address.split(":")
        with redis_client.Redis(host, int(port)) as probe:
            wait_until(container, probe.ping)
        yield server


@contextmanager
def node(client: docker.DockerClient, limit_mib: int, settings: Settings) -> Iterator[Server]:
    """Node with a small program that serves HTTP."""
    with run(client, NODE, limit_mib, ["node", "-e", HTTP_JS], environment=settings, init=True) as container:
        server = Server(container, container.address(3000))
        wait_until(container, lambda: urlopen(f"http://{server.address}/", timeout=2).close())
        yield server


@contextmanager
def soketi(client: docker.DockerClient, limit_mib: int, settings: Settings) -> Iterator[Server]:
    environment = {f"SOKETI_DEFAULT_APP_{name}": SOKETI_APP[name.lower()] for name in ("KEY", "SECRET")}
    environment["SOKETI_DEFAULT_APP_ID"] = SOKETI_APP["app_id"]
    with run(client, SOKETI, limit_mib, environment={**environment, **settings}, init=True) as container:
        server = Server(container, container.address(6001))
        wait_until(container, lambda: urlopen(f"http://{server.address}/ready", timeout=2).close())
        yield server


@contextmanager
def nginx(client: docker.DockerClient, limit_mib: int, upstream: str) -> Iterator[Server]:
    """nginx with the role's own configuration: DOMAIN leads to `upstream`, a name with a port, by TLS."""
    vhost = {
        "app": "load",
        "kind": "http",
        "upstream": upstream,
        "domains": [DOMAIN],
        "body_mib": 20,
        "timeout_seconds": 60,
    }
    variables = {"nginx_memory_mib": limit_mib, "nginx_cpus": 2, "nginx_vhosts": [vhost]}
    files = {
        "/etc/nginx/nginx.conf": rendered("nginx", "nginx.conf.j2", **variables),
        "/etc/nginx/conf.d/default.conf": rendered("nginx", "sites.conf.j2", **variables),
        "/run/secrets/tls.pem": self_signed(DOMAIN),
        # So that the directory of the role's volume is there.
        "/var/spool/nginx/.keep": "",
    }
    with run(client, NGINX, limit_mib, files=files) as container:
        server = Server(container, container.address(443))
        wait_until(container, lambda: open_socket(server.address).close())
        yield server


@contextmanager
def file_server(client: docker.DockerClient, alias: str, kib: int) -> Iterator[str]:
    """A server of one file of text, /load.txt; gives its name with its port. Nothing limits it."""
    # Words of no language: what repeats itself would be gone in a compressed answer.
    text = os.urandom(kib * 1024 * 3 // 4)
    site = "server { listen 80; root /srv; large_client_header_buffers 8 16k; }"
    files = {"/etc/nginx/conf.d/default.conf": site, "/srv/load.txt": b64encode(text).decode()}
    with run(client, NGINX, 0, files=files, alias=alias) as container:
        wait_until(container, lambda: open_socket(container.address(80)).close())
        yield f"{alias}:80"


@contextmanager
def php_fpm(client: docker.DockerClient, limit_mib: int, settings: Settings, alias: str) -> Iterator[Server]:
    """PHP-FPM behind an nginx that nothing limits; `address` is nginx's, and /?mib=60&seconds=2 asks for HOLD_PHP."""
    pool = [f"{name} = {value}" for name, value in settings.items() if name.startswith("pm")]
    ini = [f"{name} = {value}" for name, value in settings.items() if not name.startswith("pm")]
    php = {
        "/usr/local/etc/php-fpm.d/zz-load.conf": "\n".join(["[www]", *pool, ""]),
        "/usr/local/etc/php/conf.d/zz-load.ini": "\n".join([*ini, ""]),
        "/var/www/html/index.php": HOLD_PHP,
    }
    site = (
        "server { listen 80; location / { include fastcgi_params; fastcgi_read_timeout 60s;"
        f" fastcgi_param SCRIPT_FILENAME /var/www/html/index.php; fastcgi_pass {alias}:9000; }} }}"
    )
    with (
        run(client, PHP, limit_mib, files=php, alias=alias, user="33:33", init=True) as fpm,
        run(client, NGINX, 0, files={"/etc/nginx/conf.d/default.conf": site}) as nginx_before,
    ):
        server = Server(fpm, nginx_before.address(80))
        wait_until(fpm, lambda: urlopen(f"http://{server.address}/?mib=0&seconds=0", timeout=5).close())
        yield server


@contextmanager
def puma(client: docker.DockerClient, limit_mib: int, settings: Settings) -> Iterator[Server]:
    with run(client, RAILS, limit_mib, environment=settings, init=True) as container:
        server = Server(container, container.address(3000))
        wait_until(container, lambda: urlopen(f"http://{server.address}/up", timeout=5).close())
        yield server


@contextmanager
def sidekiq(client: docker.DockerClient, limit_mib: int, settings: Settings) -> Iterator[Server]:
    """Sidekiq with a Valkey that nothing limits, and a Puma to ask for jobs, whose is the `address`."""
    with redis(client, 0, {"save": '""'}) as queue:
        environment = {**settings, "REDIS_URL": f"redis://{queue.address}/0"}
        command = ["sidekiq", "--require", "./application.rb"]
        with (
            run(client, RAILS, limit_mib, command, environment=environment, init=True) as container,
            puma(client, 0, environment) as web,
        ):
            yield Server(container, web.address)
