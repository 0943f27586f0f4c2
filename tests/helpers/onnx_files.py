"""ONNX and QONNX models in the shape in which PyTorch and Brevitas export them, as the bytes of a file."""

import numpy as np
import onnx
from onnx import helper, numpy_helper

QONNX = "qonnx.custom_op.general"


class Network:
    """A model that grows node by node; each method gives the name of a result.

    Attributes:
        nodes, weights: that were added.
        inputs: shapes without events, by name.
    """

    def __init__(self, *shapes, seed=1):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.weights = [], []
        self.inputs = {f"x{i}": shape for i, shape in enumerate(shapes, 1)}

    def constant(self, value):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(value, getattr(value, "dtype", np.float32)), name))
        return name

    def random(self, *shape):
        return self.constant(self.rng.normal(size=shape).astype(np.float32))

    def node(self, kind, *inputs, domain="", name=None, **attributes):
        output = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], domain=domain, name=name or f"/{kind}_{output}",
                                           **attributes))
        return output

    def quant(self, x, scale, bits, signed=1, narrow=0, zero=0.0, rounding_mode="ROUND", domain=QONNX, name=None):
        given = (self.constant(np.float32(v)) for v in (scale, zero, bits))
        return self.node("Quant", x, *given, domain=domain, signed=signed, narrow=narrow, rounding_mode=rounding_mode,
                         name=name)

    def content(self, *outputs, opset=17):
        graph = helper.make_graph(
            self.nodes, "main", [_info(n, ("N", *s)) for n, s in self.inputs.items()],
            [_info(n, None) for n in outputs], self.weights)
        opsets = [helper.make_opsetid("", opset), helper.make_opsetid(QONNX, 1)]
        return helper.make_model(graph, opset_imports=opsets).SerializeToString()


def _info(name, shape):
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
