"""Speed of the C-simulation beside hls4ml's own ``predict``, for the same network on the same events in one run.

    python tools/bench/csim_speed.py [--events 100000] [--layers 32,16,1] [--processes N] [--folder DIR]
"""

import argparse
import contextlib
import io
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from l1trigger.convert import hls4ml, project
from l1trigger.convert.result import ConvertResult
from l1trigger.csim import compile, simulate
from l1trigger.data.objects import OBJECTS, maximum_table
from l1trigger.data.scaling import ObjectInputs
from l1trigger.design import ConvertSection, CsimSection
from l1trigger.fixed_point import FixedPoint
from l1trigger.scores.kernels import KERNELS
from l1trigger.trigger import TriggerFunction


def random_network(sizes, scaling):
    """A dense QKeras network with random weights on the 57 inputs of an event."""
    from l1trigger import frameworks
    from l1trigger.network import QuantizedNetwork

    keras, q = frameworks.keras(), frameworks.qkeras()
    frameworks.seed_everything(1)
    inside = scaling.network_type
    x = first = keras.Input((len(scaling),), name="x")
    x = q.QActivation(f"quantized_bits({inside.width},{inside.integer - 1},alpha=1)", name="input_type")(x)
    for i, size in enumerate(sizes, 1):
        x = q.QDense(size, kernel_quantizer=q.quantized_bits(6, 0, alpha=1),
                     bias_quantizer=q.quantized_bits(8, 2, alpha=1), name=f"dense_{i}")(x)
        if i < len(sizes):
            x = q.QActivation("quantized_relu(8,3)", name=f"relu_{i}")(x)
    x = q.QActivation("quantized_bits(12,4,alpha=1)", name="output_type")(x)
    return QuantizedNetwork.from_keras(keras.Model(first, x), inside, FixedPoint.from_quantized_bits(12, 4))


def random_events(n):
    """Hardware integers in their physical ranges."""
    rng = np.random.default_rng(0)
    top = maximum_table()
    events = rng.integers(-top, top + 1, (n, OBJECTS, 3))
    events[..., 0] = np.minimum(rng.exponential(40, (n, OBJECTS)), top[:, 0])
    return events.astype(np.int16)


class Clock:
    """Wall and processor seconds of a block; the latter hold also on a busy machine."""

    def __enter__(self):
        self.wall, self.cpu = time.monotonic(), self._cpu()
        return self

    def __exit__(self, *error):
        self.wall, self.cpu = time.monotonic() - self.wall, self._cpu() - self.cpu

    @staticmethod
    def _cpu():
        usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(u.ru_utime + u.ru_stime for u in usages)


def our_speed(executable, events, outputs, processes, folder):
    """Clock and outputs of our C-simulation."""
    section = CsimSection(processes=processes)
    with tempfile.TemporaryDirectory(dir=folder) as work, Clock() as clock:
        result = simulate.simulate(executable, events, outputs, section, Path(work))
    return clock, result.outputs


def hls4ml_speed(function, section, events, folder):
    """Compile seconds, clock and raw outputs of hls4ml's library, in one process."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        graph = hls4ml.graph(function.network, section, "toy_predict", folder / "predict")
        graph.config.trace_output = False
        began = time.monotonic()
        graph.compile()
        compiled = time.monotonic() - began
        x = np.ascontiguousarray(function.scaling.firmware(events), np.float32)
        graph.predict(x[:100])
        with Clock() as clock:
            y = graph.predict(x)
    return compiled, clock, function.network.output_type.raw(y.reshape(len(events), -1))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--layers", default="32,16,1", help="sizes of the dense layers behind the 57 inputs")
    parser.add_argument("--processes", type=int, default=simulate.processes(CsimSection()))
    parser.add_argument("--folder", type=Path, help="where the projects go; a scratch folder otherwise")
    arguments = parser.parse_args()
    sizes = [int(s) for s in arguments.layers.split(",")]
    with tempfile.TemporaryDirectory() as scratch:
        measure(sizes, arguments.events, arguments.processes, arguments.folder or Path(scratch))


def measure(sizes, n, processes, folder):
    folder.mkdir(parents=True, exist_ok=True)
    section, scaling = ConvertSection(), ObjectInputs().scaling()
    network = random_network(sizes, scaling)
    kernel = "identity" if sizes[-1] == 1 else "sum_of_squares"
    score = {"identity": "student", "sum_of_squares": "latent_norm"}[kernel]
    function = TriggerFunction("speed", scaling, network, score, KERNELS[kernel].score_type(scaling, network), 0)
    events = random_events(n)

    written = hls4ml.convert(network, section, project.network_name(function), folder / "project", folder / "log")
    project.write(function, written, section, folder / "project", 3)
    converted = ConvertResult(folder / "project", project.top_name(function), section.backend, section.part,
                              section.clock_ns, {}, {})
    executable = compile.build(converted, CsimSection(), folder)
    theirs_compile, theirs, expected = hls4ml_speed(function, section, events, folder)
    one, got = our_speed(executable, events, sizes[-1], 1, folder)
    several, _ = our_speed(executable, events, sizes[-1], processes, folder)
    with Clock() as qkeras:
        quantized = function.evaluate(events)

    print(f"57-{'-'.join(map(str, sizes))}, {n} events, {executable.compiler}")
    print(f"{'':42}{'compile [s]':>12}{'events/s':>10}{'ratio':>7}{'events/CPU-s':>14}{'ratio':>7}")
    rows = (
        ("hls4ml predict, 1 process (network only)", theirs_compile, theirs),
        ("csim, 1 process", executable.compile_s, one),
        (f"csim, {processes} processes", executable.compile_s, several),
        ("QKeras in float64", 0.0, qkeras),
    )
    for name, seconds, clock in rows:
        print(f"{name:42}{seconds:12.1f}{n / clock.wall:10.0f}{theirs.wall / clock.wall:7.2f}"
              f"{n / clock.cpu:14.0f}{theirs.cpu / clock.cpu:7.2f}")
    same = np.array_equal(got.network, quantized.network) and np.array_equal(got.score, quantized.score)
    print(f"csim equals QKeras: {same}; hls4ml predict equals QKeras: {np.array_equal(expected, quantized.network)}")


if __name__ == "__main__":
    main()
