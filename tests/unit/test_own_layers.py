"""Layers that architectures bring: found by name, and only when a network has one."""

import numpy as np
import pytest
import stand_ins
import toy_garnet
import toy_trigger

from l1trigger import own_layers, plugins
from l1trigger.contracts.architecture import ARCHITECTURES
from l1trigger.graph.keras_layers import quantized_stack
from l1trigger.models.garnet import GarNet, GarNetLayer


def test_found_by_name():
    found = own_layers.keras_classes({"QGarNetStack", "QNothingStack"})
    assert found == {"QGarNetStack": quantized_stack(GarNetLayer)}
    assert set(own_layers.keras_classes()) >= {"QGarNetStack", "QGravNetStack"}


def test_architectures_are_asked_for_such_layers_alone(monkeypatch):
    def imported(group):
        raise AssertionError("nothing should be imported")

    dense, graph = toy_trigger.trigger().network, toy_garnet.network()
    monkeypatch.setattr(plugins.Group, "working", imported)
    assert own_layers.keras_classes(set()) == {}
    assert dense.build(exact=False).layers
    with pytest.raises(AssertionError, match="nothing should be imported"):
        graph.build(exact=False)


def test_a_broken_plugin_harms_nobody_else(monkeypatch):
    broken = {name: ValueError(name) for name in ARCHITECTURES.names() if name != "garnet"}
    stand_ins.install(monkeypatch, ARCHITECTURES, **broken)
    assert ARCHITECTURES.working() == {"garnet": GarNet}
    x = toy_garnet.features(3, 1).astype(np.float32)
    assert toy_garnet.network().build(exact=False)(x).shape == (3, 4)


@pytest.mark.parametrize("name", ["garnet", "gravnet"])
def test_kernels_of_this_package_are_no_sources_of_their_own(name):
    """The whole folder of firmware counts as a source already."""
    assert own_layers.sources(name) == () == own_layers.sources("autoencoder")
