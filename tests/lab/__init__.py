# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The test lab: a registry with every image of the stack, and VPSes: systemd containers with an engine of their own.

The same calls work on a machine without an engine or a container registry in reach (images are then made from Debian's
packages) and on a laptop with Docker and internet (images are then upstream's).
"""
