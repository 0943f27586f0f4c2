"""Sources, architectures and scores, tried with a tiny design that goes through every stage."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from l1trigger.compress_sections import CompressSection
from l1trigger.contracts.architecture import ARCHITECTURES, SupervisedArchitecture
from l1trigger.contracts.score import SCORES
from l1trigger.contracts.source import SOURCES
from l1trigger.data.events import DataSet, Events
from l1trigger.data.objects import present
from l1trigger.design import PLUGIN_SECTIONS, Design, Section, from_mapping
from l1trigger.errors import DesignError
from l1trigger.pipeline import judge
from l1trigger.pipeline import run as run_stages
from l1trigger.results import Results
from l1trigger.sections import DataSection, ModelSection
from l1trigger.stages import STAGES, Display, Result, Stage
from l1trigger.testing.contract import ContractError, require
from l1trigger.trigger import TriggerFunction

_BASES: Mapping[str, type[Section]] = {"data": DataSection, "model": ModelSection, "compress": CompressSection}
_FEW = 64
"""Events on which single functions are tried."""


def check_source(raw: Mapping[str, Any], folder: Path) -> None:
    """Tries the data source of a tiny design.

    Args:
        raw: content of a design file.
        folder: an empty one, for the run.

    Raises:
        ContractError: the source does not keep its contract; says in what.
        L1TriggerError: a stage refuses the design, or levels are not equal bit for bit.
    """
    _check(raw, folder, "data")


def check_architecture(raw: Mapping[str, Any], folder: Path) -> None:
    """Tries the architecture of a tiny design; arguments and errors as of ``check_source``."""
    _check(raw, folder, "model")


def check_score(raw: Mapping[str, Any], folder: Path) -> None:
    """Tries the score of a tiny design; arguments and errors as of ``check_source``."""
    _check(raw, folder, "compress")


def check_design(raw: Mapping[str, Any], folder: Path) -> None:
    """Tries source, architecture and score of a tiny design in one run; as ``check_source`` does."""
    _check(raw, folder, *PLUGIN_SECTIONS)


def _check(raw: Mapping[str, Any], folder: Path, *sections: str) -> None:
    design = from_mapping(raw)
    for section in sections:
        _check_options(design, section)
    if "data" in sections:
        _check_data(design)
    results = _check_stages(design, folder)
    if "model" in sections:
        _check_network(design, results)
    if "compress" in sections:
        _check_score(results)


def _check_options(design: Design, section: str) -> None:
    """Whether the options of a plugin are a strict, frozen section that says which files it reads."""
    group, options = PLUGIN_SECTIONS[section], getattr(design, section)
    kind, name = type(options), getattr(options, PLUGIN_SECTIONS[section].key)
    what = f"{kind.__name__} of {group.kind} '{name}'"
    require(issubclass(kind, _BASES[section]), f"{what} is no {_BASES[section].__name__}")
    require(kind.model_fields[group.key].default == name, f"{what}: the default of {group.key} is not '{name}'")
    resolved = design.resolved()
    require(from_mapping(resolved) == design, f"{what} is not what its own plain values say")
    try:
        from_mapping({**resolved, section: {**resolved[section], "no_such_key": 1}})
    except DesignError:
        pass
    else:
        raise ContractError(f"{what} takes keys that it does not know")
    try:
        setattr(options, group.key, "changed")
    except ValidationError:
        pass
    else:
        raise ContractError(f"{what} can be changed")
    unnamed = {p for p in _paths_in(dict(options)) if p.is_file()} - set(options.files())
    require(not unnamed, f"{what}: files() does not give {', '.join(map(str, sorted(unnamed)))}")


def _paths_in(value: Any) -> Iterator[Path]:
    if isinstance(value, Path):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _paths_in(item)
    elif isinstance(value, tuple):
        for item in value:
            yield from _paths_in(item)
    elif isinstance(value, Section):
        yield from _paths_in(dict(value))


def _check_data(design: Design) -> None:
    """Whether a source gives samples of one shape in hardware integers, the same at every call."""
    what, source = f"source '{design.data.source}'", SOURCES.of(design.data)
    data = source.load()
    require(isinstance(data, DataSet), f"{what}: load gives no DataSet")
    samples = {"train": data.train, "validation": data.validation, "test": data.test}
    samples |= {f"signal {s.name}": s for s in data.signals}
    require(len({e.name for e in data.evaluated}) == len(data.evaluated), f"{what}: two samples have one name")
    for name, events in samples.items():
        _check_events(events, f"{what}, {name}", data.train.inputs.shape[1:])
    difference = _difference(data, source.load())
    require(not difference, f"{what}: a second call gives other events: {difference}")


def _check_events(events: Events, what: str, shape: tuple[int, ...]) -> None:
    n, inputs, weight = len(events), events.inputs, events.weight
    require(n > 0, f"{what}: no events")
    require(inputs.dtype == np.int16, f"{what}: inputs are {inputs.dtype}, not int16")
    require(inputs.shape[1:] == shape != (), f"{what}: events of shape {inputs.shape[1:]} where train has {shape}")
    columns: dict[str, NDArray[Any]] = {"weight": weight, "block": events.block, "row": events.row, **events.truth}
    for name, values in columns.items():
        require(values.shape == (n,), f"{what}: {name} has the shape {values.shape} for {n} events")
    learned = what.endswith((", train", ", validation"))
    require(bool(np.isfinite(weight).all()), f"{what}: a weight is not finite")
    require(not (learned and (weight < 0).any()), f"{what}: a weight is negative")
    require(math.isclose(weight.sum(), 1, rel_tol=1e-9), f"{what}: weights sum to {weight.sum()}, not 1")


def _check_stages(design: Design, folder: Path) -> Results:
    """Whether every stage gives what is still the same when it was saved and loaded, and is skipped a second time."""
    kept: dict[str, Result] = {}
    stages = [_watched(stage, kept) for stage in STAGES]
    done = run_stages(design, folder, stages=stages)
    _require_same(kept, done.results)
    judge(done)
    again = _Begun()
    run_stages(design, folder, display=again)
    require(not again.begun, f"{', '.join(again.begun)}: run again although nothing has changed")
    return done.results


class _Begun(Display):
    """Notes which stages are run."""

    def __init__(self) -> None:
        self.begun: list[str] = []

    def begin(self, stage: str, reason: str) -> None:
        """A stage starts."""
        self.begun.append(f"{stage} ({reason})")


def _watched(stage: Stage, kept: dict[str, Result]) -> Stage:
    """A stage that keeps its result, and holds those before it against what was saved of them."""

    def run(design: Design, results: Results, folder: Path, progress: Callable[[str], None]) -> Result | None:
        _require_same(kept, Results(results.folder))
        result = stage.run(design, results, folder, progress)
        if result is not None:
            kept[stage.name] = result
        return result

    return replace(stage, run=run)


def _require_same(kept: Mapping[str, Result], results: Results) -> None:
    for name, result in kept.items():
        expected = _normalized(result) if isinstance(result, DataSet) else result
        difference = _difference(expected, getattr(results, name))
        require(not difference, f"the result of {name} is another one when it was saved and loaded: {difference}")


def _normalized(data: DataSet) -> DataSet:
    """The data with weights brought to the sum 1 once more, as reading does."""
    train, validation, test, *signals = (e.select(slice(None)) for e in (data.train, data.validation, *data.evaluated))
    return replace(data, train=train, validation=validation, test=test, signals=tuple(signals))


def _difference(a: Any, b: Any, at: str = "") -> str:
    """Where two results differ, and how; empty where they do not. Folders may have moved, and lists be tuples."""
    here = at or "whole"
    if is_dataclass(a) and type(a) is type(b):
        pairs: dict[str, Any] = {f.name: (getattr(a, f.name), getattr(b, f.name)) for f in fields(a)}
    elif isinstance(a, Mapping) and isinstance(b, Mapping):
        if set(a) != set(b):
            return f"{here} has {sorted(a)} and {sorted(b)}"
        pairs = {str(k): (a[k], b[k]) for k in a}
    elif isinstance(a, list | tuple) and isinstance(b, list | tuple):
        if len(a) != len(b):
            return f"{here} has {len(a)} and {len(b)} items"
        pairs = {str(i): pair for i, pair in enumerate(zip(a, b, strict=True))}
    else:
        return "" if _same(a, b) else f"{here} is {_short(a)} and {_short(b)}"
    return next((d for k, (x, y) in pairs.items() if (d := _difference(x, y, f"{at}.{k}" if at else k))), "")


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        numbers = a.dtype.kind in "fc"
        return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b, equal_nan=numbers)
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return False
    if isinstance(a, Path) and isinstance(b, Path):
        return a.name == b.name
    if isinstance(a, float) and isinstance(b, float) and math.isnan(a):
        return math.isnan(b)
    return bool(a == b) or (isinstance(a, str) and isinstance(b, str) and _document(a) == _document(b))


def _document(text: str) -> Any:
    """What a JSON text says, in whatever order; any other text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array {value.shape} of {value.dtype}"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _check_network(design: Design, results: Results) -> None:
    """Whether an architecture gives scores, and outputs that answer to its truth, one for each event."""
    what, trained, data = f"model '{design.model.architecture}'", results.train, results.data
    network = ARCHITECTURES.of(design.model)
    stored = type(network).stored(trained.options).options
    require(stored == network.options, f"{what}: the options of its training are not those of the design")
    require(network.scaling == trained.scaling, f"{what}: its scaling is not the same at every call")
    for training in trained.trainings:
        require(math.isfinite(training.validation_loss), f"{what}: its validation loss is not finite")
    inputs, weights = data.test.inputs[:_FEW], trained.trainings[trained.best].weights
    score = network.float_score(weights, inputs)
    require(score.shape == (len(inputs),), f"{what}: float_score has the shape {score.shape} for {len(inputs)} events")
    require(score.dtype == np.float64, f"{what}: float_score is {score.dtype}, not float64")
    require(bool(np.isfinite(score).all()), f"{what}: float_score is not finite")
    _require_by_event(lambda x: network.float_score(weights, x), inputs, f"{what}: float_score")
    if isinstance(network, SupervisedArchitecture):
        _check_outputs(network, weights, data.train.select(slice(0, _FEW)), what)


