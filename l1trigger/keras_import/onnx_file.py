"""Files of ONNX and QONNX as plain operations, computed by ONNX's own reference evaluator in float64.

``Quant`` is that of QONNX (arXiv:2206.07527): clip(round(x / scale + zero point)) in steps of the scale.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.errors import DataError, L1TriggerError, MissingExtraError, UnsupportedLayerError

SUFFIXES = (".onnx",)
QUANT_DOMAINS = ("qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general")
"""Domains of the node ``Quant``: QONNX's own, and those of the exporters before it."""
_EVENTS = 256  # that are computed at a time
_ROUNDINGS = ("ROUND", "HALF_EVEN")
"""To the nearest, ties to even, as QKeras rounds."""
_OF_SHAPES = ("Shape", "Size")
_REMEDIES = {
    "BipolarQuant": "quantize with at least 2 bits (Quant)",
    "Trunc": "quantize again (Quant) in place of truncating",
    "qonnx.custom_op.channels_last": "take the file from before it was brought to channels last",
}
"""By operator or domain."""

Array = NDArray[Any]


@dataclass(frozen=True)
class Operation:
    """A node of a file whose result depends on events.

    Attributes:
        name: of the node; of its result where it has none.
        kind: operator, e.g. ``Conv``.
        domain: of the operator; empty for ONNX's own.
        inputs: names of what it takes, in order; empty for one that is left out.
        output: name of its result.
        attributes: by name.
    """

    name: str
    kind: str
    domain: str
    inputs: tuple[str, ...]
    output: str
    attributes: Mapping[str, Any]

    def refused(self, why: str, remedy: str) -> UnsupportedLayerError:
        """The error that names it."""
        return UnsupportedLayerError(f"{self.name} ({self.kind}): {why}. Remedy: {remedy}")


@dataclass(frozen=True)
class OnnxModel:
    """A user's ONNX model.

    Attributes:
        inputs: shape of each input without events, by name.
        outputs: names of its results.
        operations: in order.
        constants: what is the same for every event, in float64, by name.
        shapes: shape of each result without events, by name.
        opsets: version of each domain's operators.
    """

    inputs: Mapping[str, tuple[int, ...]]
    outputs: tuple[str, ...]
    operations: tuple[Operation, ...]
    constants: Mapping[str, Array]
    shapes: Mapping[str, tuple[int, ...]]
    opsets: Mapping[str, int]

    @cached_property
    def makers(self) -> Mapping[str, Operation]:
        """The operation that gives each result."""
        return {operation.output: operation for operation in self.operations}

    def run(self, inputs: Sequence[Array], wanted: Sequence[str]) -> list[Array]:
        """Results of events, computed in float64.

        Args:
            inputs: one array (events, ...) for each input.
            wanted: names of the results.
        """
        helper = _onnx().helper
        nodes = [helper.make_node(o.kind, o.inputs, [o.output], domain=o.domain, **o.attributes)
                 for o in self.operations]
        evaluator = _evaluator(nodes, self.constants, tuple(self.inputs), tuple(dict.fromkeys(wanted)), self.opsets)
        batches = []
        for first in range(0, len(inputs[0]), _EVENTS):
            given = {n: x[first : first + _EVENTS] for n, x in zip(self.inputs, inputs, strict=True)}
            results = dict(zip(evaluator.output_names, _computed(evaluator, given), strict=True))
            batches.append([np.asarray(results[n], np.float64) for n in wanted])
        return [np.concatenate(parts) for parts in zip(*batches, strict=True)]


