"""Order of the package: what may import what, so that each folder can be read and tested without those after it.

Every import counts, also inside functions and those for types alone: a module is bound to whatever it has to know,
whenever that is loaded. Plugins are found by name, which is no import.
"""

import ast
import re
from collections.abc import Container, Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

import l1trigger

PACKAGE = "l1trigger"

ORDER = (
    # Ground: values and tools that know nothing of triggers.
    ("errors", "units"),
    ("fixed_point", "bit_exact", "package_files", "run_folder", "frameworks", "cores", "processes", "catalogue"),
    ("kernels", "farm"),
    ("binary_points", "figures", "layer_summary"),
    # What a design says, what its plugins have to be, and the results that its stages hand on.
    ("design_paths",), ("unread", "sections", "compress_sections"), ("plugins",), ("contracts",), ("design",),
    ("artefacts",), ("results",),
    # Events, and what is measured on them.
    ("data",), ("physics",),
    # The quantized network, layers of graph networks, and the trigger function.
    ("own_layers", "normal_form"), ("network",), ("graph",), ("trigger",),
    # What makes a trigger function.
    ("quantize",), ("keras_import",), ("models",), ("train",), ("scores",), ("compress",),
    # What makes firmware of it and measures that.
    ("convert",), ("engine",), ("csim",), ("rate",), ("synth",),
    # What tells of it.
    ("report",), ("compare",),
    # What runs all of this.
    ("stages",), ("pipeline",), ("rehearsal",), ("scan",), ("doctor",), ("testing",), (PACKAGE,), ("cli",),
)
"""Files and folders of the package; those of a row may import one another and those of the rows above."""


class Allowed(NamedTuple):
    """Imports that break the order for a reason; one that nothing needs any more is a failure.

    Attributes:
        importer, imported: files or folders, by the names of their modules.
        reason: why.
        types: whether it is for types alone.
    """

    importer: str
    imported: tuple[str, ...]
    reason: str
    types: bool = False


EXCEPTIONS = (
    Allowed(
        "results",
        ("data.events", *(f"{s}.result" for s in ("train", "compress", "convert", "csim", "rate", "synth")),
         "report.model"),
        "every stage is given the results of those before it, and each is read when it is first asked for",
    ),
    Allowed(
        "contracts", ("data.events", "data.scaling", "design", "network", "quantize.compressed", "train.result"),
        "a contract names the values that plugins are given and give", types=True,
    ),
    Allowed("sections", ("design",), "an option may mean nothing beside another section of the design", types=True),
    Allowed("compress_sections", ("design",), "as in sections", types=True),
    Allowed("unread", ("design", "compress_sections"), "the rules for all designs stand beside what a rule is",
            types=True),
    Allowed(
        "synth.streaming.template", ("synth.streaming.images_rtl",),
        "an engine writes itself with the template's functions, whose types name the engine", types=True,
    ),
    Allowed("quantize.lint", ("convert.hls4ml",), "a message tells what hls4ml could convert inexactly"),
)


class Import(NamedTuple):
    """One import of the package by itself."""

    importer: str
    imported: str
    line: int
    types: bool

    def __str__(self) -> str:
        return f"{self.importer} imports {self.imported} in line {self.line}"


