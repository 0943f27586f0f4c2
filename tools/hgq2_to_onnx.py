"""Writes an HGQ2 model as QONNX, for `model.file` of a design. To be run in HGQ2's own environment.

HGQ2 stands on Keras 3 and cannot share an environment with QKeras, so this script needs nothing of l1trigger:

    pip install hgq2 onnx "jax[cpu]"
    KERAS_BACKEND=jax python hgq2_to_onnx.py model.keras model.onnx --events events.npy

`events.npy` holds events as the model takes them (events, ...), in HGQ2's own units: the file is written only if it
gives the same numbers for all of them, bit for bit. Widths of channels become scales of channels (`Quant`), and numbers
without bits are multiplied by 0. The roundings of HGQ2 (half up, down) become an offset below the last bit that the sum
has, so that QONNX's rounding to even never meets a tie. HGQ2 lets numbers wrap around; QONNX clips them: a model whose
ranges do not hold the events is therefore refused.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import hgq  # noqa: F401  (Keras finds its layers by it)
import keras  # noqa: TID251  (HGQ2's)
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

DOMAIN = "qonnx.custom_op.general"
OPSET = 17
ZERO = -99
"""Fractional bits of what is always 0."""
_DENSE = ("QDense", "QBatchNormDense", "QDenseBatchnorm")
_CONV = ("QConv1D", "QConv2D", "QBatchNormConv1D", "QBatchNormConv2D")
_POOL = ("MaxPooling1D", "MaxPooling2D", "QMaxPooling1D", "QMaxPooling2D")
_SAME = ("Dropout", "Identity", "ActivityRegularization")

Array = NDArray[np.float64]


class RefusedError(Exception):
    """What cannot be written, in a sentence for the user."""


@dataclass(frozen=True)
class Tensor:
    """A result.

    Attributes:
        name: in the file.
        fraction: bits behind the binary point of each number, shaped as Keras has the result, without events.
        relu: whether a ReLU is still to come; it is written behind the offset of a rounding.
    """

    name: str
    fraction: NDArray[np.int64]
    relu: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Of an event, channels last."""
        return self.fraction.shape


class Writer:
    """A file that grows node by node."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.nodes: list[Any] = []
        self.constants: dict[str, Array] = {}

    def constant(self, value: Any) -> str:
        """The name of a constant; one for all where all numbers are the same."""
        value = np.asarray(value)
        name = f"c{len(self.constants)}"
        self.constants[name] = value.ravel()[0] if value.size and (value == value.ravel()[0]).all() else value
        return name

    def weights(self, value: Array) -> str:
        """The name of a constant, with all its numbers."""
        name = f"c{len(self.constants)}"
        self.constants[name] = value
        return name

    def node(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """The name of a new node's result."""
        output = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, domain=domain, **attributes))
        return output

    def model(self, output: str, wide: bool) -> Any:
        """The model, with floats of 64 or 32 bits."""
        kind, number = (onnx.TensorProto.DOUBLE, np.float64) if wide else (onnx.TensorProto.FLOAT, np.float32)
        weights = [numpy_helper.from_array(v if v.dtype.kind == "i" else np.asarray(v, number), n)
                   for n, v in self.constants.items()]
        graph = helper.make_graph(
            self.nodes, "hgq2", [helper.make_tensor_value_info("x", kind, ("N", *self.shape))],
            [helper.make_tensor_value_info(output, kind, None)], weights)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="hgq2_to_onnx")


class Quant(OpRun):  # type: ignore[misc]
    """QONNX's operator for ONNX's reference evaluator."""

    op_domain = DOMAIN

    def _run(self, x: Array, scale: Array, zero: Array, bits: Array, signed: int = 1, narrow: int = 0,
             rounding_mode: str = "ROUND") -> tuple[Array]:
        low, high = (-(2.0 ** (bits - 1)) + narrow, 2.0 ** (bits - 1) - 1) if signed else (0.0, 2.0**bits - 1)
        return (np.clip(np.rint(x / scale + zero), low, high) * scale,)


def fractions(values: Any) -> NDArray[np.int64]:
    """Bits behind the binary point of each number; ``ZERO`` of 0."""
    values = np.asarray(values, np.float64)
    bits = [ZERO if v == 0 else _fraction(float(v)) for v in values.ravel()]
    return np.array(bits, np.int64).reshape(values.shape)


