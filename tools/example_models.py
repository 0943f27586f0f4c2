"""Tries hls4ml's example models, and writes the table of them in models/README.md.

    git clone https://github.com/fastmachinelearning/example-models
    python tools/example_models.py                      # the table, from models/example_models.json
    python tools/example_models.py example-models       # first tries every model of a clone, minutes
    python tools/example_models.py example-models KERAS_conv1d    # or only those whose names begin so

Each model goes the way of a user's own: it is read, held against the outputs of its file in float64, checked for what
firmware cannot have, quantized where it is not, and compared integer by integer: the traced logic of the RTL and the
C-simulation, where it is small enough, against the quantized network. No model is stored here.
"""

from __future__ import annotations

import importlib.metadata
import io
import json
import math
import re
import subprocess
import sys
import tempfile
import traceback
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy import special

from l1trigger import convert, design, frameworks, keras_import
from l1trigger.compress_sections import QuantizationSection
from l1trigger.convert import hls4ml
from l1trigger.csim import compile, simulate
from l1trigger.data.scaling import InputScaling
from l1trigger.errors import DataError, L1TriggerError
from l1trigger.keras_import import onnx_file
from l1trigger.keras_import.files import architecture
from l1trigger.keras_import.model import TOLERANCE, spreads
from l1trigger.keras_import.rewrite import ENDS, end_of
from l1trigger.models import garnet_contrib
from l1trigger.models.garnet import GarNet, GarNetOptions
from l1trigger.models.keras_model import COMPARED, KerasModel, KerasModelOptions
from l1trigger.network import QuantizedNetwork
from l1trigger.quantize import keras_graph, lint, training
from l1trigger.quantize.dense_layers import output_type
from l1trigger.scores.kernels import KERNELS
from l1trigger.sections import ConvertSection, CsimSection, SynthSection
from l1trigger.synth.partial_logic import network_logic
from l1trigger.trigger import TriggerFunction

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "models" / "example_models.json"
PAGE = ROOT / "models" / "README.md"
MARKED = re.compile(r"(?<=<!-- example models: tools/example_models.py -->\n).*?(?=<!-- end -->)", re.DOTALL)

EVENTS = 500
MOST_LOGIC, MOST_SIMULATED = 50_000, 1_100_000
"""Multiplications of a network whose logic is traced, and of one that is simulated."""
SCALING = {"shift": 6, "bits": 10, "signed": True}
PACKAGES = ("tf-keras", "keras", "qkeras", "onnx", "hls4ml", "alkaid")
OTHERS: Mapping[str, str] = {
    ".pt": "PyTorch's own format; export it with torch.onnx.export",
    ".pb": "TensorFlow without Keras' configuration; save the Keras model that it was made of",
}
"""Files that are not read, and what to do about them."""


@dataclass(frozen=True)
class Tried:
    """What became of a model.

    Attributes:
        model: path of its file in the repository; that of the weights, where the architecture stands beside them.
        layers: its inputs and layers with weights.
        weights: number of weights.
        refused: why it is; empty where it is taken.
        logits: whether a softmax or sigmoid at its end is left out.
        compared: level to number of events.
        differences: outputs that differ, at all levels together.
        not_compared: level to the reason why not.
        note: what is odd about it.
    """

    model: str
    layers: str = ""
    weights: int | None = None
    refused: str = ""
    logits: bool = False
    compared: Mapping[str, int] | None = None
    differences: int | None = None
    not_compared: Mapping[str, str] | None = None
    note: str = ""


def files(clone: Path) -> Iterator[tuple[Path, Path | None]]:
    """The models of a clone: a file, and that of its weights where it holds the architecture alone."""
    held = sorted(p for p in clone.rglob("*") if p.suffix in (*keras_import.SUFFIXES, *OTHERS))
    architectures = [p for p in held if p.suffix == ".json" and p.parent != clone]
    taken = set()
    for file in architectures:
        for weights in held:
            if weights.suffix == ".h5" and _architecture_of(weights, architectures) == file:
                taken.add(weights)
                yield file, weights
    yield from ((p, None) for p in held if p.suffix != ".json" and p not in taken)


def _architecture_of(weights: Path, architectures: Sequence[Path]) -> Path | None:
    """The architecture with the longest name that the name of the weights begins with."""
    fitting = [p for p in architectures if p.parent == weights.parent and weights.stem.startswith(f"{p.stem}_")]
    return max(fitting, key=lambda p: len(p.stem), default=None)


