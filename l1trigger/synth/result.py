"""Result of the stage ``synth``: latency in clock edges and resources of the RTL, and the proof that it is exact."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from l1trigger.bit_exact import Comparison, Mismatch
from l1trigger.synth.calibration import Correction
from l1trigger.synth.hls_estimate import HlsEstimate

_STREAMS = "scores.h5"
_ARRAYS = ("scores", "accepts")


@dataclass(frozen=True)
class SynthResult:
    """What was measured and estimated on the RTL of a trigger function.

    Attributes:
        part: FPGA.
        clock_ns: clock period that latencies in ns are stated for [ns].
        comparisons: bit-exactness of the RTL against csim and quantized, per sample and quantity.
        reason: why there is no latency or no RTL at all; empty when there is.
        latency_cycles: clock edges from an event at the inputs to its decision, input and output registers included.
        initiation_interval: clocks between events, proven by driving.
        events: simulated.
        stages: of the pipeline.
        stage_delays_ns: estimated delay of each stage [ns].
        ports: input and output bits.
        register_bits: of all pipeline registers, before synthesis.
        cells: resources counted by Yosys; None when it was not run.
        estimated_lut: by alkaid's cost model.
        estimated_delay_ns: of the whole logic [ns].
        tools: name of a source to tool and version.
        seconds: time of each step [s].
        hls: estimate of the HLS route, which no tool was needed for.
        corrections: resource to what it is in a vendor's tool, where the design names a calibration.
        scores: sample name to the scores that the RTL gave, as real numbers (events,); empty when it is not known
            which event a score belongs to.
        accepts: sample name to its decision bits (events,).
    """

    part: str
    clock_ns: float
    comparisons: tuple[Comparison, ...] = ()
    reason: str = ""
    latency_cycles: int | None = None
    initiation_interval: int | None = None
    events: int = 0
    stages: int = 0
    stage_delays_ns: tuple[float, ...] = ()
    ports: tuple[int, int] = (0, 0)
    register_bits: int = 0
    cells: Mapping[str, int] | None = None
    estimated_lut: float | None = None
    estimated_delay_ns: float | None = None
    tools: Mapping[str, str] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    hls: HlsEstimate | None = None
    corrections: Mapping[str, Correction] = field(default_factory=dict)
    scores: Mapping[str, NDArray[np.float64]] = field(default_factory=dict, compare=False)
    accepts: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict, compare=False)

    @property
    def longest_stage(self) -> int:
        """Number of the pipeline stage with the largest estimated delay, counted from 1."""
        return 1 + max(range(len(self.stage_delays_ns)), key=lambda k: self.stage_delays_ns[k])

    def save(self, folder: Path) -> None:
        """Writes the result into an existing folder."""
        with h5py.File(folder / _STREAMS, "w") as f:
            for what in _ARRAYS:
                for name, values in getattr(self, what).items():
                    f.create_dataset(f"{what}/{name}", data=values, compression="gzip")
        facts = asdict(replace(self, scores={}, accepts={}))
        meta = {k: v for k, v in facts.items() if k not in _ARRAYS}
        meta["comparisons"] = [c.as_dict() for c in self.comparisons]
        (folder / "synth.json").write_text(json.dumps(meta, indent=1))

    @classmethod
    def load(cls, folder: Path) -> SynthResult:
        """Reads what ``save`` wrote."""
        meta: dict[str, Any] = json.loads((folder / "synth.json").read_text())
        comparisons = []
        for c in meta["comparisons"]:
            first = c["first_mismatch"]
            c |= {"between": tuple(c["between"]), "first_mismatch": Mismatch(**first) if first else None}
            comparisons.append(Comparison(**c))
        meta |= {k: tuple(meta[k]) for k in ("stage_delays_ns", "ports")}
        meta["corrections"] = {k: Correction(**c) for k, c in meta.get("corrections", {}).items()}
        meta["hls"] = HlsEstimate.from_dict(meta["hls"]) if meta.get("hls") else None
        return cls(**{**meta, **_arrays(folder / _STREAMS), "comparisons": tuple(comparisons)})


def _arrays(path: Path) -> dict[str, dict[str, NDArray[Any]]]:
    """Scores and decision bits by sample; none where the result is of a version that did not keep them."""
    if not path.exists():
        return {}
    with h5py.File(path) as f:
        return {what: {name: f[f"{what}/{name}"][:] for name in f.get(what, ())} for what in _ARRAYS}
