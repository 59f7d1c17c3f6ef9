# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pathlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.onebox.stack.plugins.module_utils import _apps, _requests, _runtimes, _tuning
from hypothesis import given, settings
from hypothesis import strategies as st

SERVICES = ["nginx", "mysql", "redis"]
KNOWN = [*SERVICES, "postgresql", "redis_cache"]


def shop(**changes: Any) -> dict[str, Any]:
    """Return an app that is as it should be, but for these changes; None leaves a key out."""
    app = {
        "image": "registry.example.com/shop",
        "tag": "1.4.2",
        "uses": ["mysql", "redis"],
        "domains": ["shop.example.com"],
        "public_path": "/srv/public",
        "processes": {
            "web": {"kind": "fastcgi", "port": 9000, "worker_mib": 40, "health": ["check"]},
            "worker": {"command": ["work"], "replicas": 2},
            "scheduler": {"command": ["tick"]},
        },
        **changes,
    }
    return {key: value for key, value in app.items() if value is not None}


def problems(app: Any, services: list[str] = SERVICES) -> list[str]:
    return _apps.problems({"shop": app}, services, KNOWN)


def with_web(**changes: Any) -> dict[str, Any]:
    """Return the app with another process that serves requests; None leaves a key out."""
    web = {"kind": "fastcgi", "port": 9000, "health": ["check"], **changes}
    return shop(processes={"web": {key: value for key, value in web.items() if value is not None}})


# -- what the roles read -----------------------------------------------------------------------------------------------


def test_the_model_of_an_app_has_all_defaults_filled_in() -> None:
    app = shop(
        processes={"web": {"kind": "fastcgi", "port": 9000, "health": ["check"]}, "scheduler": None},
        release_steps=[["migrate", "--force"]],
        secrets={"STRIPE_KEY": "sk"},
        volumes={"uploads": "/srv/uploads"},
        request_limits={"body_mib": 64},
    )
    assert _apps.model(app, "shop") == {
        "processes": [
            {
                "key": "shop-web",
                "command": [],
                "kind": "fastcgi",
                "port": 9000,
                "health": ["check"],
                "replicas": 1,
                "stop_seconds": 30,
            },
            {
                "key": "shop-scheduler",
                "command": [],
                "kind": "",
                "port": 0,
                "health": [],
                "replicas": 1,
                "stop_seconds": 30,
            },
        ],
        "front": "shop-web",
        "fastcgi": True,
        "body_mib": 64,
        "volumes": {"shop-uploads": "/srv/uploads"},
        "release": "shop-release",
        "release_steps": [{"service": "shop-release", "command": ["migrate", "--force"]}],
        "secret_files": [{"path": "STRIPE_KEY", "content": "sk", "secret": True}],
        "given_passwords": [],
    }


def test_an_app_without_a_front_serves_nothing() -> None:
    model = _apps.model(shop(processes={"worker": {"command": ["work"]}}), "shop")
    assert (model["front"], model["fastcgi"], model["release"], model["body_mib"]) == ("", False, "", 20)


def test_an_http_app_is_not_php() -> None:
    model = _apps.model(with_web(kind="http"), "shop")
    assert (model["front"], model["fastcgi"]) == ("shop-web", False)


def test_the_environment_names_what_the_app_uses_and_only_the_files_of_passwords() -> None:
    assert _apps.environment(shop(uses=["mysql", "redis", "redis_cache"]), "my-shop", "demo") == {
        "APP_NAME": "my-shop",
        "APP_URL": "https://shop.example.com",
        "DB_CONNECTION": "mysql",
        "DB_HOST": "demo-mysql",
        "DB_PORT": "3306",
        "DB_DATABASE": "my_shop",
        "DB_USERNAME": "my_shop",
        "DB_PASSWORD_FILE": "/run/secrets/my_shop_mysql_password",
        "REDIS_HOST": "demo-redis",
        "REDIS_PORT": "6379",
        "REDIS_USERNAME": "my-shop",
        "REDIS_PASSWORD_FILE": "/run/secrets/my_shop_redis_password",
        "REDIS_PREFIX": "my-shop:",
        "REDIS_CACHE_HOST": "demo-redis-cache",
        "REDIS_CACHE_PORT": "6379",
        "REDIS_CACHE_USERNAME": "my-shop",
        "REDIS_CACHE_PASSWORD_FILE": "/run/secrets/my_shop_redis_cache_password",
    }


def test_the_app_s_own_environment_wins_and_is_text() -> None:
    app = shop(uses=[], domains=None, env={"APP_NAME": "Shop", "DEBUG": False, "WORKERS": 4})
    assert _apps.environment(app, "shop", "demo") == {
        "APP_NAME": "Shop",
        "APP_URL": "",
        "DEBUG": "false",
        "WORKERS": "4",
    }


