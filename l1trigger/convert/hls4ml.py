"""The one module that imports hls4ml: a quantized network becomes HLS sources, bit for bit the same function.

hls4ml 1.3 is exact under conditions that it does not check itself, so they are met and then checked here:

- its Keras 2 converter is chosen by the installed version of ``keras``, which is masked during the calls;
- ``bit_exact=True`` needs a configuration by layer name, or it silently uses ``ap_fixed<16,6>``;
- a quantizer without fractional bits would become ``int<>`` and lose its rounding and saturation;
- the types of the network's input and output must come out as the network has them;
- reuse factors must come out as requested.
"""

from __future__ import annotations

import contextlib
import io
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from l1trigger import frameworks
from l1trigger.convert.graph import GraphLayer, layers, precision
from l1trigger.design import ConvertSection
from l1trigger.errors import DesignError, UnsupportedLayerError
from l1trigger.fixed_point import FixedPoint
from l1trigger.graph import extension
from l1trigger.graph import hls as graph_hls
from l1trigger.network import QuantizedNetwork
from l1trigger.quantize import lint, quantizers


@dataclass(frozen=True)
class HlsLayer:
    """One layer as hls4ml has it.

    Attributes:
        name: of the layer.
        kind: hls4ml's class name.
        size: number of its outputs; 0 when it gives none of its own.
        types: its types by role (``result``, ``weight``, ``accum`` ...), spelled as ``ap_fixed`` where they are one.
    """

    name: str
    kind: str
    size: int
    types: Mapping[str, str]


@dataclass(frozen=True)
class Port:
    """One of a network's inputs in C++.

    Attributes:
        size: numbers that go in.
        type: C++ name of the type of the port.
        beats: transfers per event when the port is a stream.
    """

    size: int
    type: str
    beats: int


@dataclass(frozen=True)
class HlsNetwork:
    """A network as HLS sources.

    Attributes:
        function: name of the C++ function, its header and its source.
        inputs: its inputs, in the order in which the numbers of an event are split among them.
        output: its output.
        layers: in order.
        reuse_factors: layer name to (requested, effective) reuse factor.
        pipeline_ii: initiation interval that the function is pipelined with; None when it is a dataflow.
    """

    function: str
    inputs: tuple[Port, ...]
    output: Port
    layers: tuple[HlsLayer, ...]
    reuse_factors: Mapping[str, tuple[int, int]]
    pipeline_ii: int | None


@contextlib.contextmanager
def keras_mask() -> Iterator[None]:
    """Lets the installed Keras 3 read as Keras 2.15, so that hls4ml takes the converter that fits tf-keras models."""
    import keras

    version = keras.__version__
    keras.__version__ = "2.15.0"
    try:
        yield
    finally:
        keras.__version__ = version


@contextlib.contextmanager
def printing_into(log: Path) -> Iterator[None]:
    """Sends what hls4ml prints and warns into a file; the file is there even when the conversion fails."""
    text = io.StringIO()
    try:
        with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
            yield
    finally:
        log.write_text(text.getvalue())


def supported_layers() -> frozenset[str]:
    """Keras and QKeras layer classes for which hls4ml has a converter."""
    return frozenset(hls4ml_module().converters.get_supported_keras_layers())


def version() -> str:
    """The version of hls4ml."""
    return str(hls4ml_module().__version__)


def graph(network: QuantizedNetwork, section: ConvertSection, function: str, folder: Path) -> Any:
    """hls4ml's ModelGraph of a network; nothing is written yet.

    Args:
        network: the quantized network.
        section: backend, part, clock, strategy, reuse factor, io type.
        function: name of the C++ function.
        folder: where ``write`` will put the sources.

    Raises:
        UnsupportedLayerError: the network holds layers that do not convert exactly, hls4ml refuses it, or gives its
            ports other types.
        DesignError: a reuse factor does not fit a layer, or too much would be unrolled.
    """
    hls4ml = hls4ml_module()
    model = network.build(exact=False)
    lint.require(lint.check_section(section, model))
    for stack in graph_hls.stacks(model):
        extension.register_stack(hls4ml, type(stack).__name__, graph_hls.INCLUDED)
    try:
        with keras_mask():
            result = hls4ml.converters.convert_from_keras_model(
                model, hls_config=_configuration(model, section), output_dir=str(folder), project_name=function,
                backend=section.backend, bit_exact=True, part=section.part, clock_period=section.clock_ns,
                io_type=section.io_type, write_weights_txt=False, write_tar=False,
            )
    except Exception as e:  # hls4ml raises plain exceptions of many kinds for what it cannot convert
        raise UnsupportedLayerError(
            f"hls4ml {hls4ml.__version__} does not convert this network: {type(e).__name__}: {e}"
        ) from e
    for node in result.get_layers():
        if node.class_name == "Resize":  # its C++ gives the type that it takes
            node.get_output_variable().type.precision = node.get_input_variable().type.precision
    _require_types(result, network)
    _require_reuse(result, section)
    # The sources can then tell every layer's values; synthesis does not see that.
    result.config.trace_output = True
    return result


