# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Everything that the collection has, on one box, at full stretch at once."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from testinfra.host import Host

LEAST_REWRITES = 3


def test_the_plan_leaves_nothing_of_the_box_over(plan: dict[str, Any]) -> None:
    assert plan["update_order"] == "start-first"
    assert plan["spare_mib"] < 64


# -- at full stretch -------------------------------------------------------------------------------------------------


def test_mysql_had_its_pool_full_and_all_its_connections_in_use(stretch: Any) -> None:
    def status(name: str) -> int:
        return int(stretch.users.ask_mysql(f"SHOW GLOBAL STATUS LIKE '{name}'")[1])

    (limit,) = stretch.users.ask_mysql("SELECT @@max_connections")
    assert 0.9 * limit <= status("Max_used_connections") <= limit
    assert status("Innodb_buffer_pool_pages_free") < 0.1 * status("Innodb_buffer_pool_pages_total")
    assert stretch.reports["mysql"].counts["queries"] > stretch.demand.mysql_sorts


def test_postgresql_had_its_buffers_full_and_all_its_connections_in_use(stretch: Any) -> None:
    (evictions,) = stretch.users.ask_postgresql("SELECT sum(evictions) FROM pg_stat_io WHERE context = 'normal'")
    assert evictions > 0
    # All were open at the same time, and each of them sorted.
    assert stretch.reports["postgresql"].counts["queries"] >= stretch.demand.postgresql_sorts


def test_redis_was_at_its_maxmemory_and_rewrote_its_file_over_and_over(stretch: Any) -> None:
    with stretch.users.redis("redis") as client:
        memory = client.info("memory")
    assert memory["used_memory_peak"] > 0.95 * memory["maxmemory"]
    assert stretch.reports["redis"].counts["rewrites"] >= LEAST_REWRITES


def test_the_cache_was_full_and_forgot_the_oldest(stretch: Any) -> None:
    with stretch.users.redis("redis_cache") as client:
        memory, stats = client.info("memory"), client.info("stats")
    assert memory["used_memory"] > 0.95 * memory["maxmemory"]
    assert stats["evicted_keys"] > 0


def test_php_had_all_its_children_with_pages_as_heavy_as_planned_for(stretch: Any, host: Host) -> None:
    assert "server reached pm.max_children" in host.check_output("docker logs onebox-shop-web-1 2>&1")
    held = stretch.demand.pages * stretch.demand.page_mib
    # Not all of them hold it in the same moment.
    assert stretch.watch.peak_mib["onebox-shop-web-1"] > 0.6 * held
    assert stretch.watch.peak_mib["onebox-shop-web-2"] > 0.6 * held


def test_the_worker_was_busy_all_the_time(stretch: Any) -> None:
    with stretch.users.redis("redis") as client:
        assert client.llen("shop:reports") > 0
    assert stretch.watch.peak_mib["onebox-shop-worker-1"] > stretch.demand.worker_mib


def test_nginx_held_all_the_clients_that_hardly_read(stretch: Any) -> None:
    assert stretch.reports["downloads"].counts["opened"] == stretch.demand.downloads


# -- and all was well ------------------------------------------------------------------------------------------------


def test_no_request_failed(stretch: Any) -> None:
    reports = {**stretch.reports, "pages of the rollout": stretch.rollout.pages}
    assert {name: dict(report.errors) for name, report in reports.items() if report.errors} == {}
    for name in ("pages", "home", "pages of the rollout"):
        assert set(reports[name].counts) == {"200"}, name
    assert set(reports["uploads"].counts) == {"201"}


def test_every_order_was_taken_and_invoiced(stretch: Any) -> None:
    assert stretch.customer.refusals == []
    with stretch.users.redis("redis") as client:
        client.delete("shop:reports")
    orders = ",".join(map(str, stretch.customer.orders))
    still = "SELECT COUNT(*) FROM orders WHERE status = 'queued' AND FIND_IN_SET(id, %s)"
    deadline = time.monotonic() + 60
    waiting = len(stretch.customer.orders)
    assert waiting > 0
    while waiting and time.monotonic() < deadline:
        (waiting,) = stretch.users.ask_mysql(still, orders)
    assert waiting == 0


def test_no_container_was_killed_or_restarted_or_unhealthy(stretch: Any, host: Host, play: Callable[..., Any]) -> None:
    assert stretch.watch.troubles == []
    assert {name: stretch.after[name] for name in stretch.before} == stretch.before
    status = play("playbooks/status.yml")
    assert status.exit_code == 0, status.output
    containers = json.loads(host.check_output("docker inspect $(docker ps --quiet)"))
    assert {container["RestartCount"] for container in containers} == {0}


def test_the_box_had_its_reserve_all_the_time(stretch: Any, plan: dict[str, Any]) -> None:
    assert plan["total_mib"] - stretch.watch.most_used_mib >= plan["reserve_mib"]
    assert len(stretch.watch.used_mib) > stretch.demand.seconds


def test_the_copy_of_a_rollout_and_a_job_fit_beside_all_the_limits(stretch: Any, plan: dict[str, Any]) -> None:
    limits = sum(service["limit_mib"] * service["replicas"] for service in plan["services"].values())
    assert stretch.rollout.limits_mib == limits + plan["rollout_mib"] + plan["jobs_mib"]
    assert plan["total_mib"] - stretch.rollout.limits_mib >= plan["reserve_mib"]
    assert stretch.rollout.job_exit_code == 0
    assert "-- Dump completed on " in stretch.rollout.job_output


# -- without a plan --------------------------------------------------------------------------------------------------


def test_the_same_load_on_vendors_defaults_without_limits_eats_up_the_reserve(stock: Any, plan: dict[str, Any]) -> None:
    assert plan["total_mib"] - stock.most_used_mib < plan["reserve_mib"]