def test_every_password_file_of_the_environment_is_a_secret_of_the_app() -> None:
    app = shop(uses=["mysql", "redis", "redis_cache"])
    files = [value for value in _apps.environment(app, "shop", "demo").values() if value.startswith("/run/secrets/")]
    assert [path.rsplit("/", 1)[1] for path in files] == _apps.secret_names(app, "shop")


def test_each_app_that_uses_an_engine_has_a_database_a_user_and_a_secret_of_its_own() -> None:
    apps = {"my-shop": shop(), "blog": shop(uses=["redis"])}
    assert _apps.databases(apps, "mysql") == [
        {"name": "my_shop", "user": "my_shop", "secret": "my_shop_mysql_password"},
    ]
    assert _apps.databases({"jobs": shop(uses=None)}, "mysql") == []


def test_the_database_in_an_app_s_environment_is_the_one_that_is_made_for_it() -> None:
    (database,) = _apps.databases({"my-shop": shop()}, "mysql")
    environment = _apps.environment(shop(), "my-shop", "demo")
    assert (environment["DB_DATABASE"], environment["DB_USERNAME"]) == (database["name"], database["user"])
    assert environment["DB_PASSWORD_FILE"].endswith(f"/{database['secret']}")


def test_each_app_that_uses_an_instance_of_redis_is_a_user_there_with_a_secret_of_its_own() -> None:
    apps = {"my-shop": shop(uses=["redis", "redis_cache"]), "blog": shop(uses=["redis"]), "jobs": shop(uses=None)}
    assert _apps.redis_users(apps, "redis") == [
        {"name": "my-shop", "secret": "my_shop_redis_password"},
        {"name": "blog", "secret": "blog_redis_password"},
    ]
    assert _apps.redis_users(apps, "redis_cache") == [{"name": "my-shop", "secret": "my_shop_redis_cache_password"}]


@pytest.mark.parametrize(("instance", "prefix"), [("redis", "REDIS"), ("redis_cache", "REDIS_CACHE")])
def test_the_user_of_redis_in_an_app_s_environment_is_the_one_that_is_made_for_it(instance: str, prefix: str) -> None:
    app = shop(uses=[instance])
    (user,) = _apps.redis_users({"my-shop": app}, instance)
    environment = _apps.environment(app, "my-shop", "demo")
    assert environment[f"{prefix}_USERNAME"] == user["name"]
    assert environment[f"{prefix}_PASSWORD_FILE"] == f"/run/secrets/{user['secret']}"
    assert environment["REDIS_PREFIX"] == "my-shop:"


def test_users_of_redis_may_be_declared_beside_the_apps() -> None:
    assert _apps.redis_users({"shop": shop(uses=["redis"])}, "redis", ["news-letter"]) == [
        {"name": "shop", "secret": "shop_redis_password"},
        {"name": "news-letter", "secret": "news_letter_redis_password"},
    ]


@pytest.mark.parametrize(
    ("declared", "error"),
    [
        (["shop"], "redis_users: 'shop' is there already, as an app or another user; give one name once"),
        (["a", "a"], "redis_users: 'a' is there already, as an app or another user; give one name once"),
        (
            ["two words"],
            "redis_users: 'two words' cannot be a name; use small letters, digits and '-', a letter first",
        ),
        (["onebox"], "redis_users: Redis has 'onebox' for itself; give another name"),
    ],
)
def test_a_user_of_redis_that_cannot_be_is_refused(declared: list[str], error: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(error)}$"):
        _apps.redis_users({"shop": shop(uses=["redis"])}, "redis", declared)


def test_an_app_is_not_named_as_a_user_that_redis_has_already() -> None:
    for name in ("default", "onebox"):
        for instance in ("redis", "redis_cache"):
            assert _apps.problems({name: shop(uses=[instance])}, [instance], ["nginx", instance]) == [
                f"onebox_apps.{name}: Redis has '{name}' for itself; give the app another name"
            ]
        assert _apps.problems({name: shop(uses=None)}, [], ["nginx"]) == []


