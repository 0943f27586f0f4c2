"""How networks are divided into blocks, and what has no streaming RTL."""

from dataclasses import replace

import numpy as np
import pytest
import toy_raster as toy

from l1trigger.convert import hls4ml
from l1trigger.errors import DesignError, UnsupportedLayerError
from l1trigger.fixed_point import FixedPoint
from l1trigger.scores.kernels import KERNELS
from l1trigger.sections import ConvertSection, SynthSection
from l1trigger.synth.streaming import images, machine, plan

SHAPE = (6, 8, 2)


def blocks(m, x):
    a = m.conv(m.conv(x, 4, 1), 3)
    b = m.conv(a, 3, 1)
    return m.dense(m.max_pool(m.conv(m.quantize(m.layers.Add()([a, b]), 7, 3), 2, 1)))


def reconstruction(m, x):
    return m.dense(m.max_pool(m.conv(x, 2)), 96)


def graph(network, **more):
    function = toy.trigger(network, SHAPE, **more)
    return function, hls4ml.graph_layers(function.network, ConvertSection())


def build(function, layers, parallel=4):
    return machine.build(function, layers, SynthSection(pixels_per_clock=parallel), {"a": toy.images(5, SHAPE)}, 5.0)


def test_blocks_begin_where_pixels_meet():
    _, layers = graph(blocks)
    divided = plan.plan(layers)
    assert [[layer.kind for layer in p.layers] for p in divided.parts] == [
        ["Input", "PointwiseConv2D", "Activation"],  # single pixels
        ["Conv2D", "Activation"],
        ["PointwiseConv2D", "Activation"],  # the image before it is used twice
        ["Merge", "PointwiseConv2D", "Activation"],
        ["Pooling2D"],
    ]
    assert [p.sources for p in divided.parts] == [(), (0,), (1,), (1, 2), (3,)]
    assert [p.shape for p in divided.parts] == [(6, 8, 4), (4, 6, 3), (4, 6, 3), (4, 6, 2), (2, 3, 2)]
    assert [layer.kind for layer in divided.head][:2] == ["Reshape", "Dense"] and divided.last == 4


def test_graph_of_streams_gives_the_same():
    """Where hls4ml copies images for several readers and packs them anew in place of flattening them."""
    function, layers = graph(blocks)
    section = ConvertSection(io_type="io_stream", strategy="Resource")
    streams = hls4ml.graph_layers(function.network, section)
    assert {"Clone"} <= {layer.kind for layer in streams} - {layer.kind for layer in layers}
    first, second = plan.plan(layers), plan.plan(streams)
    assert [(p.name, p.sources, p.where, p.shape) for p in first.parts] == [
        (p.name, p.sources, p.where, p.shape) for p in second.parts]
    assert [layer.name for layer in first.head] == [layer.name for layer in second.head]


def changed(layers, kind, **more):
    return [replace(layer, **more) if layer.kind == kind else layer for layer in layers]


def test_what_differs_from_pixel_to_pixel():
    function, layers = graph(blocks)
    at = next(i for i, layer in enumerate(layers) if layer.kind == "Activation")
    many = np.arange(np.prod(layers[at].shape)) % 5 + 1.0
    types = {**layers[at].types, "scale": FixedPoint(8, 4), "bias": FixedPoint(8, 4)}
    scale = replace(layers[at], kind="ApplyAlpha", weights={"scale": many, "bias": many}, types=types)
    with pytest.raises(UnsupportedLayerError, match=f"scale that differs from pixel to pixel: {scale.name}. Remedy"):
        build(function, [*layers[:at], scale, *layers[at + 1 :]])
    scaling = replace(function.scaling, shift=(*function.scaling.shift[:-1], 5))
    with pytest.raises(DesignError, match=r"synth.pixels_per_clock: the input scaling \(shift\) differs"):
        build(replace(function, scaling=scaling), layers)


def test_more_pixels_than_columns():
    with pytest.raises(DesignError, match="synth.pixels_per_clock: 9 are more than the 8 columns of a row"):
        build(*graph(blocks), 9)


@pytest.mark.parametrize(("edit", "message"), [
    (lambda a: [a[0], replace(a[0], name="second"), *a[1:]], "more than one image as input: x, second"),
    (lambda a: [replace(a[0], shape=(96,)), *(b for b in a if b.kind == "Dense")], "an input that is no image: x"),
    (lambda a: changed(a, "Conv2D", shape=(7, 6, 3)), "more pixels behind the layer than before it"),
], ids=["inputs", "flat", "grows"])
def test_what_has_no_streaming_rtl(edit, message):
    _, layers = graph(blocks)
    with pytest.raises(UnsupportedLayerError, match=f"{message}.*Remedy: leave synth.pixels_per_clock out"):
        plan.plan(edit(list(layers)))


@pytest.mark.parametrize("kernel", [name for name, kernel in KERNELS.items() if kernel.needs_inputs])
def test_score_that_needs_the_input(kernel):
    function, layers = graph(reconstruction, kernel=kernel)
    with pytest.raises(UnsupportedLayerError, match=f"score {function.score} compares outputs with inputs"):
        build(function, layers)


def test_only_where_the_design_asks_for_it():
    _, layers = graph(blocks)
    assert not machine.applies(layers, SynthSection())
    assert machine.applies(layers, SynthSection(pixels_per_clock=1))
    assert images.pixel_scaling(toy.scaling(SHAPE, 2), 2) == toy.scaling((1, 1, 2), 2)
