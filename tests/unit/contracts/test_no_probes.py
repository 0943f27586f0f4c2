"""What the code may ask of an object, read from its syntax trees.

Plugins say by their base class what they have. Only objects of other packages, which promise nothing, are asked whether
they have something of a name.
"""

import ast
from pathlib import Path

import pytest

import l1trigger

ROOT = Path(l1trigger.__file__).parent
FOREIGN = {
    "normal_form": "QKeras layers",
    "quantize/lint": "Keras layers",
    "quantize/lint_layers": "Keras layers",
    "quantize/quantizers": "Keras layers",
    "quantize/dense_layers": "QKeras layers",
    "quantize/fine_tune": "wrapped layers",
    "quantize/keras_graph": "Keras layers",
    "convert/graph": "hls4ml's nodes",
    "convert/hls4ml": "hls4ml's variables",
    "keras_import/walk": "Keras models",
    "keras_import/ports": "Keras' modules",
    "data/readers": "branches of ROOT files",
    "data/describe": "HDF5 objects",
    "design": "errors of YAML",
    "run_folder": "exceptions",
    "processes": "threads",
    "models/hits": "values that may be left to another",
    "report/build": "devices that may lack a resource",
}
"""Modules that ask, and whom."""


def probes(tree):
    """Calls of ``hasattr``, and of ``getattr`` with something to fall back on."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and (
            node.func.id == "hasattr" or (node.func.id == "getattr" and len(node.args) == 3)
        ):
            yield node


def assigned_in_predicates(tree):
    """Assignments to attributes or items of an argument, in functions that only answer yes or no."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef) or not isinstance(function.returns, ast.Name):
            continue
        if function.returns.id != "bool":
            continue
        arguments = {a.arg for a in (*function.args.args, *function.args.kwonlyargs)}
        for node in ast.walk(function):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(
                node, ast.AugAssign | ast.AnnAssign) else []
            for target in targets:
                inside = target
                while isinstance(inside, ast.Attribute | ast.Subscript):
                    inside = inside.value
                if inside is not target and isinstance(inside, ast.Name) and inside.id in arguments:
                    yield function.name


def modules():
    return {p.relative_to(ROOT).with_suffix("").as_posix(): p for p in ROOT.rglob("*.py")}


def test_only_objects_of_other_packages_are_asked_what_they_have():
    asking = {name for name, path in modules().items() if any(probes(ast.parse(path.read_text(encoding="utf-8"))))}
    assert asking == set(FOREIGN)


def test_who_only_answers_changes_nothing():
    wrong = {name: names for name, path in modules().items()
             if (names := list(assigned_in_predicates(ast.parse(path.read_text(encoding="utf-8")))))}
    assert not wrong


@pytest.mark.parametrize(("text", "number"), [
    ("hasattr(plugin, 'draw')", 1), ("getattr(plugin, 'draw', None)", 1), ("getattr(plugin, name)", 0),
    ("plugin.draw", 0),
])
def test_probes_are_seen(text, number):
    assert len(list(probes(ast.parse(text)))) == number


@pytest.mark.parametrize(("body", "seen"), [
    ("layer.name = 1", True), ("layer.a.b += 1", True), ("layer['x'] = 1", True), ("other.name = 1", False),
    ("layer = 1", False),
])
def test_assignments_of_predicates_are_seen(body, seen):
    text = f"def is_one(layer) -> bool:\n    other = object()\n    {body}\n    return True"
    assert bool(list(assigned_in_predicates(ast.parse(text)))) is seen