def test_each_app_that_serves_requests_is_a_virtual_host() -> None:
    api = shop(
        domains=["api.example.com"],
        public_path=None,
        processes={"web": {"kind": "http", "port": 3000, "health": ["x"]}},
        request_limits={"body_mib": 64, "timeout_seconds": 5},
    )
    jobs = shop(processes={"worker": {"command": ["work"]}, "scheduler": None})
    assert _apps.vhosts({"shop": shop(), "api": api, "jobs": jobs}, "demo") == [
        {
            "app": "shop",
            "domains": ["shop.example.com"],
            "kind": "fastcgi",
            "upstream": "demo-shop-web:9000",
            "public_path": "/srv/public",
            "body_mib": 20,
            "timeout_seconds": 60,
        },
        {
            "app": "api",
            "domains": ["api.example.com"],
            "kind": "http",
            "upstream": "demo-api-web:3000",
            "public_path": "",
            "body_mib": 64,
            "timeout_seconds": 5,
        },
    ]


# -- what is wrong -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "app",
    [
        shop(),
        shop(preset="none", user="33:33", env={"_A1": 1}, secrets={"KEY": "x"}, release_steps=[["x"]], read_only=False),
        shop(uses=None, processes={"worker": {"command": ["x"]}}, domains=None, public_path=None),
        with_web(kind="http", memory={"floor_mib": 64}),
        with_web(runtime="php_fpm", worker_mib=40, workers=3, jit_mib=0),
        with_web(kind="http", runtime="octane", server="swoole", worker_mib=100, workers=2),
        with_web(kind="http", runtime="none"),
        shop(processes={"jobs": {"runtime": "sidekiq", "command": ["sidekiq"]}}, domains=None),
        shop(domains=["a.example.com", "xn--bcher-kva.example", "shop.localhost"]),
    ],
)
def test_an_app_that_is_as_it_should_be_has_no_problems(app: dict[str, Any]) -> None:
    assert problems(app) == []


