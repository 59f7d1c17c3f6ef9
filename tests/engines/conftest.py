# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import docker
import pytest

from engines import services
from lab import api


@pytest.fixture(scope="session")
def client() -> docker.DockerClient:
    """The lab's own engine, which has all images."""
    return api.local_images(services.IMAGES)