def _configuration(model: Any, section: ConvertSection) -> dict[str, Any]:
    """hls4ml's configuration of a model by layer name, with the types of its quantizers of activations."""
    config: dict[str, Any] = hls4ml_module().utils.config_from_keras_model(
        model, granularity="name", backend=section.backend, default_reuse_factor=section.reuse_factor
    )
    config["Model"]["Strategy"] = section.strategy
    types = quantizers.activation_types(model)
    for name, layer in config["LayerName"].items():
        layer |= {"Trace": True, "Strategy": section.strategy}
        if name in types:
            layer["Precision"]["result"] = hls4ml_type(types[name])
    return config


def convert(
    network: QuantizedNetwork, section: ConvertSection, function: str, folder: Path, log: Path
) -> HlsNetwork:
    """Writes the HLS sources of a network into a folder; raises as ``graph`` does.

    Args:
        network: the quantized network.
        section: see ``graph``.
        function: name of the C++ function.
        folder: where the sources go.
        log: takes what hls4ml prints.
    """
    with printing_into(log):
        g = graph(network, section, function, folder)
        _remember(_key(network, section), layers(g))
        g.write()
    graph_hls.write(network.build(exact=False), network.input_type, section.reuse_factor, folder)
    (sink,) = g.get_output_variables()
    style = g.config.pipeline_style
    # Without an interval of its own, hls4ml's function starts an event every reuse_factor cycles.
    interval = int(g.config.pipeline_ii or section.reuse_factor) if style == "pipeline" else None
    return HlsNetwork(
        function=function, inputs=tuple(_port(v) for v in g.get_input_variables()), output=_port(sink),
        layers=tuple(_layer(node) for node in g.get_layers()), reuse_factors=_reuse(g, section),
        pipeline_ii=interval,
    )


def graph_layers(network: QuantizedNetwork, section: ConvertSection) -> tuple[GraphLayer, ...]:
    """What every layer of a network computes, as plain values; raises as ``graph`` does.

    They are made once in a process: converting takes seconds, and several stages ask.

    Args:
        network: the quantized network.
        section: see ``graph``.
    """
    key = _key(network, section)
    if key not in _KNOWN:
        with tempfile.TemporaryDirectory() as folder, printing_into(Path(folder) / "log"):
            _remember(key, layers(graph(network, section, "network", Path(folder))))
    return _KNOWN[key]


_KNOWN: dict[str, tuple[GraphLayer, ...]] = {}
"""Layers of the networks that were converted last."""


def _remember(key: str, converted: tuple[GraphLayer, ...], most: int = 8) -> None:
    if len(_KNOWN) >= most:
        _KNOWN.pop(next(iter(_KNOWN)))
    _KNOWN[key] = converted


def _key(network: QuantizedNetwork, section: ConvertSection) -> str:
    return f"{network.digest} {section.model_dump_json()}"


def hls4ml_module() -> Any:
    """The module, imported after Keras 2 has been chosen."""
    frameworks.qkeras()
    import hls4ml

    extension.register_moving(hls4ml)
    return hls4ml


def hls4ml_type(t: FixedPoint) -> str:
    """A type as hls4ml spells it in configurations."""
    return f"{'' if t.signed else 'u'}fixed<{t.width},{t.integer},{t.rounding},{t.overflow}>"


def _spelled(text: object) -> str:
    """A precision with rounding and overflow written out, or as hls4ml says it when it is no possible type."""
    try:
        return str(precision(text))
    except ValueError:  # e.g. ufixed<2,32>, its type for biases that are all zero
        return str(text)


def _port(variable: Any) -> Port:
    size, elements = math.prod(variable.shape), getattr(variable.type, "n_elem", None)
    return Port(size, variable.type.name, size // elements if elements else 1)


def _layer(node: Any) -> HlsLayer:
    types = {role.removesuffix("_t"): _spelled(t.precision) for role, t in node.types.items()}
    traced = bool(node.get_attr("function_cpp", None)) and bool(node.get_attr("trace", False))
    return HlsLayer(node.name, node.class_name, math.prod(node.get_output_variable().shape) if traced else 0, types)


def _reuse(g: Any, section: ConvertSection) -> dict[str, tuple[int, int]]:
    return {
        node.name: (section.reuse_factor, int(node.get_attr("reuse_factor", 1)))
        for node in g.get_layers() if "weight" in node.weights
    }


def _require_types(g: Any, network: QuantizedNetwork) -> None:
    """The ports must have the network's types, rounding and overflow included."""
    inputs: Sequence[Any] = g.get_input_variables()
    outputs: Sequence[Any] = g.get_output_variables()
    if len(outputs) != 1:
        raise UnsupportedLayerError(
            f"the network has {len(outputs)} outputs; the trigger function takes one. Remedy: concatenate them in the "
            "model"
        )
    ports = [("input", v, network.input_type) for v in inputs] + [("output", outputs[0], network.output_type)]
    for what, variable, expected in ports:
        given = precision(variable.type.precision)
        if given != expected:
            raise UnsupportedLayerError(
                f"hls4ml gave the network's {what} the type {given} where the network has {expected}. Remedy: put a "
                f"QActivation(quantized_bits(bits, integer, alpha=1)) at its {what}"
            )


def _require_reuse(g: Any, section: ConvertSection) -> None:
    for name, (requested, effective) in _reuse(g, section).items():
        if requested != effective:
            raise DesignError(
                None, "convert.reuse_factor", f"layer {name} cannot have {requested}; hls4ml would take {effective}",
                f"take a reuse factor that all layers accept, e.g. {effective} if they do",
            )
