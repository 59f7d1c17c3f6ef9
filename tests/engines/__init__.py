# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The engines themselves, each in a container with its planned limit and no swap, as the roles would run it.

containers.py runs and measures one, services.py knows how each is started; the tests and tests/bench use both.
"""
