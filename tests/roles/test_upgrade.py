# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The scripts that copy a server's data to the one that is to follow it, for flavours that no scenario upgrades."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest


@pytest.mark.parametrize(
    ("role", "flavor", "shell"),
    [
        ("mysql", "mariadb", "bash"),
        ("mysql", "mysql", "bash"),
        ("postgresql", None, "bash"),
        ("redis", "valkey", "sh"),
        ("redis", "redis", "sh"),
    ],
)
def test_the_shell_reads_the_script_and_the_old_server_is_asked_as_the_user_for_backups(
    role: str, flavor: str | None, shell: str, render: Callable[..., str]
) -> None:
    given = {f"{role}_flavor": flavor, f"{role}_backup_password": "backup-password"}
    script = render(role, "upgrade.sh.j2", **{name: value for name, value in given.items() if value})
    read = subprocess.run([shell, "-n"], input=script, capture_output=True, text=True, check=False)
    assert (read.returncode, read.stderr) == (0, "")
    for word in (f"onebox-{role}", "onebox_backup", "backup-password"):
        assert word in script


def test_each_flavour_is_asked_with_its_own_programs(render: Callable[..., str]) -> None:
    of_mariadb = render("mysql", "upgrade.sh.j2")
    of_mysql = render("mysql", "upgrade.sh.j2", mysql_flavor="mysql")
    assert "here mariadb-dump --single-transaction" in of_mariadb
    assert "mysqldump" not in of_mariadb
    assert "here mysqldump --no-tablespaces --set-gtid-purged=OFF --single-transaction" in of_mysql
    assert "mariadb" not in of_mysql