def tried(clone: Path, file: Path, weights: Path | None) -> Tried:
    """What becomes of a model."""
    row = Tried((weights or file).relative_to(clone).as_posix())
    if file.suffix in OTHERS:
        return replace(row, refused=OTHERS[file.suffix])
    try:
        row = replace(row, **described(file, weights))
        way = _garnet if "GarNet" in row.layers else _keras
        with tempfile.TemporaryDirectory() as folder:
            return way(row, file, weights, Path(folder))
    except L1TriggerError as e:
        return replace(row, refused=_short(str(e), file, weights))
    except Exception:  # noqa: BLE001 (what must not happen: the table shows it, and its test fails)
        return replace(row, refused=f"traceback: {traceback.format_exc(limit=-1).splitlines()[-1]}")


def _short(message: str, *paths: Path | None) -> str:
    """A message in one line of a table, without the paths of this machine."""
    for path in paths:
        if path is not None:
            message = message.replace(str(path), path.name)
    return " ".join(message.split()).replace("|", "\\|")


def described(file: Path, weights: Path | None) -> dict[str, Any]:
    """Inputs, layers and number of weights, as a file tells them."""
    if file.suffix in onnx_file.SUFFIXES:
        graph = keras_import.imported(file.read_bytes(), str(file)).walked
        layers = [(node.kind, node.config) for node in graph.nodes]
        return {"layers": _described([graph.shapes[n] for n in graph.inputs], layers),
                "weights": sum(w.size for n in graph.nodes for w in n.weights)}
    config, _ = architecture(file.read_bytes(), file.name)
    inner = config["config"]
    layers = [(la["class_name"], la["config"]) for la in (inner if isinstance(inner, list) else inner["layers"])]
    shapes = [c.get("batch_input_shape") or c.get("batch_shape") for kind, c in layers if kind == "InputLayer"]
    shapes = shapes or [layers[0][1]["batch_input_shape"]]
    return {"layers": _described([s[1:] for s in shapes], layers), "weights": _weights(weights or file)}


