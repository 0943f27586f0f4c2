"""How hls4ml's own GarNet layers deviate from ours: measured on events."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger import frameworks
from l1trigger.convert.hls4ml import hls4ml_module, hls4ml_type, keras_mask, printing_into
from l1trigger.errors import DataError, UnsupportedLayerError
from l1trigger.fixed_point import FixedPoint, Overflow, Rounding
from l1trigger.graph import keras_layers
from l1trigger.models import garnet_contrib as contrib
from l1trigger.models.garnet import GarNetLayer
from l1trigger.models.garnet_contrib import ContribModel


def contrib_outputs(
    saved_model: ContribModel, x: NDArray[np.float32], precision: FixedPoint, folder: Path
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Outputs of hls4ml's own GarNet layer in Keras and in hls4ml's own C-simulation, both (events, filters).

    Args:
        saved_model: the model; its dense layers are left out.
        x: events (events, V, features), hits first.
        precision: type of everything that hls4ml does not settle by itself.
        folder: for sources and library.

    Raises:
        UnsupportedLayerError: hls4ml does not convert or compile the layer.
    """
    hls4ml = hls4ml_module()
    from hls4ml.contrib import garnet as layers

    if saved_model.input_format != "xn":
        raise UnsupportedLayerError(
            f"{saved_model.file}: hls4ml converts its GarNet layer with input_format 'xn' only, not "
            f"'{saved_model.input_format}'. Remedy: compare with architecture garnet, which takes both"
        )
    model = contrib.keras_model(saved_model, layers, frameworks.keras())
    count = (x[..., 3] != 0).sum(1, keepdims=True).astype(np.float32)
    with printing_into(folder / "hls4ml.log"), keras_mask():
        config = hls4ml.utils.config_from_keras_model(
            model, granularity="name", backend="Vivado", default_precision=hls4ml_type(precision)
        )
        config["LayerName"]["count"]["Precision"] = {"result": "ufixed<16,16>"}
        config["LayerName"]["garnet"]["Precision"] = dict.fromkeys(("default", "result"), hls4ml_type(precision))
        try:
            graph = hls4ml.converters.convert_from_keras_model(
                model, hls_config=config, output_dir=str(folder / "project"), backend="Vivado", io_type="io_parallel",
            )
            graph.compile()
        except Exception as e:  # hls4ml raises plain exceptions of many kinds for what it cannot convert
            raise UnsupportedLayerError(
                f"{saved_model.file}: hls4ml {hls4ml.__version__} does not simulate this layer: {type(e).__name__}: "
                f"{e}. Remedy: bring it to firmware with architecture garnet"
            ) from e
        simulated = np.asarray(graph.predict([x, count]), np.float64)
    expected = np.asarray(model.predict([x, count], verbose=0), np.float64)
    return expected, simulated.reshape(expected.shape)


def stack_model(saved_model: ContribModel) -> Any:
    """The graph layers alone as a Keras model of our ``GarNetStack``: inputs (events, V, features)."""
    k, options = frameworks.keras(), saved_model.options
    inputs = k.Input((saved_model.vertices, saved_model.features), name="hits")
    stack = keras_layers.float_stack(GarNetLayer)(
        **{n: options[n] for n in GarNetLayer.sizes}, activation=saved_model.activation, collapse=saved_model.collapse,
        name="garnet",
    )
    model = k.Model(inputs, stack(inputs))
    contrib.assign_cells(saved_model, stack)
    return model


WIDE = FixedPoint(32, 8, True, Rounding.RND, Overflow.SAT)
"""Where a type saturates, overflow does not add to what is measured."""


@dataclass(frozen=True)
class Deviation:
    """How far two ways to firmware start from hls4ml's Keras layer.

    Attributes:
        simulated: largest difference of hls4ml's own C-simulation.
        simulated_rms: the same, root mean square.
        own: largest difference of our ``GarNetStack`` with the same weights, which is float as well.
        largest: magnitude of the layer's outputs.
        precision: type in which hls4ml simulated what it does not settle by itself.
        events: how many were compared.
    """

    simulated: float
    simulated_rms: float
    own: float
    largest: float
    precision: FixedPoint
    events: int


def deviation(path: Path, x: NDArray[np.float32], folder: Path, precision: FixedPoint = WIDE) -> Deviation:
    """The deviation on events.

    Args:
        path: of the ``.h5`` file.
        x: events (events, V, features) as the model takes them, hits first.
        folder: for hls4ml's sources.
        precision: type for hls4ml's layer.

    Raises:
        DataError: the file cannot be read, or the events have another shape.
        UnsupportedLayerError: the layer cannot be brought to firmware, or hls4ml does not simulate it.
    """
    saved_model = contrib.read(path)
    if x.shape[1:] != (saved_model.vertices, saved_model.features):
        raise DataError(path, f"takes events of {saved_model.vertices} x {saved_model.features} numbers, not "
                        f"{' x '.join(map(str, x.shape[1:]))}", "give events of its shape")
    expected, simulated = contrib_outputs(saved_model, x, precision, folder)
    own = np.asarray(stack_model(saved_model).predict(x, verbose=0), np.float64)
    difference = simulated - expected
    return Deviation(
        float(np.abs(difference).max()), float(np.sqrt(np.square(difference).mean())),
        float(np.abs(own - expected).max()), float(np.abs(expected).max()), precision, len(x),
    )
