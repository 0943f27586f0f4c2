"""Layers of this project in hls4ml's graph: one output with a type of its own, computed by a function in a header."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.fixed_point import FixedPoint


@cache
def register_stack(hls4ml: Any, name: str, headers: str) -> None:
    """Makes hls4ml know a stack of graph layers on Vivado and Vitis; once.

    Its Keras configuration has ``shapes`` with the last layer's ``bias``, which tells the number of outputs, and their
    type ``collapsed``. It becomes a call of ``function_name`` of the layer.

    Args:
        hls4ml: the module.
        name: of the Keras class.
        headers: the file below ``nnet_utils`` that includes the header of every such layer.
    """
    from hls4ml.backends.template import FunctionCallTemplate, LayerConfigTemplate
    from hls4ml.model.layers import Layer as Node
    from hls4ml.model.optimizer.passes import bit_exact

    def initialize(self: Any) -> None:
        self.add_output_variable([self.attributes["n_out"]])

    # hls4ml tells layers apart by the names of their classes.
    kind = type(name, (Node,), {"initialize": initialize})

    class Config(LayerConfigTemplate):  # type: ignore[misc]
        """The configuration stands in the header."""

        def __init__(self) -> None:
            super().__init__(kind)

        def format(self, node: Any) -> str:
            return f"// {node.name}: see {header_name(node.name)}\n"

    class Call(FunctionCallTemplate):  # type: ignore[misc]
        """The call of the stack."""

        def __init__(self) -> None:
            super().__init__(kind, include_header=[f"nnet_utils/{headers}"])

        def format(self, node: Any) -> str:
            source, sink = node.get_input_variable(), node.get_output_variable()
            return f"{function_name(node.name)}<{source.type.name}, {sink.type.name}>({source.name}, {sink.name});"

    def parse(keras_layer: dict[str, Any], input_names: Any, input_shapes: Any, reader: Any) -> tuple[Any, list[int]]:
        config = keras_layer["config"]
        outputs = int(config["shapes"][-1]["bias"][0])
        collapsed = FixedPoint.parse(config["collapsed"])
        node = {
            "class_name": name, "name": config["name"], "inputs": input_names, "n_out": outputs,
            "collapsed": [int(collapsed.signed), collapsed.integer - int(collapsed.signed), collapsed.fraction],
        }
        return node, [input_shapes[0][0], outputs]

    def kif(node: Any) -> tuple[NDArray[np.int16], ...]:
        return tuple(np.full((node.attributes["n_out"],), v, np.int16) for v in node.attributes["collapsed"])

    hls4ml.converters.register_keras_v2_layer_handler(name, parse)
    hls4ml.model.layers.register_layer(name, kind)
    bit_exact._produce_kif.register(kind, kif)
    for backend in ("Vivado", "Vitis"):
        registry = hls4ml.backends.get_backend(backend)
        registry.register_template(Config)
        registry.register_template(Call)


def function_name(layer: str) -> str:
    """Name of a stack's C++ function."""
    return f"{layer}_stack"


def header_name(layer: str) -> str:
    """Name of a stack's header."""
    return f"{layer}_stack.h"


@cache
def register_moving(hls4ml: Any) -> None:
    """Tells hls4ml's exact mode the types of layers that it has, but whose types it cannot infer itself; once."""
    from hls4ml.model.layers import Resize, ZeroPadding1D, ZeroPadding2D
    from hls4ml.model.optimizer.passes import bit_exact

    def resized(node: Any) -> tuple[NDArray[np.int16], ...]:
        kif = bit_exact.get_input_kifs(node)[0]
        *before, _ = kif[0].shape
        *after, _ = node.get_output_variable().shape
        for axis, (a, b) in enumerate(zip(before, after, strict=True)):
            kif = tuple(np.repeat(v, b // a, axis) for v in kif)
        return tuple(kif)

    def padded(node: Any) -> tuple[NDArray[np.int16], ...]:
        sides = [("pad_top", "pad_bottom")] if isinstance(node, ZeroPadding2D) else []
        widths = [tuple(int(node.get_attr(s)) for s in pair) for pair in (*sides, ("pad_left", "pad_right"))]
        return tuple(np.pad(v, [*widths, (0, 0)]) for v in bit_exact.get_input_kifs(node)[0])

    bit_exact._produce_kif.register(Resize, resized)
    for kind in (ZeroPadding1D, ZeroPadding2D):
        bit_exact._produce_kif.register(kind, padded)
