"""How long the steps of a stage take."""

from __future__ import annotations

import time


class Stopwatch:
    """Times of steps that follow each other, from its making on.

    Attributes:
        seconds: name of a step to its time [s].
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._began = time.monotonic()

    def step(self, name: str) -> None:
        """Ends a step and begins the next."""
        now = time.monotonic()
        self.seconds[name], self._began = round(now - self._began, 2), now