def read(content: bytes, name: str) -> OnnxModel:
    """The model in the content of a file.

    Args:
        content: of the file.
        name: of the file, for messages.

    Raises:
        MissingExtraError: the package onnx is not installed.
        DataError: the file is damaged, cannot be computed, or holds weights elsewhere or that are no numbers.
        UnsupportedLayerError: an operator is unknown, or mixes events.
    """
    onnx = _onnx()
    remedy = "write it again, e.g. with torch.onnx.export or Brevitas' export_qonnx"
    try:
        graph = onnx.load_model_from_string(content)
    except Exception as e:  # of several packages
        raise DataError(name, "cannot be read as an ONNX model", remedy) from e
    opsets = {o.domain: o.version for o in graph.opset_import}
    graph = graph.graph
    if not graph.node or not graph.output:
        raise DataError(name, "holds no network", remedy)
    if any(t.data_location == onnx.TensorProto.EXTERNAL for t in graph.initializer):
        raise DataError(name, "keeps its weights in another file", "write one file, with onnx.save(model, file)")
    for node in graph.node:
        _require_known(node)
    constants = {t.name: _wide(onnx.numpy_helper.to_array(t)) for t in graph.initializer}
    if wrong := [n for n, value in constants.items() if value.dtype == np.float64 and not np.isfinite(value).all()]:
        raise DataError(name, f"the weights {wrong[0]} are not all finite", "train it again; a training that diverges "
                        "leaves NaN")
    inputs = {i.name: _shape(i, name) for i in graph.input if i.name not in constants}
    if not inputs:
        raise DataError(name, "takes no input", remedy)
    opsets |= {n.domain: 1 for n in graph.node if n.domain not in opsets}
    with _said(name):
        model = _split(graph.node, constants, inputs, tuple(o.name for o in graph.output), opsets)
        got = model.run(_zeros(inputs, 2), [o.output for o in model.operations])
    for operation, value in zip(model.operations, got, strict=True):
        if value.shape != (2, *model.shapes[operation.output]):
            raise operation.refused("mixes events, or moves their axis", "keep the first axis for events")
    return model


def _require_known(node: Any) -> None:
    onnx = _onnx()
    one = _operation(node)
    if one.kind == "Quant" and one.domain in QUANT_DOMAINS:
        if (rounding := one.attributes.get("rounding_mode", "ROUND").upper()) not in _ROUNDINGS:
            raise one.refused(f"rounds by {rounding}, which QKeras does not", "write rounding_mode ROUND")
    elif one.domain not in ("", "ai.onnx") or not onnx.defs.has(one.kind):
        remedy = _REMEDIES.get(one.kind) or _REMEDIES.get(one.domain) or "use operators of ONNX, and Quant of QONNX"
        raise one.refused(f"the operator of the domain {one.domain or 'ai.onnx'} cannot be brought to firmware", remedy)


def _operation(node: Any) -> Operation:
    return Operation(node.name or node.output[0], node.op_type, node.domain, tuple(node.input), node.output[0],
                     _attributes(node))


def _shape(info: Any, name: str) -> tuple[int, ...]:
    """Shape of an input without events."""
    shape = tuple(int(d.dim_value) for d in info.type.tensor_type.shape.dim)[1:]
    if not shape or 0 in shape:
        raise DataError(name, f"the shape of the input {info.name} is not fixed",
                        "give every axis but that of events a size")
    return shape


def _split(
    nodes: Sequence[Any], constants: Mapping[str, Array], inputs: Mapping[str, tuple[int, ...]],
    outputs: tuple[str, ...], opsets: Mapping[str, int],
) -> OnnxModel:
    """The model, with everything that is the same for every event computed; shapes are those for one event."""
    _require_events_first(nodes, constants)
    helper = _onnx().helper
    wide = [helper.make_node(n.op_type, n.input, n.output, name=n.name, domain=n.domain, **_attributes(n))
            for n in nodes]
    names = tuple(o for n in nodes for o in n.output if o)
    evaluator = _evaluator(wide, constants, tuple(inputs), names, opsets)
    values = dict(zip(names, _computed(evaluator, dict(zip(inputs, _zeros(inputs, 1), strict=True))), strict=True))
    known, operations = dict(constants), list[Operation]()
    for node in nodes:
        if node.op_type in _OF_SHAPES or all(i in known for i in node.input if i):
            known |= {o: _wide(np.asarray(values[o])) for o in node.output if o}
            continue
        one = _operation(node)
        if one.kind in ("Flatten", "Reshape"):
            known[f"{one.output} shape"] = np.array([-1, *values[one.output].shape[1:]], np.int64)
            one = replace(one, kind="Reshape", inputs=(one.inputs[0], f"{one.output} shape"), attributes={})
        operations.append(one)
    shapes = dict(inputs) | {o.output: values[o.output].shape[1:] for o in operations}
    return OnnxModel(inputs, outputs, tuple(operations), known, shapes, opsets)


def _require_events_first(nodes: Sequence[Any], constants: Mapping[str, Array]) -> None:
    """Refuses what moves the axis of events, behind which nothing can be computed."""
    known = set(constants)
    for node in nodes:
        if node.op_type in _OF_SHAPES or all(i in known for i in node.input if i):
            known.update(node.output)
        elif node.op_type == "Transpose" and (one := _operation(node)).attributes.get("perm", (1,))[0] != 0:
            raise one.refused("moves the axis of events", "leave it out, or keep 0 as the first of perm")