def _fraction(value: float) -> int:
    over, under = value.as_integer_ratio()
    return under.bit_length() - 1 if under > 1 else 1 - (over & -over).bit_length()


def types(quantizer: Any, shape: tuple[int, ...]) -> tuple[NDArray[np.int64], ...]:
    """Sign, integer and fractional bits of each number of a result."""
    if quantizer.scaler is not None or quantizer.affine is not None or not hasattr(quantizer.quantizer, "kif"):
        raise RefusedError(f"{quantizer.name}: is no plain fixed-point quantizer. Remedy: use kif or kbi, without "
                           "scaler")
    mapper = quantizer.quantizer.bw_mapper
    return tuple(np.asarray(keras.ops.convert_to_numpy(mapper.bw_to_x(v, (1, *shape))), np.int64)[0]
                 for v in quantizer.quantizer.kif)


def quantized(w: Writer, x: Tensor, quantizer: Any) -> Tensor:
    """What a quantizer makes of a result."""
    if quantizer is None:
        return x
    k, i, f = types(quantizer, x.shape)
    inner = quantizer.quantizer
    rounding = inner.round_mode.removeprefix("S_")
    lives = k + i + f > 0
    name, rounds = x.name, lives & (x.fraction > f)
    if rounds.any() and rounding != "RND_CONV":
        if rounding not in ("RND", "TRN"):
            raise RefusedError(f"{quantizer.name}: rounds by {rounding}. Remedy: use RND, RND_CONV or TRN")
        half = 0.5 * 2.0 ** -x.fraction  # of the last bit that is there
        offset = np.where(rounds, half - (0.5 * 2.0**-f if rounding == "TRN" else 0.0), 0.0)
        name = w.node("Add", name, w.constant(offset))
    if x.relu:
        name = w.node("Relu", name)
    signed = bool(k[lives].any())
    width = max(int((i + f)[lives].max(initial=1)), 1) + signed
    scale = 2.0 ** -np.where(lives, f, int(f[lives].max(initial=0)))
    narrow = int(inner.overflow_mode == "SAT_SYM" and signed)
    name = w.node("Quant", name, w.constant(scale), w.constant(0.0), w.constant(float(width)), domain=DOMAIN,
                  signed=int(signed), narrow=narrow, rounding_mode="ROUND")
    if not lives.all():
        name = w.node("Mul", name, w.weights(lives.astype(np.float64)))
    return Tensor(name, np.where(lives, np.minimum(f, x.fraction), ZERO))


def plain(w: Writer, x: Tensor) -> Tensor:
    """A result with its ReLU."""
    return Tensor(w.node("Relu", x.name), x.fraction) if x.relu else x


def activated(layer: Any, x: Tensor) -> Tensor:
    """A result behind the activation of a layer."""
    name = getattr(layer.activation, "__name__", str(layer.activation))
    if name == "relu":
        return replace(x, relu=True)
    if name != "linear":
        raise RefusedError(f"{layer.name}: the activation {name} is a table. Remedy: use relu")
    return x


def weights_of(layer: Any) -> tuple[Array, Array]:
    """Kernel and bias as they are used."""
    kernel = np.asarray(keras.ops.convert_to_numpy(layer.qkernel), np.float64)
    bias = np.zeros(kernel.shape[-1]) if layer.qbias is None else layer.qbias
    return kernel, np.asarray(keras.ops.convert_to_numpy(bias), np.float64)


def dense(w: Writer, layer: Any, x: Tensor) -> Tensor:
    """A dense layer, of a vector or of each of some vectors."""
    kernel, bias = weights_of(layer)
    name = w.node("Add", w.node("MatMul", x.name, w.weights(kernel)), w.weights(bias))
    before = x.fraction.reshape(-1, kernel.shape[0]).max(axis=0)
    return Tensor(name, np.broadcast_to(_sum(before[:, None] + fractions(kernel), bias), (*x.shape[:-1], bias.size)))


def _sum(products: NDArray[np.int64], bias: Array) -> NDArray[np.int64]:
    """Fractional bits of sums along all axes of products but the last."""
    return np.asarray(np.maximum(products.max(axis=tuple(range(products.ndim - 1))), fractions(bias)))