def _check_outputs(network: SupervisedArchitecture[Any], weights: Mapping[str, Any], events: Events, what: str) -> None:
    """Whether outputs and targets have one shape, and predictions are named like a truth."""
    outputs, targets = network.float_outputs(weights, events.inputs), network.truth.targets(events)
    require(outputs.ndim == 2, f"{what}: float_outputs has the shape {outputs.shape}, not (events, outputs)")
    require(outputs.shape == targets.shape, f"{what}: targets have the shape {targets.shape}, outputs {outputs.shape}")
    require(outputs.dtype == np.float64, f"{what}: float_outputs is {outputs.dtype}, not float64")
    examples, wanted = network.examples(events, 1)
    require(len(examples) == len(wanted), f"{what}: {len(examples)} examples have {len(wanted)} targets")
    for name, values in network.truth.predictions(outputs).items():
        require(name in events.truth, f"{what}: its prediction '{name}' has no truth to be held against")
        require(values.shape == (len(events),), f"{what}: its prediction '{name}' has the shape {values.shape}")


def _require_by_event(of: Callable[[Any], Any], inputs: Any, what: str) -> None:
    """Whether events do not see each other: in another order they give the same. Float sums may differ in rounding."""
    order = np.random.default_rng(1).permutation(len(inputs))
    same = np.allclose(of(inputs)[order], of(inputs[order]), rtol=1e-3, atol=1e-4)
    require(same, f"{what} of an event depends on the events beside it")


