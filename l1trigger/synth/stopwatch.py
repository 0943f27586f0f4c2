"""How long the steps of a stage take."""

from __future__ import annotations

import time


class Laps:
    """Times of steps that follow each other [s]."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, step: str) -> None:
        """Ends a step."""
        now = time.monotonic()
        self.seconds[step], self._last = round(now - self._last, 2), now
