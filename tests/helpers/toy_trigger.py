"""Random small quantized triggers and random events, for tests of the conversion and the C-simulation."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from l1trigger import frameworks
from l1trigger.csim.result import CsimResult
from l1trigger.data.events import DataSet, Events
from l1trigger.data.scaling import FeatureScaling, InputScaling, ObjectInputs, ObjectScaling
from l1trigger.design import ConvertSection, CsimSection
from l1trigger.fixed_point import FixedPoint
from l1trigger.network import QuantizedNetwork
from l1trigger.results import Results
from l1trigger.scores.kernels import KERNELS
from l1trigger.trigger import TriggerFunction

SCORES = {
    "identity": "student", "margin": "class_margin", "sum_of_squares": "latent_norm",
    "masked_squared_error": "reconstruction_error", "squared_error": "image_error",
}


def small_scaling(objects: int = 3) -> InputScaling:
    """Inputs of a few objects with offsets, dropped bits and saturation in various places."""
    one = ObjectScaling(
        pt=FeatureScaling(shift=4, bits=8, drop=1), eta=FeatureScaling(shift=6, bits=8, offset=5),
        phi=FeatureScaling(shift=3, bits=6, drop=2, offset=-3),
    )
    whole = ObjectInputs(met=one, egamma=one).scaling()
    n = 3 * objects
    return InputScaling(*(getattr(whole, k)[:n] for k in ("offset", "shift", "drop", "magnitude_bits", "signed")))


@dataclass(frozen=True)
class Bits:
    """Bit widths of a toy network; integers as QKeras counts them."""

    weights: tuple[int, int] = (6, 0)
    biases: tuple[int, int] = (8, 2)
    activations: tuple[int, int] = (8, 3)
    output: tuple[int, int] = (12, 4)
    input: tuple[int, int] | None = None


def network(scaling: InputScaling, sizes: Sequence[int], seed: int = 1, bits: Bits = Bits()) -> QuantizedNetwork:
    """A dense QKeras network with random weights."""
    keras, q = frameworks.keras(), frameworks.qkeras()
    frameworks.seed_everything(seed)
    exact = scaling.network_type
    inside = FixedPoint.from_quantized_bits(*(bits.input or (exact.width, exact.integer - 1)))
    x = first = keras.Input((len(scaling),), name="x")
    x = q.QActivation(f"quantized_bits({inside.width},{inside.integer - 1},alpha=1)", name="input_type")(x)
    for i, size in enumerate(sizes, 1):
        x = q.QDense(
            size, kernel_quantizer=q.quantized_bits(*bits.weights, alpha=1),
            bias_quantizer=q.quantized_bits(*bits.biases, alpha=1), bias_initializer="random_normal",
            name=f"dense_{i}",
        )(x)
        if i < len(sizes):
            x = q.QActivation(f"quantized_relu({bits.activations[0]},{bits.activations[1]})", name=f"relu_{i}")(x)
    x = q.QActivation(f"quantized_bits({bits.output[0]},{bits.output[1]},alpha=1)", name="output_type")(x)
    return QuantizedNetwork.from_keras(keras.Model(first, x), inside, FixedPoint.from_quantized_bits(*bits.output))


def trigger(
    sizes: Sequence[int] = (8, 4, 1), kernel: str = "identity", seed: int = 1, bits: Bits = Bits(),
    scaling: InputScaling | None = None, score_type: FixedPoint | None = None, threshold: int | None = None,
    name: str = "toy",
) -> TriggerFunction:
    """A trigger function; its threshold accepts about a third of random events unless it is given."""
    scaling = scaling or small_scaling()
    net = network(scaling, sizes, seed, bits)
    t = score_type or KERNELS[kernel].score_type(scaling, net)
    function = TriggerFunction(name, scaling, net, SCORES[kernel], t, 0 if threshold is None else threshold)
    if threshold is None:
        score = function.evaluate(events(500, len(scaling) // 3)).score
        function = TriggerFunction(name, scaling, net, SCORES[kernel], t, int(np.quantile(score, 0.67)))
    return function


def events(n: int, objects: int = 3, seed: int = 0) -> np.ndarray:
    """Hardware integers (n, objects, 3): ordinary ones, absent objects, and a share of extreme integers."""
    rng = np.random.default_rng(seed)
    e = rng.normal(0, 120, (n, objects, 3)).astype(np.int16)
    e[..., 0] = np.abs(e[..., 0])
    e[rng.random((n, objects)) < 0.3] = 0
    extreme = rng.choice(np.array([-32768, -32767, -256, -1, 0, 1, 255, 32766, 32767], np.int16), e.shape)
    return np.where(rng.random((n, 1, 1)) < 0.3, extreme, e).astype(np.int16)


def design(**sections: dict[str, Any]) -> Any:
    """What the stages read of a design."""
    return SimpleNamespace(
        convert=ConvertSection(**sections.get("convert", {})),
        csim=CsimSection(**{"processes": 2, **sections.get("csim", {})}),
    )


def data_set(inputs: np.ndarray, signal: np.ndarray) -> DataSet:
    """A data set with these events as test background and as its one signal."""
    background = Events.unweighted("background", inputs)
    return DataSet(background, background, background, (Events.unweighted("signal", signal),), True, 2760)


def reference() -> Any:
    """A full-precision reference whose score is the sum of the inputs."""
    return SimpleNamespace(
        float_score=lambda inputs: inputs.reshape(len(inputs), -1).sum(1).astype(np.float64), predicts=False
    )


def compressed(function: TriggerFunction) -> Any:
    """What later stages read of the stage compress."""
    return SimpleNamespace(trigger=function)


def results(
    data: DataSet, function: TriggerFunction, converted: Any, trained: Any = None, csim: CsimResult | None = None
) -> Results:
    """Results of the stages before csim or synth."""
    return Results(
        data=data, train=trained or reference(), compress=compressed(function), convert=converted, csim=csim
    )


def convert(function: TriggerFunction, folder: Path, vectors: np.ndarray | None = None, **section: Any) -> Any:
    """Runs the stage convert; without vectors the test bench gets one event of zeros."""
    from l1trigger import convert as stage

    inputs = np.zeros((1, len(function.scaling)), np.int16) if vectors is None else vectors
    before = Results(data=data_set(inputs, inputs), compress=compressed(function))
    return stage.run(design(convert=section), before, folder)
