# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Progress for people: a line when a step ends, and a line now and then while it lasts."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

TICK_SECONDS = 5.0


class Step:
    """One step in progress: `latest` is shown while it lasts, `result` when it ends."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.latest = ""
        self.result = "done"


class Progress:
    """Prints `[elapsed s] step: result` lines to `stream`; elapsed counts from the first use of this object."""

    def __init__(self, stream: TextIO | None = None, tick_seconds: float = TICK_SECONDS) -> None:
        self.stream = stream or sys.stderr
        self.tick_seconds = tick_seconds
        self.started = time.monotonic()

    def line(self, text: str) -> None:
        print(f"[{time.monotonic() - self.started:6.1f} s] {text}", file=self.stream, flush=True)

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Print the step's result when the block ends, and its latest news every `tick_seconds` until then."""
        step = Step(name)
        ended = threading.Event()

        def tick() -> None:
            while not ended.wait(self.tick_seconds):
                self.line(f"{name} ... {step.latest}".rstrip())

        ticker = threading.Thread(target=tick, daemon=True)
        ticker.start()
        try:
            yield step
        except BaseException:
            step.result = "FAILED"
            raise
        finally:
            ended.set()
            ticker.join()
            self.line(f"{name}: {step.result}")
