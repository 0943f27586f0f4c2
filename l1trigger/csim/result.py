"""Result of the stage ``csim``: scores at every level, and the proof that the levels agree."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from l1trigger.bit_exact import Comparison, Mismatch
from l1trigger.engine import Engine

_ENGINE = "engine.npz"
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
        events_per_s: speed by what computed it: ``csim`` (all processes), ``quantized``, ``engine`` (one thread).
        processes: parallel processes of the C-simulation.
        compiler: name and version of the C++ compiler.
        predictions: what, then level, then sample name, to what network outputs say, e.g. ``energy`` [GeV] or
            ``class`` (events,); empty where they say nothing beside the score.
        outputs: sample name to the network outputs of the C++ as integers (events, outputs), where there are
            predictions.
        engine: instruction set and compiler of the engine; None where there is none.
        no_engine: why there is no engine of this trigger function; None where there is one.
        program: the engine itself.
    """

    scores: Mapping[str, Mapping[str, NDArray[np.float64]]]
    accepts: Mapping[str, NDArray[np.bool_]]
    comparisons: tuple[Comparison, ...]
    compile_s: float
    events_per_s: Mapping[str, float]
    processes: int
    compiler: str
    predictions: Mapping[str, Mapping[str, Mapping[str, NDArray[Any]]]] = field(default_factory=dict)
    outputs: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    engine: str | None = None
    no_engine: str | None = None
    program: Engine | None = None

    def save(self, folder: Path) -> None:
        """Writes the result into an existing folder."""
        with h5py.File(folder / "scores.h5", "w") as f:
            of_levels = {"scores": self.scores, **{f"predictions/{k}": v for k, v in self.predictions.items()}}
            of_samples = {f"{what}/{level}": s for what, levels in of_levels.items() for level, s in levels.items()}
            of_samples |= {"accepts": self.accepts, "outputs": self.outputs}
            for what, samples in of_samples.items():
                for name, values in samples.items():
                    f.create_dataset(f"{what}/{name}", data=values, compression="gzip")
        meta = {
            "comparisons": [c.as_dict() for c in self.comparisons], "compile_s": self.compile_s,
            "events_per_s": dict(self.events_per_s), "processes": self.processes, "compiler": self.compiler,
            "engine": self.engine, "no_engine": self.no_engine,
        }
        if self.program is not None:
            self.program.save(folder / _ENGINE)
        (folder / "csim.json").write_text(json.dumps(meta, indent=1))

    @classmethod
    def load(cls, folder: Path) -> CsimResult:
        """Reads what ``save`` wrote."""
        with h5py.File(folder / "scores.h5") as f:
            scores = {level: _samples(group) for level, group in f["scores"].items()}
            predictions = {
                what: {level: _samples(group) for level, group in levels.items()}
                for what, levels in f.get("predictions", {}).items()
            }
            accepts, outputs = _samples(f["accepts"]), _samples(f.get("outputs", {}))
        meta = json.loads((folder / "csim.json").read_text())
        comparisons = []
        for c in meta["comparisons"]:
            first = c["first_mismatch"]
            c |= {"between": tuple(c["between"]), "first_mismatch": Mismatch(**first) if first else None}
            comparisons.append(Comparison(**c))
        return cls(
            scores, accepts, tuple(comparisons), meta["compile_s"], meta["events_per_s"], meta["processes"],
            meta["compiler"], predictions, outputs, meta.get("engine"), meta.get("no_engine"),
            Engine.load(folder / _ENGINE) if (folder / _ENGINE).exists() else None,
        )


def _samples(group: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    return {name: values[:] for name, values in group.items()}
