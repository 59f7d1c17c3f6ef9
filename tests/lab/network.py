# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's own network, with IPv4 and IPv6, on which its containers find each other by name."""

from __future__ import annotations

import docker

from lab.settings import BRIDGE, LABEL, NETWORK, NETWORK_IPV4, NETWORK_IPV6


def ensure(client: docker.DockerClient) -> None:
    try:
        client.networks.get(NETWORK)
    except docker.errors.NotFound:
        pools = [docker.types.IPAMPool(subnet=subnet) for subnet in (NETWORK_IPV4, NETWORK_IPV6)]
        client.networks.create(
            NETWORK,
            driver="bridge",
            enable_ipv6=True,
            ipam=docker.types.IPAMConfig(pool_configs=pools),
            labels={LABEL: "network"},
            # A name that does not change: an engine that lost its data finds the bridge that it left behind.
            options={"com.docker.network.bridge.name": BRIDGE},
        )