def _first(w: Writer, x: str, rank: int) -> str:
    return w.node("Transpose", x, perm=[0, rank + 1, *range(1, rank + 1)])


def _last(w: Writer, x: str, rank: int) -> str:
    return w.node("Transpose", x, perm=[0, *range(2, rank + 2), 1])


def _padding(layer: Any) -> str:
    if layer.padding not in ("same", "valid") or layer.data_format != "channels_last":
        raise RefusedError(f"{layer.name}: padding {layer.padding}, {layer.data_format}. Remedy: use valid or "
                           "same, channels last")
    return {"same": "SAME_UPPER", "valid": "VALID"}[layer.padding]


def conv(w: Writer, layer: Any, x: Tensor) -> Tensor:
    """A convolution along one or two axes."""
    kernel, bias = weights_of(layer)
    rank = kernel.ndim - 2
    turned = w.weights(np.moveaxis(kernel, (-1, -2), (0, 1)))
    name = w.node("Conv", _first(w, x.name, rank), turned, w.weights(bias), auto_pad=_padding(layer),
                  strides=list(layer.strides), dilations=list(layer.dilation_rate), group=layer.groups)
    if layer.groups != 1:
        raise RefusedError(f"{layer.name}: has {layer.groups} groups. Remedy: use one")
    before = x.fraction.reshape(-1, kernel.shape[-2]).max(axis=0)
    shape = layer.compute_output_shape((1, *x.shape))[1:]
    return Tensor(_last(w, name, rank), np.broadcast_to(_sum(before[:, None] + fractions(kernel), bias), shape))


def pool(w: Writer, layer: Any, x: Tensor) -> Tensor:
    """Max pooling."""
    rank = len(layer.pool_size)
    name = w.node("MaxPool", _first(w, x.name, rank), kernel_shape=list(layer.pool_size), strides=list(layer.strides),
                  auto_pad=_padding(layer))
    shape = layer.compute_output_shape((1, *x.shape))[1:]
    channels = x.fraction.reshape(-1, x.shape[-1]).max(axis=0)
    return Tensor(_last(w, name, rank), np.broadcast_to(channels, shape))


def written(w: Writer, layer: Any, inputs: list[Tensor]) -> Tensor:
    """What a layer makes of what it takes.

    Raises:
        RefusedError: it cannot be written.
    """
    kind, x = type(layer).__name__, inputs[0]
    of_input = getattr(layer, "iq", None) if getattr(layer, "enable_iq", False) else None
    of_output = getattr(layer, "oq", None) if getattr(layer, "enable_oq", False) else None
    if kind in _DENSE + _CONV:
        x = plain(w, quantized(w, x, of_input))
        x = activated(layer, (dense if kind in _DENSE else conv)(w, layer, x))
    elif kind in _POOL:
        x = pool(w, layer, plain(w, quantized(w, x, of_input)))
    elif kind == "Quantizer":
        return quantized(w, x, layer)
    elif kind in ("ReLU", "Activation"):
        if kind == "ReLU" and (layer.max_value is not None or layer.negative_slope or layer.threshold):
            raise RefusedError(f"{layer.name}: only a plain ReLU is known. Remedy: leave out its options")
        x = replace(x, relu=True) if kind == "ReLU" else activated(layer, x)
    elif kind in ("Flatten", "Reshape"):
        shape = layer.compute_output_shape((1, *x.shape))[1:]
        name = w.node("Reshape", x.name, w.weights(np.array([-1, *shape], np.int64)))
        x = Tensor(name, x.fraction.reshape(shape), x.relu)
    elif kind in ("QAdd", "Add"):
        quantizers = of_input or [None] * len(inputs)
        parts = [plain(w, quantized(w, p, q)) for p, q in zip(inputs, quantizers, strict=True)]
        x = parts[0]
        for part in parts[1:]:
            x = Tensor(w.node("Add", x.name, part.name), np.maximum(x.fraction, part.fraction))
    elif kind not in _SAME:
        raise RefusedError(f"{layer.name} ({kind}): this kind of layer cannot be written. Remedy: use "
                      f"{', '.join((*_DENSE[:1], *_CONV[:2], *_POOL[2:], 'QAdd', 'ReLU', 'Flatten', 'Reshape'))}")
    return quantized(w, x, of_output)