@pytest.mark.parametrize(
    ("app", "error"),
    [
        (None, "onebox_apps.shop: a dictionary is needed, not None"),
        (shop(image=None), "onebox_apps.shop.image: missing; every app needs one"),
        (shop(tag=""), "onebox_apps.shop.tag: missing; every app needs one"),
        (shop(processes={}), "onebox_apps.shop.processes: missing; every app needs one"),
        (shop(tag=1.4), "onebox_apps.shop.tag: a text (in quotes) is needed, not 1.4"),
        (
            shop(tag="latest"),
            "onebox_apps.shop.tag: 'latest' names another image every day, and nothing to go back to; give a version",
        ),
        (shop(domain=["x"]), "onebox_apps.shop.domain: unknown; did you mean 'domains'?"),
        (shop(domains="shop.example.com"), "onebox_apps.shop.domains: a list is needed, not 'shop.example.com'"),
        (shop(env=["A"]), "onebox_apps.shop.env: a dictionary is needed, not ['A']"),
        (shop(read_only="yes"), "onebox_apps.shop.read_only: true or false is needed, not 'yes'"),
        (shop(preset="larvel"), "onebox_apps.shop.preset: 'larvel' is unknown; there is none"),
        (shop(uses=["mysq"]), "onebox_apps.shop.uses: 'mysq' is unknown; did you mean 'mysql'?"),
        (
            shop(uses=["redis_cache"]),
            "onebox_apps.shop.uses: 'redis_cache' is not among the services of this host; add it to onebox_services",
        ),
        (
            shop(domains=["Shop.example.com"]),
            "onebox_apps.shop.domains: 'Shop.example.com' is not a domain name in small letters, such as "
            "shop.example.com",
        ),
        (
            shop(domains=["shop"]),
            "onebox_apps.shop.domains: 'shop' is not a domain name in small letters, such as shop.example.com",
        ),
        (
            shop(domains=None),
            "onebox_apps.shop.domains: missing; web serves requests, and nginx must know for which domains",
        ),
        (shop(env={"A-B": 1}), "onebox_apps.shop: 'A-B' cannot be the name of an environment variable or secret"),
        (shop(env={"A": [1]}), "onebox_apps.shop.env.A: a text (in quotes) is needed, not [1]"),
        (shop(env={"A": None}), "onebox_apps.shop.env.A: a text (in quotes) is needed, not None"),
        (
            shop(secrets={"A": 123}),
            "onebox_apps.shop.secrets.A: a text (in quotes) is needed; the value is not shown here",
        ),
        (shop(secrets={"1": "x"}), "onebox_apps.shop: '1' cannot be the name of an environment variable or secret"),
        (
            shop(user="www-data"),
            "onebox_apps.shop.user: 'www-data' must be a user and a group in numbers, such as \"33:33\"",
        ),
        (
            shop(request_limits={"body": 5}),
            "onebox_apps.shop.request_limits.body: unknown; did you mean 'body_mib'?",
        ),
        (
            shop(request_limits={"body_mib": "5"}),
            "onebox_apps.shop.request_limits.body_mib: a whole number is needed, not '5'",
        ),
        (
            shop(public_path=None),
            "onebox_apps.shop.public_path: missing; nginx serves the files of this directory of the image itself",
        ),
        (with_web(kind="php"), "onebox_apps.shop.processes.web.kind: 'php' is unknown; there is fastcgi, http"),
        (
            with_web(port=None),
            "onebox_apps.shop.processes.web.port: missing; nginx must know where the process listens, such as 9000",
        ),
        (
            with_web(health=None),
            "onebox_apps.shop.processes.web.health: missing; give the command that fails in a container that cannot "
            "serve",
        ),
        (with_web(port=0), "onebox_apps.shop.processes.web.port: 0 is too little; give 1 or more"),
        (with_web(port=65536), "onebox_apps.shop.processes.web.port: 65536 is too much; give 65535 or less"),
        (
            with_web(kind="http", runtime="nodejs"),
            "onebox_apps.shop.processes.web.runtime: 'nodejs' is unknown; did you mean 'node'?",
        ),
        (
            with_web(runtime="octane"),
            "onebox_apps.shop.processes.web.runtime: 'octane' does not go with this kind; php_fpm and fastcgi are for "
            "each other",
        ),
        (
            with_web(kind="http", runtime="php_fpm"),
            "onebox_apps.shop.processes.web.runtime: 'php_fpm' does not go with this kind; php_fpm and fastcgi are for "
            "each other",
        ),
        (
            with_web(kind="http", worker_mib=80),
            "onebox_apps.shop.processes.web.worker_mib: the runtime 'none' does not take it; take it out",
        ),
        (
            with_web(kind="http", runtime="node", workers=2),
            "onebox_apps.shop.processes.web.workers: the runtime 'node' does not take it; take it out",
        ),
        (
            with_web(kind="http", runtime="octane", server="nginx"),
            "onebox_apps.shop.processes.web: octane: no tuning for server 'nginx'; there is frankenphp, swoole",
        ),
        (
            with_web(worker_mib=100000),
            "onebox_apps.shop.processes.web: php_fpm: no limit up to 65536 MiB is enough for {'worker_mib': 100000}",
        ),
        (with_web(worker_mib=0), "onebox_apps.shop.processes.web.worker_mib: 0 is too little; give 1 or more"),
        (
            with_web(memory={"priority": -1}),
            "onebox_apps.shop.processes.web.memory.priority: -1 is too little; give 0 or more",
        ),
        (with_web(replicas=True), "onebox_apps.shop.processes.web.replicas: a whole number is needed, not True"),
        (with_web(repicas=2), "onebox_apps.shop.processes.web.repicas: unknown; did you mean 'replicas'?"),
        (
            with_web(memory={"floor": 5}),
            "onebox_apps.shop.processes.web.memory.floor: unknown; did you mean 'floor_mib'?",
        ),
        (
            shop(processes={**shop()["processes"], "web": "fastcgi"}),
            "onebox_apps.shop.processes.web: a dictionary is needed, not 'fastcgi'",
        ),
        (
            shop(processes={"Worker": {"command": ["x"]}}),
            "onebox_apps.shop.processes.Worker: a name has small letters, digits and '-', a letter first",
        ),
        (
            shop(processes={"worker": None}),
            "onebox_apps.shop.processes.worker.command: missing; a process that serves no requests needs one",
        ),
        (
            shop(processes={name: shop()["processes"]["web"] for name in ("web", "api")}),
            "onebox_apps.shop.processes: web and api both serve requests; make two apps of them",
        ),
        (
            shop(processes={**shop()["processes"], "release": {"command": ["x"]}}, release_steps=[["x"]]),
            "onebox_apps.shop.release_steps: its container would be 'shop-release', as that of "
            "onebox_apps.shop.processes.release is; rename one",
        ),
    ],
)
def test_a_problem_is_named_with_the_variable_the_value_and_what_to_do(app: Any, error: str) -> None:
    assert problems(app) == [error]


@pytest.mark.parametrize(
    ("apps", "error"),
    [
        ([], "onebox_apps: a dictionary of apps by name is needed, not []"),
        ({"Shop": shop()}, "onebox_apps.Shop: a name has small letters, digits and '-', a letter first"),
        ({7: shop()}, "onebox_apps.7: a name has small letters, digits and '-', a letter first"),
        ({"redis": shop()}, "onebox_apps.redis: this is the name of a service; give the app another"),
        (
            {"shop": shop(), "blog": shop()},
            "onebox_apps.blog.domains: shop.example.com belongs to onebox_apps.shop already; one app a domain",
        ),
        (
            {
                "shop": shop(processes={"eu-worker": {"command": ["x"]}}),
                "shop-eu": shop(processes={"worker": {"command": ["x"]}}, domains=None),
            },
            "onebox_apps.shop-eu.processes.worker: its container would be 'shop-eu-worker', as that of "
            "onebox_apps.shop.processes.eu-worker is; rename one",
        ),
    ],
)
def test_what_is_wrong_between_apps_is_named_too(apps: Any, error: str) -> None:
    assert _apps.problems(apps, SERVICES, KNOWN) == [error]


