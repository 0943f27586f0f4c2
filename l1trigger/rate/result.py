"""What ``l1trigger rate`` found: weighted counts of each pile-up, and what they were made with."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from l1trigger.errors import DataError
from l1trigger.rate.counts import Binned, Counts
from l1trigger.rate.menu import Cut, Menu
from l1trigger.run_folder import write_atomically

NAME = "rate"
"""Of the folder in a run folder."""


@dataclass(frozen=True)
class AtPileup:
    """The crossings of one pile-up.

    Attributes:
        strata: probability of each stratum.
        counts: scores, and cuts of the menu as patterns.
        levels: fewer crossings; whether the float reference (bit 0) and the firmware (bit 1) accept them. Empty where
            the float level was not asked for.
    """

    strata: NDArray[np.float64]
    counts: Counts
    levels: Counts


@dataclass(frozen=True)
class RateResult:
    """Rates of one trigger function.

    Attributes:
        pileups: mean collisions per crossing to its crossings.
        menu: cuts beside the network.
        menu_khz: rate that each cut was chosen for; None where thresholds were given.
        rates_khz: that thresholds are wanted for.
        threshold: of the design, as an integer.
        float_threshold: of the float reference.
        lsb: value of the last bit of a score.
        colliding_bunches: per turn.
        upstream: digest of what the C-simulation that proved the engine was made from.
        pool: digest of the pool.
        rows: rows of the pool by class.
        seed: of the random numbers.
        tool: instruction set and compiler of the engine.
    """

    pileups: Mapping[float, AtPileup]
    menu: Menu
    menu_khz: float | None
    rates_khz: tuple[float, ...]
    threshold: int
    float_threshold: float
    lsb: float
    colliding_bunches: int
    upstream: str
    pool: str
    rows: Mapping[str, int]
    seed: int
    tool: str

    def binned(self, pileup: float) -> Binned:
        """Scores with their weights."""
        at = self.pileups[pileup]
        return Binned.of(at.counts, at.strata, self.lsb)

    def levels(self, pileup: float) -> Binned | None:
        """Decisions of two levels with their weights; None where there are none."""
        at = self.pileups[pileup]
        return Binned.of(at.levels, at.strata, 1.0) if len(at.levels) else None

    def save(self, folder: Path) -> None:
        """Writes the result into an existing folder; ``rate.json``, written last, makes it complete."""
        for pileup, at in self.pileups.items():
            at.counts.save(folder / f"scores_pileup{pileup:g}.npz")
            at.levels.save(folder / f"levels_pileup{pileup:g}.npz")
        meta = {
            "pileups": [{"pileup": p, "strata": at.strata.tolist()} for p, at in self.pileups.items()],
            "menu": [asdict(c) for c in self.menu.cuts], "rates_khz": list(self.rates_khz), "rows": dict(self.rows),
            **{name: getattr(self, name) for name in _PLAIN},
        }
        write_atomically(folder / "rate.json", json.dumps(meta, indent=1))

    @classmethod
    def load(cls, folder: Path) -> RateResult:
        """Reads what ``save`` wrote.

        Raises:
            DataError: a file is missing or damaged.
        """
        try:
            meta = json.loads((folder / "rate.json").read_text())
            pileups = {
                float(p["pileup"]): AtPileup(
                    np.array(p["strata"]), Counts.load(folder / f"scores_pileup{p['pileup']:g}.npz"),
                    Counts.load(folder / f"levels_pileup{p['pileup']:g}.npz"),
                )
                for p in meta["pileups"]
            }
            return cls(
                pileups=pileups, menu=Menu(tuple(Cut(**c) for c in meta["menu"])), rates_khz=tuple(meta["rates_khz"]),
                rows=meta["rows"], **{name: meta[name] for name in _PLAIN},
            )
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as e:
            raise DataError(folder, f"holds no rates ({e})", "run `l1trigger rate` again") from e


_PLAIN = ("menu_khz", "threshold", "float_threshold", "lsb", "colliding_bunches", "upstream", "pool", "seed", "tool")