def _described(shapes: Sequence[Sequence[int]], layers: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    written = " and ".join(" x ".join(map(str, s)) for s in shapes)
    return f"{written}: {', '.join(_sizes(layers))}"


def _sizes(layers: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterator[str]:
    """The layers with weights and their sizes, those of one kind together."""
    last = ""
    for kind, config in layers:
        size = config.get("units", config.get("filters", config.get("n_filters")))
        if size is not None:
            yield str(size) if kind == last else f"{kind} {size}"
            last = kind


def _weights(file: Path) -> int:
    content = file.read_bytes()
    if file.suffix == ".keras":
        with zipfile.ZipFile(file) as z:
            content = z.read("model.weights.h5")
    sizes = []
    with h5py.File(io.BytesIO(content)) as f:
        f.visititems(lambda name, item: sizes.append(getattr(item, "size", 0)) if "optimizer" not in name else None)
    return sum(sizes)


def _keras(row: Tried, file: Path, weights: Path | None, folder: Path) -> Tried:
    """What becomes of a model of Keras, QKeras or ONNX, by the architecture ``keras_model``."""
    more = None if weights is None else weights.read_bytes()
    whole = keras_import.imported(file.read_bytes(), str(file), more)
    logits = bool({end_of(whole.walked[n]) for n in whole.walked.outputs} & set(ENDS))
    section = {"architecture": "keras_model", "file": str(file), "logits": logits,
               "inputs": [SCALING] * len(whole.shapes)} | ({} if weights is None else {"weights_file": str(weights)})
    asked = design.from_mapping({"name": "example", "model": section, "compress": {"score": "classifier"},
                                 "task": "calorimeter", "data": {"source": "showers"}})
    assert isinstance(asked.model, KerasModelOptions)  # as the architecture says
    own = KerasModel(asked.model)
    own.check(asked)
    content = own.options.content()
    model, scaling = own.options.model(content), own.scaling
    inputs = _inputs(len(scaling))
    if model.is_quantized:
        network = model.quantized_network(scaling)
        model.require_same_integers(network, scaling.firmware(inputs))
    else:
        model.require_same(scaling.real(inputs))
        made = keras_graph.quantized(own.layers(content), QuantizationSection(), scaling.network_type,
                                     scaling.firmware(inputs[:EVENTS]))
        network = QuantizedNetwork.from_keras(made, scaling.network_type, output_type(made))
    row = replace(row, logits=logits, compared={"file": len(inputs)})
    if not spreads(model.own_outputs(scaling.real(inputs))).any():
        row = replace(row, note="the file's own outputs are the same for all events")
    return _compared(row, network, scaling, inputs[:EVENTS], folder)


def _garnet(row: Tried, file: Path, weights: Path | None, folder: Path) -> Tried:
    """What becomes of a model of hls4ml's own GarNet layers, by the architecture ``garnet``; with the logit first."""
    path = weights or file
    contrib = garnet_contrib.read(path)
    own = GarNet(GarNetOptions.model_validate({**contrib.options, "contrib_file": path}))
    model, inputs = own.build(), _hits(contrib.vertices)
    garnet_contrib.assign(contrib, model)
    float_weights = training.weights_by_name(model)
    probability = special.expit(own.float_score(float_weights, inputs))
    written = _own_probability(path, own.scaling.real(inputs).reshape(len(inputs), contrib.vertices, -1))
    if (difference := np.abs(probability - written).max() / written.std()) > TOLERANCE:
        raise DataError(path, f"differs from hls4ml's own layers by {difference:.2g} of the spread")
    made = own.quantized_model(float_weights, QuantizationSection(), GarNet.internal_bits, own.scaling.firmware(inputs))
    network = QuantizedNetwork.from_keras(made, own.scaling.network_type, output_type(made))
    row = replace(row, logits=True, compared={"file": len(inputs)})
    return _compared(row, network, own.scaling, inputs[:EVENTS], folder)


def _own_probability(path: Path, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """What hls4ml's own Keras layers make of events (events, V, features), by the file itself."""
    hls4ml.version()  # lets hls4ml take Keras 2
    from hls4ml.contrib import garnet as layers  # noqa: TID251 (inside the mask)

    kinds = {kind: getattr(layers, kind) for kind in garnet_contrib.KINDS}
    model = frameworks.keras().models.load_model(path, custom_objects=kinds, compile=False)
    y = model.predict([x, (x[..., 3] != 0).sum(1, keepdims=True)], verbose=0)
    return np.asarray(y, np.float64)[:, 0]


def _hits(vertices: int) -> NDArray[np.int16]:
    """Random clusters (events, 4 V): hits with x, y, layer and an energy, the rest empty."""
    rng = np.random.default_rng(0)
    x = np.stack([rng.integers(-7, 8, (COMPARED, vertices)), rng.integers(-7, 8, (COMPARED, vertices)),
                  rng.integers(0, 50, (COMPARED, vertices)), rng.integers(1, 300, (COMPARED, vertices))], -1)
    x[np.arange(vertices) >= rng.integers(0, vertices + 1, (COMPARED, 1))] = 0
    return x.reshape(COMPARED, -1).astype(np.int16)


def _inputs(count: int) -> NDArray[np.int16]:
    """Random hardware integers (events, count), a share of them zero or beyond the range that is kept."""
    rng = np.random.default_rng(0)
    x = rng.normal(0, 100, (COMPARED, count)) * (rng.random((COMPARED, count)) < 0.8)
    return np.where(rng.random(x.shape) < 0.01, rng.choice([-32768, 32767], x.shape), x).astype(np.int16)


def _compared(
    row: Tried, network: QuantizedNetwork, scaling: InputScaling, x: NDArray[np.int16], folder: Path
) -> Tried:
    """The traced logic and the C-simulation, where they are tried, against the quantized network."""
    built = network.build(exact=False)
    size = sum(_multiplications(layer) for layer in built.layers)
    section = ConvertSection(reuse_factor=_reuse_factor(built))
    lint.require(lint.check_section(section, built))
    compared, missing, differences = dict(row.compared or {}), {}, 0
    for level, most, way in (("logic", MOST_LOGIC, _logic), ("C-simulation", MOST_SIMULATED, _simulated)):
        if size > most:
            missing[level] = f"{size:,} multiplications"
            continue
        if (got := way(network, scaling, section, x, folder)) is None:
            missing[level] = "its RTL is streamed"
            continue
        compared[level] = len(x)
        differences += int((got != network.raw(scaling.firmware(x))).sum())
    return replace(row, compared=compared, differences=differences, not_compared=missing)


def _multiplications(layer: Any) -> int:
    """Products that a layer computes for one event."""
    factors = lint.multiplications(layer)
    return math.prod(factors) * math.prod(layer.output.shape[1:-1]) if factors else 0


def _reuse_factor(model: Any) -> int:
    """The smallest reuse factor that every layer takes and that leaves few enough multipliers."""
    each = [m for layer in model.layers if (m := lint.multiplications(layer))]
    shared = set.intersection(*(set(lint.valid_reuse_factors("Latency", *m)) for m in each))
    return min((r for r in shared if max(map(math.prod, each)) <= r * lint.MAX_UNROLLED), default=1)


def _logic(
    network: QuantizedNetwork, scaling: InputScaling, section: ConvertSection, x: NDArray[Any], _: Path
) -> NDArray[np.int64] | None:
    """Outputs of the traced logic as integers; None of graph layers, which have an RTL of their own."""
    layers = hls4ml.graph_layers(network, section)
    if any("GarNet" in layer.kind for layer in layers):
        return None
    comb = network_logic(layers, SynthSection())
    given = np.ascontiguousarray(network.input_type.quantize(scaling.firmware(x)))  # as the ports of the RTL have it
    y = np.asarray(comb.predict(given), np.float64).reshape(len(x), -1)
    return np.rint(y / network.output_type.lsb).astype(np.int64)


def _simulated(
    network: QuantizedNetwork, scaling: InputScaling, section: ConvertSection, x: NDArray[Any], folder: Path
) -> NDArray[np.int64]:
    """Outputs of the C-simulation as integers."""
    kernel = KERNELS["identity"]
    trigger = TriggerFunction("example", scaling, network, "student", kernel.score_type(scaling, network), 0)
    asked: Any = SimpleNamespace(convert=section)
    before: Any = SimpleNamespace(
        compress=SimpleNamespace(trigger=trigger), data=SimpleNamespace(test=SimpleNamespace(inputs=x[:1])),
    )
    options = CsimSection(processes=1)
    program = compile.build(convert.run(asked, before, folder / "convert"), options, folder)
    outputs = network.raw(scaling.firmware(x[:1])).shape[1]
    return simulate.simulate(program, x, outputs, options, folder).outputs.network


def table(results: Mapping[str, Any]) -> str:
    """The example models and what became of them, as Markdown."""
    rows = [Tried(**row) for row in results["models"]]
    head = ["model", "inputs: layers with weights", "weights", "taken or refused", "events compared", "differences"]
    rule = ["---", "---", "---:", "---", "---", "---:"]
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    taken = sum(not row.refused for row in rows)
    return "\n".join([
        (f"{taken} of {len(rows)} models are taken; commit [`{results['commit'][:9]}`]({results['repository']}/tree/"
         f"{results['commit']}), {versions}."), "",
        *("| " + " | ".join(cells) + " |" for cells in [head, rule, *map(_cells, rows)]),
    ])


def _cells(row: Tried) -> list[str]:
    return [
        f"`{row.model}`", row.layers, "" if row.weights is None else f"{row.weights:,}",
        f"refused: {row.refused}" if row.refused else _taken(row),
        "; ".join([*(f"{level} {n:,}" for level, n in (row.compared or {}).items()),
                   *(f"{level} not tried: {why}" for level, why in (row.not_compared or {}).items())]),
        "" if row.differences is None else str(row.differences),
    ]


def _taken(row: Tried) -> str:
    return "taken" + ", `logits: true`" * row.logits + (f" ({row.note})" if row.note else "")


def results_of(clone: Path, names: Sequence[str] = ()) -> dict[str, Any]:
    """All that the table says."""
    rows = []
    for file, weights in files(clone):
        if not names or (weights or file).stem.startswith(tuple(names)):
            rows.append(tried(clone, file, weights))
            print(" | ".join(_cells(rows[-1])), flush=True)
    suffixes = (".h5", ".keras", *onnx_file.SUFFIXES, *OTHERS)
    return {
        "repository": "https://github.com/fastmachinelearning/example-models",
        "commit": _git(clone, "rev-parse", "HEAD"),
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        "files": [name for name in _git(clone, "ls-files").splitlines() if name.endswith(suffixes)],
        "models": [{k: v for k, v in asdict(row).items() if v not in (None, "", {})} for row in rows],
    }


def _git(clone: Path, *command: str) -> str:
    done = subprocess.run(["git", "-C", str(clone), *command], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


def filled(text: str, results: Mapping[str, Any]) -> str:
    """models/README.md with its table made anew."""
    return MARKED.sub(lambda _: f"{table(results)}\n", text)


def main(arguments: Sequence[str]) -> None:
    """Tries the models of a clone when one is given, and writes the table."""
    frameworks.prepare()
    if arguments:
        results = results_of(Path(arguments[0]), arguments[1:])
        if arguments[1:]:
            return
        RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
