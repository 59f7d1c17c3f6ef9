# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.onebox.stack.plugins.filter.memory_requests import FilterModule

memory_requests = FilterModule().filters()["memory_requests"]

SERVICES = {
    "redis": {"tuning": {"engine": "redis"}, "ideal_mib": 96, "ceiling_mib": 256},
    "nginx": {"floor_mib": 48, "ideal_mib": 48, "ceiling_mib": 96},
}


def test_services_apps_and_wishes_become_one_list_of_requests() -> None:
    apps = {"shop": {"processes": {"web": {"kind": "http", "runtime": "puma", "replicas": 2}}}}
    asked = memory_requests(SERVICES, enabled=["redis"], apps=apps, own={"redis": {"weight": 9}}, cpus=4)
    assert list(asked) == ["redis", "shop-web"]
    assert asked["redis"] == {**SERVICES["redis"], "floor_mib": 48, "weight": 9}
    assert (asked["shop-web"]["replicas"], asked["shop-web"]["tuning"]) == (2, {"engine": "puma", "cpus": 4})


def test_wishes_need_not_be_given() -> None:
    assert memory_requests(SERVICES, ["nginx"], {}) == {"nginx": SERVICES["nginx"]}


def test_a_wish_for_what_does_not_run_is_an_error_of_the_filter() -> None:
    error = "onebox_memory.redsi: nothing of this name runs here; did you mean 'redis'?"
    with pytest.raises(AnsibleFilterError, match=rf"\A{error.replace('?', '[?]')}\Z"):
        memory_requests(SERVICES, ["redis"], {}, {"redsi": {"weight": 9}})
