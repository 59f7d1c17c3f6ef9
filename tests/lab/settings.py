# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the lab is called, and where it keeps its things."""

from __future__ import annotations

import os
from pathlib import Path

# Label of every Docker object of the lab, and prefix of their names: how `clean` finds them.
LABEL = "onebox-lab"
# Label of an image that the lab made: the hash of what it was made from.
KEY_LABEL = "onebox-lab.key"

NETWORK = "onebox-lab"
BRIDGE = "onebox-lab"
# From the block for benchmarks (RFC 2544): no LAN and none of Docker's pools, so no network inside a VPS overlaps it.
NETWORK_IPV4 = "198.18.77.0/24"
NETWORK_IPV6 = "fdac:1ab0:77::/64"

# How a VPS calls the registry, and how this machine's engine does (which trusts 127.0.0.0/8 without TLS).
REGISTRY = "registry.lab:5000"
LOCAL_REGISTRY_PORT = 15000
LOCAL_REGISTRY = f"127.0.0.1:{LOCAL_REGISTRY_PORT}"

APT_REPOSITORY_URL = "http://download.lab/linux/debian"

IMAGES_DIRECTORY = Path(__file__).parent / "images"

STATE_DIRECTORY = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "onebox-stack" / "lab"
# Outside the cache: it belongs to a running engine and is worth nothing without it.
ENGINE_DATA_DIRECTORY = Path("/var/lib/onebox-lab")


class LabError(Exception):
    """Something that the user can act on; the text says what."""
