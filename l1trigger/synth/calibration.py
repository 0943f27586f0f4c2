"""How Yosys' cells compare with a vendor's tool: corrections and scatter from designs that went through both."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import t

from l1trigger.catalogue import SYNTHESIZED
from l1trigger.errors import DesignError

FEW = 3
ASSUMED = math.log(1.2)
"""Scatter where too few designs tell one: what was seen on the one design that the flow was chosen with."""


@dataclass(frozen=True)
class Correction:
    """Of one resource.

    Attributes:
        factor: vendor's number over Yosys' one, geometric mean.
        sigma: half width of 68 % for a further design, of the logarithm.
        designs: that it rests on.
    """

    factor: float
    sigma: float
    designs: int

    def interval(self, value: float) -> tuple[float, float]:
        """Where the vendor's number is expected for a count by Yosys, with 68 %."""
        return value * self.factor * math.exp(-self.sigma), value * self.factor * math.exp(self.sigma)

    @property
    def method(self) -> str:
        """What the interval is."""
        known = f"{self.designs} design{'s' * (self.designs != 1)}"
        known += "" if self.designs >= FEW else ", too few to tell the scatter, 20 % is assumed"
        return f"68 % interval of the vendor's count, Yosys x {self.factor:.3g}, calibrated on {known}"


def fit(pairs: Sequence[tuple[float, float]]) -> Correction | None:
    """The correction from pairs of (Yosys, vendor); None when no pair has two numbers above 0."""
    logs = [math.log(vendor / ours) for ours, vendor in pairs if ours > 0 and vendor > 0]
    n = len(logs)
    if not n:
        return None
    # A further design scatters about a mean that is itself uncertain: Student's prediction interval.
    scatter = float(np.std(logs, ddof=1)) if n > 1 else 0.0
    sigma = scatter * math.sqrt(1 + 1 / n) * float(t.ppf(0.84, n - 1)) if n >= FEW else max(scatter, ASSUMED)
    return Correction(math.exp(float(np.mean(logs))), sigma, n)


def save(corrections: Mapping[str, Correction], path: Path, **more: object) -> None:
    """Writes a calibration file; ``more`` says what it was made from."""
    path.write_text(json.dumps({**more, "corrections": {k: vars(c) for k, c in corrections.items()}}, indent=1) + "\n")


def load(path: Path) -> dict[str, Correction]:
    """Reads a calibration file.

    Raises:
        DesignError: it is not there or is no calibration.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))["corrections"]
        corrections = {
            k: Correction(float(c["factor"]), float(c["sigma"]), int(c["designs"])) for k, c in content.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
        raise DesignError(
            None, "synth.calibration", f"{path} is no calibration ({type(e).__name__}: {e})",
            "write one with tools/calibrate_yosys.py --out FILE, or leave synth.calibration out",
        ) from None
    wrong = [k for k, c in corrections.items() if k not in SYNTHESIZED or c.factor <= 0 or c.sigma < 0]
    if wrong:
        raise DesignError(
            None, "synth.calibration", f"{path}: corrections.{wrong[0]} makes no sense",
            f"resources are {', '.join(SYNTHESIZED)}; factors are above 0",
        )
    return corrections
