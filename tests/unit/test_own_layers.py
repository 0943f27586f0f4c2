"""Layers that architectures bring: found by name, and only when a network has one."""

import numpy as np
import pytest
import toy_garnet
import toy_trigger

from l1trigger import own_layers, plugins
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
    monkeypatch.setattr(plugins, "working", imported)
    assert own_layers.keras_classes(set()) == {}
    assert dense.build(exact=False).layers
    with pytest.raises(AssertionError, match="nothing should be imported"):
        graph.build(exact=False)


def test_a_broken_plugin_harms_nobody_else(monkeypatch):
    def loaded(group, name):
        if name != "garnet":
            raise ImportError(name)
        return GarNet

    monkeypatch.setattr(plugins, "_loaded", loaded)
    assert plugins.working("l1trigger.models") == [GarNet]
    x = toy_garnet.features(3, 1).astype(np.float32)
    assert toy_garnet.network().build(exact=False)(x).shape == (3, 4)


@pytest.mark.parametrize("name", ["garnet", "gravnet"])
def test_kernels_of_this_package_are_no_sources_of_their_own(name):
    """The whole folder of firmware counts as a source already."""
    assert own_layers.sources(name) == () == own_layers.sources("autoencoder")