def _attributes(node: Any) -> dict[str, Any]:
    """Attributes of a node, numbers as float64 where they are constants or types."""
    onnx = _onnx()
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    for key, value in attributes.items():
        if isinstance(value, bytes):
            attributes[key] = value.decode()
        elif isinstance(value, onnx.TensorProto):
            attributes[key] = onnx.numpy_helper.from_array(_wide(onnx.numpy_helper.to_array(value)))
    if node.op_type == "Constant" and (simple := {"value_float", "value_floats"} & attributes.keys()):
        attributes = {"value": onnx.numpy_helper.from_array(np.asarray(attributes[simple.pop()], np.float64))}
    if node.op_type == "Cast" and attributes["to"] in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16):
        attributes["to"] = onnx.TensorProto.DOUBLE
    return attributes


def _wide(value: Array) -> Array:
    return value.astype(np.float64) if np.issubdtype(value.dtype, np.floating) else value


def _zeros(inputs: Mapping[str, tuple[int, ...]], events: int) -> list[Array]:
    return [np.zeros((events, *shape)) for shape in inputs.values()]


def _evaluator(
    nodes: Sequence[Any], constants: Mapping[str, Array], inputs: Sequence[str], outputs: Sequence[str],
    opsets: Mapping[str, int],
) -> Any:
    """ONNX's reference evaluator of some nodes, which knows ``Quant`` besides."""
    onnx = _onnx()
    helper = onnx.helper

    def infos(names: Sequence[str]) -> list[Any]:
        return [helper.make_tensor_value_info(n, onnx.TensorProto.DOUBLE, None) for n in names]

    graph = helper.make_graph(nodes, "model", infos(inputs), infos(outputs),
                              [onnx.numpy_helper.from_array(v, n) for n, v in constants.items()])
    imports = [helper.make_opsetid(d, v) for d, v in opsets.items()]
    return onnx.reference.ReferenceEvaluator(helper.make_model(graph, opset_imports=imports), new_ops=_own())


def _computed(evaluator: Any, inputs: Mapping[str, Array]) -> list[Any]:
    """Results of the evaluator, which computes both branches of a sigmoid, the one that overflows, too."""
    with np.errstate(all="ignore"):
        results: list[Any] = evaluator.run(None, dict(inputs))
    return results


def _own() -> list[Any]:
    """Operators for the reference evaluator: ``Quant`` of each domain, and ``BatchNormalization``, which it computes as
    in training before version 14.
    """
    from onnx.reference.op_run import OpRun

    def quant(_: Any, x: Array, scale: Array, zero: Array, bits: Array, **attributes: Any) -> tuple[Array]:
        attributes.pop("rounding_mode", None)  # it is the one that is computed, or refused
        return (quantized(x, scale, zero, bits, **attributes),)

    def normalized(_: Any, x: Array, *given: Array, epsilon: float = 1e-5, **_options: Any) -> tuple[Array]:
        scale, offset, mean, variance = (v.reshape(-1, *(1,) * (x.ndim - 2)) for v in given)
        return ((x - mean) / np.sqrt(variance + epsilon) * scale + offset,)

    quants = [type("Quant", (OpRun,), {"op_domain": domain, "_run": quant}) for domain in QUANT_DOMAINS]
    return [*quants, type("BatchNormalization", (OpRun,), {"op_domain": "", "_run": normalized})]


def quantized(
    x: Array, scale: Array, zero: Array, bits: Array, signed: int = 1, narrow: int = 0
) -> Array:
    """What ``Quant`` gives, rounded to the nearest, ties to even."""
    size = 2.0 ** np.asarray(bits, np.float64)
    low, high = (-size / 2 + narrow, size / 2 - 1) if signed else (np.zeros(()), size - 1 - narrow)
    return np.asarray((np.clip(np.rint(x / scale + zero), low, high) - zero) * scale, np.float64)


@contextlib.contextmanager
def _said(name: str) -> Iterator[None]:
    """Turns what the reference evaluator raises into one sentence."""
    try:
        yield
    except L1TriggerError:
        raise
    except Exception as e:  # of any kind, from NumPy and ONNX
        said = next((line for line in f"{e.__cause__ or e}".splitlines() if line.strip()), type(e).__name__)
        raise DataError(name, f"cannot be computed by ONNX's reference evaluator ({said[:200]})",
                        "check it with onnx.checker.check_model, and export it again") from e


def _onnx() -> Any:
    try:
        import onnx.reference
    except ImportError as e:
        raise MissingExtraError("onnx", "onnx") from e
    return onnx
