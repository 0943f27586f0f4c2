"""What a group says of a plugin that is not what its base class asks for."""

import pytest
import stand_ins

from l1trigger.contracts.architecture import ARCHITECTURES, Architecture
from l1trigger.contracts.score import SCORES, Score
from l1trigger.contracts.source import SOURCES, Source
from l1trigger.design import json_schema
from l1trigger.errors import DesignError
from l1trigger.own_layers import keras_classes
from l1trigger.sections import DataSection

GROUPS = (SOURCES, ARCHITECTURES, SCORES)


class NoLoad(Source):
    Options = DataSection


class NoOptions(Source):
    def load(self):
        return None


class OtherOptions(NoOptions):
    Options = dict


class NoScaling(Architecture):
    Options = DataSection

    def fit(self, section, data, seed, work, progress):
        return None

    def float_score(self, weights, inputs):
        return None


class NoKernel(Score):
    Options = DataSection

    def compress(self, data, trained, which, work, progress):
        return None


@pytest.mark.parametrize("group", GROUPS, ids=lambda g: g.kind)
def test_what_is_registered_is_what_its_base_class_asks_for(group):
    for name in group.names():
        assert issubclass(group.get(name), group.base)


@pytest.mark.parametrize(("group", "plugin", "message"), [
    (SOURCES, NoLoad, "lacks load"),
    (SOURCES, NoOptions, "lacks Options"),
    (SOURCES, OtherOptions, "has Options that are no section with the key source"),
    (SOURCES, NoScaling, "does not derive from Source"),
    (SOURCES, len, "does not derive from Source"),
    (ARCHITECTURES, NoScaling, "lacks scaling"),
    (SCORES, NoKernel, "lacks kernel"),
    *((SCORES, error, f"cannot be imported: {error}") for error in (
        ImportError("No module named 'torch'"), AttributeError("there is no Mine"), ValueError("no licence"),
        SyntaxError("invalid syntax"))),
])
def test_what_is_not_is_refused_by_name(monkeypatch, group, plugin, message):
    stand_ins.install(monkeypatch, group, mine=plugin)
    where = rf"{group.section}\.{group.key}: the {group.kind} 'mine' \(tests:stand_in\)"
    with pytest.raises(DesignError, match=f"{where} {message}.*Remedy"):
        group.get("mine")


@pytest.mark.parametrize("group", GROUPS, ids=lambda g: g.kind)
def test_an_unknown_name_lists_the_known_ones(group):
    known = group.names()[0]
    with pytest.raises(DesignError, match=f"there is no {group.kind} '{known}x'.*did you mean '{known}'"):
        group.get(f"{known}x")


@pytest.mark.parametrize("plugin", [ImportError("no torch"), ValueError("no licence"), len], ids=str)
@pytest.mark.parametrize("group", GROUPS, ids=lambda g: g.kind)
def test_one_that_is_broken_harms_only_those_who_use_it(monkeypatch, group, plugin):
    whole, classes = json_schema(), keras_classes()
    stand_ins.install(monkeypatch, group, mine=plugin)
    assert "mine" in group.names()
    assert "mine" not in group.working()
    assert json_schema() == whole
    assert keras_classes() == classes
