"""Result of the stage ``synth``: latency in clock edges and resources of the RTL, and the proof that it is exact."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from l1trigger.bit_exact import Comparison, Mismatch
from l1trigger.figures import Source
from l1trigger.synth.calibration import Correction
from l1trigger.synth.hls_estimate import HlsEstimate
from l1trigger.synth.vendor_tools.reading import VendorResult

Predictions = Callable[[NDArray[np.float64]], Mapping[str, NDArray[Any]]]
"""From network outputs (events, outputs) to what they say, by name, each (events,)."""

_STREAMS = "scores.h5"
_ARRAYS = ("scores", "accepts", "predictions")


@dataclass(frozen=True)
class LayerResources:
    """What one layer, or one block of a streaming engine, takes when it is synthesized alone.

    Layers are logic without registers: their sum differs from the whole, in which layers share logic and registers are
    added. Blocks have their registers, and the whole counts every copy of each.

    Attributes:
        name, kind: of the layer in hls4ml's graph; the trigger function's own parts are of kind ``trigger``.
        cells: resources counted by the synthesizer; None when it was not run.
        estimated_lut: by alkaid's cost model.
        estimated_delay_ns: from inputs to outputs [ns].
        counted: what is counted, in words.
    """

    name: str
    kind: str
    cells: Mapping[str, int] | None
    estimated_lut: float
    estimated_delay_ns: float
    counted: str = "alone, without pipeline registers; the sum differs from the total since layers share logic"


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
        unread_inputs: names of the inputs that nothing reads; synthesizers leave their bits of the port unconnected.
        cells: resources counted by the synthesizer; None when it was not run.
        estimated_lut: by alkaid's cost model.
        estimated_delay_ns: of the whole logic [ns].
        layers: what each layer takes alone; empty when that was not asked for.
        longest_stage_layers: layers with logic in the stage with the largest delay, by estimated times of arrival.
        tools: name of a source to tool and version.
        seconds: time of each step [s].
        hls: estimate of the HLS route, which no tool was needed for.
        corrections: resource to what it is in a vendor's tool, where the design names a calibration.
        scores: sample name to the scores that the RTL gave, as real numbers (events,); empty when it is not known
            which event a score belongs to.
        accepts: sample name to its decision bits (events,).
        predictions: what, then sample name, to what its network outputs say, e.g. ``energy`` [GeV] or ``class``
            (events,); empty where they say nothing beside the score.
        route: that was taken; ``hls`` has no RTL of ours.
        vendor: what vendors' tools say about the HLS project; None when they were not asked.
        network_outputs: how many outputs of the network leave the RTL beside score and decision.
        synthesis_source: source of ``cells``, by which ``tools`` names the synthesizer.
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
    layers: tuple[LayerResources, ...] = ()
    longest_stage_layers: tuple[str, ...] = ()
    unread_inputs: tuple[str, ...] = ()
    tools: Mapping[str, str] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    hls: HlsEstimate | None = None
    corrections: Mapping[str, Correction] = field(default_factory=dict)
    scores: Mapping[str, NDArray[np.float64]] = field(default_factory=dict, compare=False)
    accepts: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict, compare=False)
    predictions: Mapping[str, Mapping[str, NDArray[Any]]] = field(default_factory=dict, compare=False)
    route: str = "rtl"
    vendor: VendorResult | None = None
    network_outputs: int = 0
    synthesis_source: Source = Source.YOSYS

    @property
    def longest_stage(self) -> int:
        """Number of the pipeline stage with the largest estimated delay, counted from 1."""
        return 1 + max(range(len(self.stage_delays_ns)), key=lambda k: self.stage_delays_ns[k])

    def save(self, folder: Path) -> None:
        """Writes the result into an existing folder."""
        with h5py.File(folder / _STREAMS, "w") as f:
            arrays = {"scores": self.scores, "accepts": self.accepts}
            for what, samples in (arrays | {f"predictions/{k}": v for k, v in self.predictions.items()}).items():
                for name, values in samples.items():
                    f.create_dataset(f"{what}/{name}", data=values, compression="gzip")
        facts = asdict(replace(self, scores={}, accepts={}, predictions={}))
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
        lists = ("stage_delays_ns", "ports", "longest_stage_layers", "unread_inputs")
        meta |= {k: tuple(meta.get(k, ())) for k in lists}
        meta["layers"] = tuple(LayerResources(**layer) for layer in meta["layers"])
        meta["corrections"] = {k: Correction(**c) for k, c in meta["corrections"].items()}
        meta["synthesis_source"] = Source(meta.get("synthesis_source", Source.YOSYS))
        meta["hls"] = HlsEstimate.from_dict(meta["hls"]) if meta["hls"] else None
        meta["vendor"] = VendorResult.from_dict(meta["vendor"]) if meta["vendor"] else None
        return cls(**{**meta, **_arrays(folder / _STREAMS), "comparisons": tuple(comparisons)})


def by_what(samples: Mapping[str, Mapping[str, NDArray[Any]]]) -> dict[str, dict[str, NDArray[Any]]]:
    """Predictions that are given by sample and then by what they are, the other way round."""
    names = dict.fromkeys(what for predictions in samples.values() for what in predictions)
    return {what: {sample: predictions[what] for sample, predictions in samples.items()} for what in names}


def _arrays(path: Path) -> dict[str, dict[str, Any]]:
    """Scores, decision bits and predictions by sample; none where the result is of a version that did not keep them."""
    if not path.exists():
        return {}
    with h5py.File(path) as f:
        scores, accepts = ({n: v[:] for n, v in f.get(what, {}).items()} for what in ("scores", "accepts"))
        predictions = {k: {n: v[:] for n, v in samples.items()} for k, samples in f.get("predictions", {}).items()}
    return {"scores": scores, "accepts": accepts, "predictions": predictions}