def of_inputs(model: Any, shape: tuple[int, ...]) -> tuple[NDArray[np.int64], ...]:
    """Sign, integer and fractional bits of what the quantizers at the input take, widest.

    Raises:
        RefusedError: something takes the input that has no quantizer.
    """
    widest = []
    for layer in model.layers:
        if any(t is model.inputs[0] for n in layer._inbound_nodes for t in n.input_tensors):
            quantizer = layer if type(layer).__name__ == "Quantizer" else getattr(layer, "iq", None)
            if quantizer is None or not hasattr(quantizer, "quantizer"):
                raise RefusedError(f"{layer.name}: takes the input without a quantizer. Remedy: put a Quantizer in "
                                   "front")
            widest.append([v.max() for v in types(quantizer, shape)])
    return tuple(np.array(widest).max(axis=0))


def converted(model: Any, fraction: int | None = None) -> tuple[Writer, str]:
    """A file of a model, and the name of its output.

    Args:
        model: with one input and one output.
        fraction: bits behind the binary point of inputs; None takes as many as their quantizers keep at most.

    Raises:
        RefusedError: it cannot be written.
    """
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise RefusedError(f"{model.name}: has {len(model.inputs)} inputs and {len(model.outputs)} outputs. Remedy: "
                           "one each")
    shape = tuple(model.inputs[0].shape[1:])
    signed, integer, most = of_inputs(model, shape)
    most = int(most) if fraction is None else fraction
    w = Writer(shape)
    port = w.node("Quant", "x", w.constant(2.0**-most), w.constant(0.0), w.constant(float(integer + most + signed)),
                  domain=DOMAIN, signed=int(signed), narrow=0, rounding_mode="ROUND")
    tensors = {id(model.inputs[0]): Tensor(port, np.full(shape, most))}
    for layer in model.layers:
        if type(layer).__name__ == "InputLayer":
            continue
        for node in layer._inbound_nodes:
            if all(id(t) in tensors for t in node.input_tensors):
                tensors[id(node.output_tensors[0])] = written(w, layer, [tensors[id(t)] for t in node.input_tensors])
    return w, plain(w, tensors[id(model.outputs[0])]).name


def require_same(model: Any, w: Writer, output: str, events: Array) -> None:
    """Checks that a file gives the numbers of its model.

    Raises:
        RefusedError: it does not.
    """
    own = np.asarray(model.predict(events, verbose=0), np.float64)
    here = ReferenceEvaluator(w.model(output, wide=True), new_ops=[Quant]).run(None, {"x": events})[0]
    wrong = (own != here).reshape(len(events), -1).any(axis=1)
    if wrong.any():
        raise RefusedError(
            f"{int(wrong.sum())} of {len(events)} events give other numbers than HGQ2, the first is event "
            f"{int(wrong.argmax())}. Remedy: where numbers leave the range of a quantizer, HGQ2 wraps them around: "
            "widen the ranges with hgq.utils.trace_minmax on these events; where inputs have more bits behind the "
            "binary point than their quantizers, give --input-fraction")


def main() -> int:
    """Runs the command; returns its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="HGQ2 model, saved as .keras")
    parser.add_argument("onnx", type=Path, help="file to write")
    parser.add_argument("--events", type=Path, required=True, help="NumPy array (events, ...) to compare with")
    parser.add_argument("--input-fraction", type=int, help="bits behind the binary point of the inputs")
    given = parser.parse_args()
    try:
        model = keras.models.load_model(given.model, compile=False)
        w, output = converted(model, given.input_fraction)
        events = np.asarray(np.load(given.events), np.float64)
        if events.shape[1:] != w.shape or not len(events):
            raise RefusedError(f"{given.events}: has the shape {events.shape}. Remedy: (events, "
                          f"{', '.join(map(str, w.shape))})")
        require_same(model, w, output, events)
    except (RefusedError, OSError, ValueError) as e:
        print(f"{given.model}: {e}", file=sys.stderr)
        return 2
    partial = given.onnx.with_name(f".{given.onnx.name}.part")
    onnx.save(w.model(output, wide=False), partial)
    partial.replace(given.onnx)
    print(f"{given.onnx}: equal to HGQ2 on {len(events)} events, {len(w.nodes)} nodes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