def modules(root: Path) -> dict[str, Path]:
    """The package's modules, without its own name before theirs, and their files."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts) or PACKAGE] = path
    return found


def imported_names(node: ast.AST) -> list[str]:
    """What a statement imports of the package: modules, or names that stand in modules."""
    if isinstance(node, ast.Import):
        names = [a.name for a in node.names]
    elif isinstance(node, ast.ImportFrom):
        names = [f"{node.module}.{a.name}" for a in node.names]
    else:
        return []
    return [n.removeprefix(f"{PACKAGE}.") for n in names if n.partition(".")[0] == PACKAGE]


def module_of(name: str, known: Container[str]) -> str:
    """The module that a name stands in, or that it names."""
    while name not in known:
        name = name.rpartition(".")[0] or PACKAGE
    return name


def for_types(tree: ast.AST) -> set[ast.AST]:
    """Statements that only type checkers see."""
    blocks = [n for n in ast.walk(tree) if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
    return {n for block in blocks for statement in block.body for n in ast.walk(statement)}


def imports(root: Path) -> Iterator[Import]:
    """All imports of the package by itself; who imports a name imports the module that it stands in."""
    known = modules(root)
    for importer, path in known.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        unseen = for_types(tree)
        for node in ast.walk(tree):
            for name in imported_names(node):
                imported = module_of(name, known)
                if imported != importer:
                    yield Import(importer, imported, node.lineno, node in unseen)


def top(module: str) -> str:
    """The file or folder of the package that a module is in."""
    return module.partition(".")[0]


def within(module: str, place: str) -> bool:
    """Whether a module is, or is in, a file or folder."""
    return module == place or module.startswith(f"{place}.")


def allows(exception: Allowed, found: Import) -> bool:
    """Whether it is the exception for an import."""
    return (
        within(found.importer, exception.importer) and any(within(found.imported, i) for i in exception.imported)
        and (found.types or not exception.types)
    )


def circle(pairs: set[tuple[str, str]]) -> list[str]:
    """The first circle among (importer, imported), if there is one."""
    graph: dict[str, set[str]] = {}
    for importer, imported in pairs:
        graph.setdefault(importer, set()).add(imported)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as e:
        return [f"circle: {' is imported by '.join(e.args[1])}"]
    return []


def broken(found: Sequence[Import], order: Sequence[Sequence[str]], exceptions: Sequence[Allowed]) -> list[str]:
    """What breaks the rules in spite of the exceptions."""
    row = {name: i for i, names in enumerate(order) for name in names}
    rest = [i for i in found if not any(allows(e, i) for e in exceptions)]
    folders = {(top(i.importer), top(i.imported)) for i in rest if top(i.importer) != top(i.imported)}
    late = [f"{i}, which stands later in the order" for i in rest if row[top(i.imported)] > row[top(i.importer)]]
    return late + circle(folders) + circle({(i.importer, i.imported) for i in rest})


def problems(root: Path, order: Sequence[Sequence[str]], exceptions: Sequence[Allowed]) -> list[str]:
    """All that is wrong with a package: names without a place, imports, exceptions that nothing needs."""
    places, there = [name for names in order for name in names], {top(m) for m in modules(root)}
    if misplaced := [name for name in sorted(there | set(places)) if places.count(name) != (name in there)]:
        return [f"{name} has no place in the order, two of them, or is gone" for name in misplaced]
    found = list(imports(root))
    single = [e._replace(imported=(i,)) for e in exceptions for i in e.imported]
    return broken(found, order, exceptions) + [
        f"the exception {e.importer} -> {e.imported[0]} is not needed" for e in single
        if not broken(found, order, [other for other in single if other is not e])
    ]


def test_imports_follow_the_order():
    assert not (found := problems(Path(l1trigger.__file__).parent, ORDER, EXCEPTIONS)), "\n".join(found)


MADE = {
    "__init__.py": "", "ground.py": "", "low/__init__.py": "from l1trigger import ground", "low/a.py": "X = 1",
    "low/b.py": "from l1trigger.low.a import X", "high/__init__.py": "from l1trigger.low import b",
}
MADE_ORDER = (("ground",), ("low",), ("high",), (PACKAGE,))


def made(folder, **changed):
    for name, text in (MADE | changed).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_a_package_in_order_has_no_problems(tmp_path):
    assert problems(made(tmp_path), MADE_ORDER, ()) == []


@pytest.mark.parametrize(("name", "text", "problem"), [
    ("low/a.py", "import l1trigger.high", "low.a imports high in line 1, which stands later"),
    ("low/a.py", "from l1trigger import high", "low.a imports high in line 1, which stands later"),
    ("ground.py", "def f():\n    from l1trigger.low.a import X", "ground imports low.a in line 2, which stands later"),
    ("ground.py", "if TYPE_CHECKING:\n    from l1trigger.low.a import X", "ground imports low.a in line 2"),
    ("ground.py", "try:\n    import l1trigger.low.b as x\nfinally:\n    pass", "ground imports low.b in line 2"),
    ("low/a.py", "def f():\n    from l1trigger.low import b", "circle: low.[ab] is imported by low.[ab]"),
    ("other.py", "", "other has no place"),
])
def test_what_breaks_the_rules_is_named(tmp_path, name, text, problem):
    found = problems(made(tmp_path, **{name: text}), MADE_ORDER, ())
    assert any(re.match(problem, f) for f in found), found


def test_circle_of_folders_in_one_row(tmp_path):
    """Their modules form none."""
    root = made(tmp_path, **{"low/a.py": "from l1trigger.high import c", "high/c.py": ""})
    found = problems(root, (("ground",), ("low", "high"), (PACKAGE,)), ())
    assert len(found) == 1 and re.match("circle: (low|high) is imported by (low|high) is imported by", found[0])


def test_exceptions_hold_for_what_they_name_while_it_is_needed(tmp_path):
    root = made(tmp_path, **{"ground.py": "if TYPE_CHECKING:\n    from l1trigger.low.a import X"})
    assert problems(root, MADE_ORDER, [Allowed("ground", ("low.a",), "")]) == []
    assert problems(root, MADE_ORDER, [Allowed("ground", ("low.a",), "", types=True)]) == []
    assert problems(root, MADE_ORDER, [Allowed("ground", ("low.b",), "")])
    late = "the exception ground -> high is not needed"
    assert problems(root, MADE_ORDER, [Allowed("ground", ("low", "high"), "")]) == [late]
    made(tmp_path, **{"ground.py": "from l1trigger.low.a import X"})
    assert problems(root, MADE_ORDER, [Allowed("ground", ("low.a",), "", types=True)])