@pytest.mark.parametrize(
    ("own", "errors"),
    [
        ({"redis": {"limit_mib": 64, "priority": 0}, "gone": {}}, []),
        ([], ["onebox_memory: a dictionary is needed, such as {mysql: {ideal_mib: 512}}, not []"]),
        (
            {"redis": None, "mysql": {"floor": 300, "limit_mib": "300"}},
            [
                "onebox_memory.redis: a dictionary is needed, not None",
                "onebox_memory.mysql.floor: unknown; did you mean 'floor_mib'?",
                "onebox_memory.mysql.limit_mib: a whole number is needed, not '300'",
            ],
        ),
        (
            {"mysql": {"tuning": {"connections": 200}}},
            [
                "onebox_memory.mysql.tuning: unknown; there is floor_mib, ideal_mib, ceiling_mib, limit_mib, priority, "
                "weight"
            ],
        ),
    ],
)
def test_own_figures_for_the_plan_are_checked_by_name_and_value(own: Any, errors: list[str]) -> None:
    assert _apps.memory_problems(own) == errors


def test_all_problems_are_named_at_once() -> None:
    assert len(_apps.problems({"shop": shop(tag="latest", user="x"), "Blog": None}, SERVICES, KNOWN)) == 4


_anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 300) | st.text(max_size=3) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=2),
    max_leaves=5,
)


def _places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    for key, inner in value.items() if isinstance(value, dict) else ():
        yield from _places(inner, (*at, key))


def _replaced(value: Any, at: tuple[Any, ...], content: Any) -> Any:
    return {**value, at[0]: _replaced(value[at[0]], at[1:], content)} if at else content


_FULL = shop(env={"A": "1"}, secrets={"B": "x"}, user="33:33", request_limits={"body_mib": 1}, release_steps=[["x"]])


@settings(deadline=None)
@given(at=st.sampled_from(list(_places({"shop": _FULL, "blog": _FULL}))), content=_anything)
def test_whatever_is_given_the_answer_is_a_list_of_sentences(at: tuple[Any, ...], content: Any) -> None:
    found = _apps.problems(_replaced({"shop": _FULL, "blog": _FULL}, at, content), SERVICES, KNOWN)
    assert all(isinstance(problem, str) and problem.startswith("onebox_apps") for problem in found)


@settings(deadline=None)
@given(at=st.sampled_from(list(_places({"shop": _FULL}))), content=_anything)
def test_apps_without_problems_can_be_planned_and_rendered(at: tuple[Any, ...], content: Any) -> None:
    apps = _replaced({"shop": _FULL}, at, content)
    if not _apps.problems(apps, SERVICES, KNOWN):
        _requests.requests({}, [], apps, {})
        _requests.connections(apps, {})
        _apps.vhosts(apps, "demo")
        for name, app in apps.items():
            _apps.model(app, name)
            _apps.environment(app, name, "demo")


# -- documentation -----------------------------------------------------------------------------------------------------

_DOCS = (pathlib.Path(__file__).parents[4] / "docs/apps.md").read_text()


@pytest.mark.parametrize("key", sorted({*_apps._APP_KEYS, *_apps._PROCESS_KEYS, *_apps._LIMIT_KEYS}))
def test_every_key_is_documented(key: str) -> None:
    assert f"`{key}`" in _DOCS


@pytest.mark.parametrize("runtime", [*_runtimes.RUNTIMES])
def test_every_runtime_is_documented_with_what_it_takes_and_gets(runtime: str) -> None:
    (row,) = [line for line in _DOCS.splitlines() if line.startswith(f"| `{runtime}` |")]
    taken, gets = row.split("|")[2:4]
    known = _tuning.ENGINES[runtime].facts if runtime != "none" else {}
    assert set(re.findall(r"`(\w+)`(?= \()", taken)) == set(known) & set(_runtimes.FACTS)
    if runtime not in ("php_fpm", "none"):
        servers = [{"server": server} for server in known.get("server", ())] or [{}]
        settings = {name for facts in servers for name in _tuning.tuning(2048, runtime, **facts)}
        assert set(re.findall(r"`(\w+)`", gets)) == settings
