"""Result of the stage ``csim``: scores at every level, and the proof that the levels agree."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from l1trigger.bit_exact import Comparison, Mismatch

LEVELS = ("float", "quantized", "csim")


@dataclass(frozen=True)
class CsimResult:
    """Scores of the test background and the signals at each level.

    Attributes:
        scores: level, then sample name, to scores as real numbers (events,). A score at level csim times
            2^fraction of the score type is the integer that the C++ returned.
        accepts: sample name to the decision bits of the C++ (events,).
        comparisons: bit-exactness of quantized against csim, per sample and quantity.
        compile_s: time to compile the project [s].
        events_per_s: speed by what computed it: ``csim`` (all processes), ``quantized``.
        processes: parallel processes of the C-simulation.
        compiler: name and version of the C++ compiler.
        energies: level, then sample name, to energies [GeV] (events,); empty where the network regresses none.
    """

    scores: Mapping[str, Mapping[str, NDArray[np.float64]]]
    accepts: Mapping[str, NDArray[np.bool_]]
    comparisons: tuple[Comparison, ...]
    compile_s: float
    events_per_s: Mapping[str, float]
    processes: int
    compiler: str
    energies: Mapping[str, Mapping[str, NDArray[np.float64]]] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Writes the result into an existing folder."""
        with h5py.File(folder / "scores.h5", "w") as f:
            for what, levels in (("scores", self.scores), ("energies", self.energies)):
                for level, samples in levels.items():
                    for name, values in samples.items():
                        f.create_dataset(f"{what}/{level}/{name}", data=values, compression="gzip")
            for name, bits in self.accepts.items():
                f.create_dataset(f"accepts/{name}", data=bits, compression="gzip")
        meta = {
            "comparisons": [c.as_dict() for c in self.comparisons], "compile_s": self.compile_s,
            "events_per_s": dict(self.events_per_s), "processes": self.processes, "compiler": self.compiler,
        }
        (folder / "csim.json").write_text(json.dumps(meta, indent=1))

    @classmethod
    def load(cls, folder: Path) -> CsimResult:
        """Reads what ``save`` wrote."""
        with h5py.File(folder / "scores.h5") as f:
            scores, energies = (
                {lv: {n: f[f"{what}/{lv}/{n}"][:] for n in f[f"{what}/{lv}"]} for lv in f.get(what, ())}
                for what in ("scores", "energies")
            )
            accepts = {n: f[f"accepts/{n}"][:] for n in f["accepts"]}
        meta = json.loads((folder / "csim.json").read_text())
        comparisons = []
        for c in meta["comparisons"]:
            first = c["first_mismatch"]
            c |= {"between": tuple(c["between"]), "first_mismatch": Mismatch(**first) if first else None}
            comparisons.append(Comparison(**c))
        return cls(
            scores, accepts, tuple(comparisons), meta["compile_s"], meta["events_per_s"], meta["processes"],
            meta["compiler"], energies,
        )
