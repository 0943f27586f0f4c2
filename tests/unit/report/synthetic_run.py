"""Results of all stages made from random numbers that look like a trigger, so that reports need no training."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from l1trigger import bit_exact
from l1trigger.compress.result import CompressResult
from l1trigger.contracts.architecture import Training
from l1trigger.convert.result import ConvertResult
from l1trigger.csim.result import CsimResult
from l1trigger.data.events import DataSet, Events
from l1trigger.data.objects import EGAMMA, JET, MET, MUON, to_hardware
from l1trigger.data.scaling import ObjectInputs
from l1trigger.design import CompressSection, DataSection, Design, Limit, ModelSection, ThresholdSection
from l1trigger.figures import Figure, Source
from l1trigger.fixed_point import FixedPoint
from l1trigger.layer_summary import LayerSummary
from l1trigger.network import QuantizedNetwork
from l1trigger.rate.result import RateResult
from l1trigger.results import Results
from l1trigger.synth.result import SynthResult
from l1trigger.train.result import TrainResult
from l1trigger.trigger import TriggerFunction

STRATA = np.array([0.87, 0.12, 0.0095, 0.0005])
SIGNALS = {"A4l": (0.2, 2.2, 1.5), "LQ": (1.2, 1.0, 1.0), "h0tt": (0.5, 0.6, 0.6), "ttbar": (2.5, 0.8, 1.0)}
SCORE = FixedPoint.parse("ap_fixed<12,6,RND_CONV,SAT>")


def objects(rng: np.random.Generator, hardness: np.ndarray, leptons: float = 0.0, lepton_pt: float = 1.0) -> np.ndarray:
    """Trigger objects of events; ``hardness`` scales jets, ``leptons`` adds some."""
    n = len(hardness)
    physical = np.zeros((n, 19, 3))
    physical[..., 1:] = rng.normal(0, 1, (n, 19, 2))

    def fill(kind, mean, scale):
        count = np.minimum(rng.poisson(mean, n), kind.count)
        pt = -np.sort(-(rng.exponential(1, (n, kind.count)) ** 1.1 * scale + 3), axis=1)
        physical[:, kind.rows, 0] = np.where(np.arange(kind.count) < count[:, None], pt, 0)

    fill(JET, 2.5 + hardness, (8 * (1 + hardness) ** 1.6)[:, None])
    fill(EGAMMA, 1.2 + 0.3 * hardness + leptons, 4 * lepton_pt)
    fill(MUON, 0.05 + 0.02 * hardness + 0.6 * leptons, 5 * lepton_pt)
    physical[:, MET.first] = 0
    physical[:, MET.first, 0] = np.abs(rng.normal(0, 14 + 6 * hardness))
    return to_hardware(physical)


def events(rng: np.random.Generator, n: int, blocks: int, weighted: bool, first_block: int = 0) -> Events:
    """Zero-bias crossings in strata of hardness."""
    stratum = rng.choice(4, n, p=[0.4, 0.25, 0.2, 0.15] if weighted else STRATA)
    stratum[: 4 * blocks] = np.repeat(np.arange(4), blocks)
    block = first_block + (np.arange(n) % blocks).astype(np.int16)
    weight = np.full(n, 1 / n)
    if weighted:
        counts = np.zeros((blocks, 4))
        np.add.at(counts, (block - first_block, stratum), 1)
        weight = STRATA[stratum] / counts[block - first_block, stratum] / blocks
    card = {
        "generator": "random numbers", "pileup": 50.0, "energy_tev": 13, "seed": 1, "kind": "synthetic",
        "approximations": ["nothing is simulated", "these are random numbers"],
    }
    return Events("zerobias", objects(rng, stratum * rng.uniform(0.7, 1.3, n)), weight, block,
                  rng.integers(0, max(n // 3, 1), n).astype(np.int32), card)


def float_score(inputs: np.ndarray) -> np.ndarray:
    """A score that knows leptons and momenta, with a part that is noise to a smaller network."""
    pt = inputs[..., 0].astype(float)
    leptons = (pt[:, EGAMMA.first : JET.first] ** 0.9).sum(1)
    jets = pt[:, JET.rows].sum(1)
    wobble = 0.12 * np.sin(inputs[:, :, 1:].sum((1, 2)) * 12.9898)
    return np.log(2 + 0.12 * leptons + 0.02 * jets + 0.02 * pt[:, 0]) * 2 - 4 + wobble


def data_set(test: int = 30_000, signal: int = 2000, zero_bias: bool = True, blocks: int = 10) -> DataSet:
    """A data set; without zero bias also without blocks and rows."""
    rng = np.random.default_rng(5)
    train, validation = events(rng, 8000, 9, False), events(rng, 2000, 1, False, 9)
    background = events(rng, test, blocks, True, 10)
    signals = []
    for name, (hard, leptons, lepton_pt) in SIGNALS.items():
        x = objects(rng, rng.exponential(hard, signal), leptons, 1 + 2 * lepton_pt)
        one = Events.unweighted(name, x, background.card)
        signals.append(Events(name, x, one.weight, one.block, np.arange(signal, dtype=np.int32), one.card))
    if not zero_bias:
        background = Events.unweighted("background", background.inputs)
    return DataSet(train, validation, background, tuple(signals), zero_bias, 2760)


def design(**budget: Limit) -> Design:
    """A design that needs no plugin."""
    return Design(
        name="synthetic", data=DataSection(source="zerobias"), model=ModelSection(architecture="autoencoder"),
        compress=CompressSection(score="student", threshold=ThresholdSection(rate_khz=30)),
        budget=budget or {
            "auc_loss": Limit(max=0.02), "spearman_rho": Limit(min=0.95), "bit_mismatches": Limit(max=0),
            "auc/A4l": Limit(min=0.85, level="csim", conditions={"signal": "A4l"}), "latency_ns": Limit(max=50),
        },
    )


class Stages:
    """Results of all stages for a data set."""

    def __init__(self, data: DataSet, mismatch: bool = False, csim_events: int | None = None) -> None:
        rng = np.random.default_rng(7)
        self.data = data
        scaling = ObjectInputs().scaling()
        network = QuantizedNetwork("{}", (), FixedPoint.parse("ap_fixed<16,8>"), SCORE)
        threshold = 3.0
        trigger = TriggerFunction("synthetic", scaling, network, "student", SCORE, round(threshold / SCORE.lsb))
        history = {"loss": [float(x) for x in 1 / np.arange(1, 26) ** 0.7 + 0.1],
                   "val_loss": [float(x) for x in 1 / np.arange(1, 26) ** 0.66 + 0.12]}
        self.trained = TrainResult("autoencoder", {}, scaling, tuple(
            Training(seed, {}, {k: [v * (1 + 0.05 * seed) for v in x] for k, x in history.items()}, 0.2 + seed)
            for seed in (1, 2, 3)
        ), 0)
        layers = [("dense_1", 1824, 912, 6, 8, 8), ("dense_2", 512, 256, 6, 8, 8), ("score", 16, 0, 6, 8, 12)]
        self.compressed = CompressResult(
            trigger, tuple(LayerSummary(n, w, z, f"ap_fixed<{a},1,RND_CONV,SAT>", f"ap_fixed<{b},3,RND_CONV,SAT>",
                                        f"ap_ufixed<{c},2,RND_CONV,SAT>") for n, w, z, a, b, c in layers),
            {"loss": [0.3, 0.2, 0.16, 0.15, 0.149]}, threshold, tuple(
                Figure(name="auc", value=0.8 + 0.01 * seed, source=Source.DATASET, level=level,
                       conditions={"signal": "A4l", "seed": seed})
                for seed in (1, 2, 3) for level in ("float", "quantized")
            ),
        )
        self.converted = ConvertResult(
            Path("project"), "synthetic", "Vitis", "xcvu9p-flga2104-2-e", 5.0, {}, {"dense_1": (1, 1)}
        )
        floats = {e.name: float_score(e.inputs) for e in data.evaluated}
        quantized = {k: SCORE.quantize(v + rng.normal(0, 0.04, len(v))) for k, v in floats.items()}
        csim = {k: v[:csim_events].copy() for k, v in quantized.items()}
        if mismatch:
            csim[data.test.name][11] += SCORE.lsb
        comparisons = tuple(
            bit_exact.compare(SCORE.raw(quantized[k][: len(v)]), SCORE.raw(v), ("quantized", "csim"), f"score of {k}")
            for k, v in csim.items()
        )
        self.simulated = CsimResult(
            {"float": floats, "quantized": quantized, "csim": csim}, {k: v > threshold for k, v in csim.items()},
            comparisons, 12.3, {"csim": 81_234.0, "quantized": 20_345.0}, 2, "g++ 12.2.0",
        )

    def results(
        self, synth: SynthResult | None = None, quick: bool = False, rate: RateResult | None = None, **timings: float
    ) -> Results:
        """The same as values of a run; without a result of synth, that of a design that asks for no RTL."""
        synth = synth or SynthResult("xcvu9p-flga2104-2-e", 5.0, reason="synth.route is none", route="none")
        return Results(
            quick=quick, timings=timings, data=self.data, train=self.trained, compress=self.compressed,
            convert=self.converted, csim=self.simulated, synth=synth,
            rate=rate,
        )


def stand_in(setattr_) -> None:
    """Puts a formula in place of the plugins that would compute float scores."""
    setattr_(TrainResult, "float_score", lambda self, inputs, which=None: float_score(inputs))