def _check_score(results: Results) -> None:
    """Whether a kernel says of itself what it does, and firmware scores can be brought to units of the float score."""
    trigger, trained, inputs = results.compress.trigger, results.train, results.data.test.inputs
    score = SCORES.get(trigger.score)
    what = f"score '{trigger.score}'"
    out = trigger.evaluate(inputs)
    require(out.score.shape == (len(inputs),), f"{what}: its kernel gives the shape {out.score.shape}")
    require(out.score.dtype == np.int64, f"{what}: its kernel gives {out.score.dtype}, not int64")
    require(
        _depends_on_inputs(trigger, inputs) == score.kernel.needs_inputs,
        f"{what}: needs_inputs of its kernel {score.kernel.cpp} is {score.kernel.needs_inputs}, but its scores say "
        "otherwise",
    )
    value = score.float_value(np.sort(np.unique(trigger.value(out.score))), trained, trained.best)
    require(bool((np.diff(value) >= 0).all()), f"{what}: float_value changes the order of scores")


def _depends_on_inputs(trigger: TriggerFunction, inputs: Any) -> bool:
    """Whether the kernel gives other scores where the same outputs stand beside other inputs."""
    x, kernel = trigger.scaling.firmware(inputs), trigger.score_plugin.kernel
    output = trigger.network.output_type.value(trigger.network.raw(x))
    there = present(inputs)
    a, b = (kernel.raw(x[s], there[s], output, trigger.score_type) for s in (slice(None), slice(None, None, -1)))
    return not np.array_equal(a, b)
