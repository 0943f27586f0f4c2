"""A trigger function as a program of the engine, and its results for many events."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.convert.graph import GraphLayer
from l1trigger.cores import cores
from l1trigger.data.scaling import InputScaling
from l1trigger.engine import layers as network_layers
from l1trigger.engine import library
from l1trigger.engine.assembly import Code
from l1trigger.engine.numbers import Numbers, joined
from l1trigger.engine.operations import Ints
from l1trigger.engine.program import Program
from l1trigger.errors import DataError, UnsupportedLayerError
from l1trigger.graph import hls
from l1trigger.graph.stack import Stack
from l1trigger.sections import ConvertSection
from l1trigger.trigger import TriggerFunction, TriggerOutputs

_CHUNK = 64 * library.BLOCK
"""Events that a thread takes at a time."""


@dataclass(frozen=True)
class Engine:
    """A trigger function over many events.

    Attributes:
        code: gives score and network outputs.
        score: gives the score alone.
        threshold: an event is accepted when its score, as an integer, is greater than this.
    """

    code: Code
    score: Code
    threshold: int

    @classmethod
    def of(cls, trigger: TriggerFunction, layers: Sequence[GraphLayer] | None = None) -> Engine:
        """The engine of a trigger function.

        Args:
            trigger: the function.
            layers: of its network in hls4ml's graph; None makes the graph with the default section ``convert``.

        Raises:
            UnsupportedLayerError: the network or the score has something that the engine does not.
        """
        kernel = trigger.score_plugin.kernel
        if kernel.engine is None:
            raise UnsupportedLayerError(
                f"The engine has no operations for the score {trigger.score}. Remedy: give its ScoreKernel the form "
                "'engine'; csim simulates it as it is"
            )
        program, x, results = _traced(trigger, layers)
        *_, last = results.values()
        output = program.exactly(last.ravel(), trigger.network.output_type)
        score = program.cast(kernel.engine(program.hardware, x, output), trigger.score_type)
        score = program.exactly(score, trigger.score_type)
        return cls(program.finished(joined([score, output])), program.finished(score), trigger.threshold)

    @staticmethod
    def layers(
        trigger: TriggerFunction, event: NDArray[Any], layers: Sequence[GraphLayer] | None = None
    ) -> dict[str, NDArray[np.float64]]:
        """Values of the scaled inputs, as ``scaling``, and of every layer for one event, flat; see ``of``.

        Args:
            trigger: the function.
            event: hardware integers, without an axis of events.
            layers: of its network in hls4ml's graph.
        """
        program, x, results = _traced(trigger, layers)
        values = {"scaling": x, **results}
        flat = [v.ravel() for v in values.values()]
        every = joined(flat)
        raw = library.load().run(program.finished(every), _hardware(event[None], program.hardware.size))[0]
        numbers = np.ldexp(raw.astype(np.float64), -every.fraction)
        ends = np.cumsum([v.size for v in flat])
        return dict(zip(values, np.split(numbers, ends[:-1]), strict=True))

    def save(self, path: Path) -> None:
        """Writes the engine into a file, from which it is ready without the network that it was made of."""
        parts = {"code": self.code, "score": self.score}
        values = {f"{name}/{key}": value for name, code in parts.items() for key, value in vars(code).items()}
        with path.open("wb") as file:
            np.savez_compressed(file, version=library.VERSION, threshold=self.threshold, **values)

    @classmethod
    def load(cls, path: Path) -> Engine:
        """Reads what ``save`` wrote.

        Raises:
            DataError: the file is missing, damaged, or of another version of the engine.
        """
        try:
            with path.open("rb") as file, np.load(file) as z:
                if z["version"] != library.VERSION:
                    raise DataError(path, "is of another version of the engine", "run the stage csim again")
                code, score = (
                    Code(z[f"{name}/code"], z[f"{name}/wide"], int(z[f"{name}/units"]), int(z[f"{name}/inputs"]),
                         z[f"{name}/results"]) for name in ("code", "score")
                )
                return cls(code, score, int(z["threshold"]))
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as e:
            raise DataError(path, f"holds no engine ({e})", "run the stage csim again") from e

    def evaluate(self, inputs: NDArray[Any], threads: int | None = None) -> TriggerOutputs:
        """Outputs of the trigger function.

        Args:
            inputs: hardware integers, first axis events.
            threads: at once; None takes all processor cores.

        Raises:
            DataError: an input does not fit 16 bits, or there are too many or too few of them.
        """
        results = self._run(self.code, inputs, threads)
        return TriggerOutputs(results[:, 1:], results[:, 0], results[:, 0] > self.threshold)

    def scores(self, inputs: NDArray[Any], threads: int | None = None) -> NDArray[np.int64]:
        """Scores as integers (events,); see ``evaluate``."""
        return self._run(self.score, inputs, threads)[:, 0]

    @staticmethod
    def _run(code: Code, inputs: NDArray[Any], threads: int | None) -> Ints:
        kernels = library.load()
        events = _hardware(inputs, code.inputs)
        workers = threads or cores()
        size = max(_CHUNK, len(events) // (8 * workers) // library.BLOCK * library.BLOCK)
        parts = [events[i : i + size] for i in range(0, max(len(events), 1), size)]
        if workers == 1 or len(parts) == 1:
            return np.concatenate([kernels.run(code, part) for part in parts])
        with ThreadPoolExecutor(workers) as pool:
            return np.concatenate(list(pool.map(lambda part: kernels.run(code, part), parts)))


def _traced(
    trigger: TriggerFunction, layers: Sequence[GraphLayer] | None
) -> tuple[Program, Numbers, dict[str, Numbers]]:
    """A program with the input scaling and all layers of a network, by name."""
    if layers is None:
        from l1trigger.convert import hls4ml

        layers = hls4ml.graph_layers(trigger.network, ConvertSection())
    stacks = {layer.name: Stack.of(layer) for layer in hls.stacks(trigger.network.build(exact=False))}
    program = Program(len(trigger.scaling))
    x = scaled(program, trigger.scaling)
    return program, x, network_layers.network(program, layers, stacks, x)


def _hardware(inputs: NDArray[Any], wanted: int) -> NDArray[np.int16]:
    """Hardware integers (events, inputs) of 16 bits."""
    size = math.prod(inputs.shape[1:])
    if size != wanted:
        raise DataError("inputs", f"an event has {size} numbers, the trigger function takes {wanted}",
                        "give events of the shape that the design was made for")
    flat = inputs.reshape(-1, wanted)
    if flat.dtype.kind not in "iub" and (flat != np.rint(flat)).any():  # also where not a number
        raise DataError("inputs", "holds numbers that are not whole", "give hardware integers, before any scaling")
    if flat.dtype != np.int16:
        limits = np.iinfo(np.int16)
        if flat.size and (flat.min() < limits.min or flat.max() > limits.max):
            raise DataError("inputs", f"holds {int(flat.min())} to {int(flat.max())}, hardware integers have 16 bits",
                            "saturate them as the hardware does")
    return np.ascontiguousarray(flat, np.int16)


def scaled(program: Program, scaling: InputScaling) -> Numbers:
    """Network inputs of hardware integers; see ``data.scaling``."""
    magnitude, signed = np.array(scaling.magnitude_bits), np.array(scaling.signed)
    high = 2**magnitude - 1
    settings = np.stack([
        np.array(scaling.offset), np.array(scaling.drop), np.array(scaling.fold, np.int64),
        np.where(signed, -high - 1, 0), high,
    ], 1)
    return program.scaling(program.hardware, settings, np.array(scaling.shift) - np.array(scaling.drop))
