"""How far alkaid's cost model is from Yosys: the LUTs of ten random dense networks, by both.

    .venv/bin/python tools/bench/cost_model.py [--networks 10] [--stages 3] [--hard-dc -1] [--binary-lut] [--seed 1]

Each network is a whole trigger function of 57 hardware integers, with weights drawn at random and the smallest of them
set to zero. Both count the same RTL. Sizes, bits and sparsities follow from the seed.
"""

import argparse
import math
import tempfile
import time
from pathlib import Path

import numpy as np

from l1trigger import frameworks
from l1trigger.data.objects import OBJECTS
from l1trigger.data.scaling import ObjectInputs
from l1trigger.fixed_point import FixedPoint
from l1trigger.network import QuantizedNetwork
from l1trigger.scores.kernels import KERNELS
from l1trigger.sections import SynthSection
from l1trigger.synth import lower, rtl
from l1trigger.synth.synthesizer import Module
from l1trigger.synth.yosys import Yosys
from l1trigger.trigger import TriggerFunction

PART, CLOCK_NS = "xcvu9p-flga2104-2-e", 5.0


def shapes(n, seed):
    """Sizes, weight bits, activation bits and sparsity of so many networks."""
    rng = np.random.default_rng(seed)
    for _ in range(n):
        hidden = tuple(int(s) for s in rng.choice([2, 3, 4, 6], rng.integers(1, 3)))
        yield (*hidden, 1), int(rng.choice([3, 4, 6, 8])), int(rng.choice([6, 8])), float(rng.choice([0.25, 0.5, 0.75]))


def random_network(sizes, weight_bits, activation_bits, sparsity, scaling, rng):
    """A QKeras network behind the scaling, with random sparse weights on their grid."""
    keras, q = frameworks.keras(), frameworks.qkeras()
    inside = scaling.network_type
    x = first = keras.Input((len(scaling),), name="x")
    x = q.QActivation(f"quantized_bits({inside.width},{inside.integer - 1},alpha=1)", name="input_type")(x)
    for i, size in enumerate(sizes, 1):
        x = q.QDense(size, kernel_quantizer=q.quantized_bits(weight_bits, 0, alpha=1),
                     bias_quantizer=q.quantized_bits(8, 2, alpha=1), name=f"dense_{i}")(x)
        if i < len(sizes):
            x = q.QActivation(f"quantized_relu({activation_bits},3)", name=f"relu_{i}")(x)
    x = q.QActivation("quantized_bits(12,4,alpha=1)", name="output_type")(x)
    model = keras.Model(first, x)
    model.set_weights([random_weights(w.shape, sparsity, rng) for w in model.get_weights()])
    return QuantizedNetwork.from_keras(model, inside, FixedPoint.from_quantized_bits(12, 4))


def random_weights(shape, sparsity, rng):
    """Normal numbers that fill the range of the quantizer, the smallest set to zero in matrices."""
    w = np.clip(rng.normal(0, 0.35, shape), -1, 1)
    if len(shape) == 2:
        w.flat[np.argsort(np.abs(w).ravel())[: int(sparsity * w.size)]] = 0
    return w


def live_function(shape, scaling, seed):
    """A trigger function whose score depends on its inputs: a few sparse networks do not, and have no logic."""
    events = np.random.default_rng(0).integers(0, 200, (200, OBJECTS, 3)).astype(np.int16)
    while True:
        network = random_network(*shape, scaling, np.random.default_rng(seed))
        score_type = KERNELS["identity"].score_type(scaling, network)
        function = TriggerFunction("bench", scaling, network, "student", score_type, 0)
        if len(np.unique(function.evaluate(events).score)) > 1:
            return function
        seed += 1000


def measure(shape, scaling, section, seed, folder):
    """(non-zero weights, LUTs by the cost model, its seconds, cells by Yosys, its seconds)."""
    function = live_function(shape, scaling, seed)
    network = function.network
    began = time.monotonic()
    logic = lower.lower(function, section, lower.ports(scaling))
    modelled = time.monotonic()
    made = rtl.write(logic, section, PART, CLOCK_NS, folder / "rtl")
    cells = Yosys(section).synthesize(Module(made.sources, PART), folder / "yosys")
    nonzero = sum(int(np.count_nonzero(w)) for w in network.weights if w.ndim == 2)
    return nonzero, logic.lut, modelled - began, cells, time.monotonic() - modelled


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=10)
    parser.add_argument("--stages", type=int, default=3, help="pipeline stages")
    parser.add_argument("--hard-dc", type=int, default=SynthSection().hard_dc)
    parser.add_argument("--binary-lut", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    section = options(arguments)
    scaling = ObjectInputs().scaling()
    print(f"{Yosys(section).tool()} against {lower.tool()}, {PART}, {arguments.stages} stages, seed {arguments.seed}")
    print(f"{'network':>14}{'w bits':>8}{'a bits':>8}{'sparsity':>10}{'weights':>9}{'model':>8}{'s':>6}"
          f"{'Yosys':>8}{'FF':>7}{'DSP':>5}{'s':>6}{'ratio':>8}")
    ratios = []
    for k, shape in enumerate(shapes(arguments.networks, arguments.seed)):
        with tempfile.TemporaryDirectory() as folder:
            nonzero, model, fast, cells, slow = measure(shape, scaling, section, arguments.seed + k, Path(folder))
        ratios.append(cells["lut"] / model)
        name = "-".join(map(str, (57, *shape[0])))
        print(f"{name:>14}{shape[1]:8}{shape[2]:8}{shape[3]:10.2f}{nonzero:9}{model:8.0f}{fast:6.1f}{cells['lut']:8}"
              f"{cells['ff']:7}{cells['dsp']:5}{slow:6.1f}{ratios[-1]:8.3f}", flush=True)
    logs = np.log(ratios)
    print(f"Yosys / model: mean {math.exp(logs.mean()):.3f}, spread a factor {math.exp(logs.std(ddof=1)):.3f}, "
          f"{min(ratios):.3f} to {max(ratios):.3f}")


def options(arguments):
    """Options of the RTL route as asked for."""
    return SynthSection(stages=arguments.stages, hard_dc=arguments.hard_dc, binary_lut=arguments.binary_lut)


if __name__ == "__main__":
    main()
