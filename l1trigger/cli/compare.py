"""Commands that hold runs against each other: ``compare``, ``baseline``, ``ci``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from l1trigger.compare.baseline import Baseline, Change
    from l1trigger.compare.comparison import Comparison
    from l1trigger.report.model import Report
    from l1trigger.report.tables import Cell, Table

Runs = Annotated[list[str], typer.Argument(
    metavar="RUN...", help="Run folders, e.g. runs/anomaly, or report.json files.", show_default=False,
)]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="Run folder, or a report.json.", show_default=False)]
Markdown = Annotated[bool, typer.Option("--markdown", help="Prints Markdown.")]
Json = Annotated[bool, typer.Option("--json", help="Prints everything as JSON.")]
Html = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Also writes a page with pictures.")]
BaselinePath = Annotated[Path | None, typer.Option(
    "--baseline", metavar="FILE", help="Exit status 1 when a figure is worse than in this file (l1trigger baseline).",
)]
Tolerances = Annotated[list[str] | None, typer.Option(
    "--tolerance", metavar="NAME=X", help="How much worse is no regression, e.g. lut=5% auc=0.002 all=1%.",
)]
Against = Annotated[str | None, typer.Option(
    "--against", metavar="published", help="Also shows the published designs that fit.",
)]
Details = Annotated[bool, typer.Option("--all", help="Shows all figures: every level, seed and baseline score.")]
AllowData = Annotated[bool, typer.Option("--allow-different-data", help="Compares runs of different data as well.")]
Out = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="File to write; stdout without it.")]


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    for command in (compare, baseline, ci):
        app.command()(command)


@dataclass(frozen=True)
class _Shown:
    """What a comparison shows, in each of its forms."""

    comparison: Comparison
    sections: list[tuple[str, Table]]
    changes: dict[str, list[Change]] | None


def compare(
    runs: Runs, markdown: Markdown = False, as_json: Json = False, html: Html = None, baseline: BaselinePath = None,
    tolerances: Tolerances = None, against: Against = None, details: Details = False,
    allow_different_data: AllowData = False,
) -> None:
    """Figures of runs side by side; held against a baseline, exit status 1 when one got worse."""
    from l1trigger.compare import baseline as held
    from l1trigger.compare.comparison import compare as side_by_side
    from l1trigger.compare.comparison import unique_labels

    if markdown and as_json:
        raise typer.BadParameter("give either --markdown or --json")
    # Words like lut=5% that follow --tolerance arrive among the runs.
    words = [r for r in runs if "=" in r and not Path(r).exists()]
    paths = [Path(r) for r in runs if r not in words]
    tolerated = held.parse_tolerances([*(tolerances or []), *words])
    if tolerated and baseline is None:
        raise typer.BadParameter("--tolerance goes with --baseline")
    reports = [_load(p) for p in paths]
    labels = unique_labels(_labels(paths, reports))
    comparison = side_by_side(reports, labels, allow_different_data)
    committed, changes = None, None
    if baseline is not None:
        committed = held.load_baseline(baseline)
        changes = {
            label: held.hold_against(report, committed, tolerated, str(baseline), allow_different_data)
            for label, report in zip(labels, reports, strict=True)
        }
    sections = _sections(comparison, committed, changes, _task(reports[0]) if _against(against) else None, details)
    _write(_Shown(comparison, sections, changes), markdown, as_json, html)
    worse = [c for of_run in (changes or {}).values() for c in held.regressions(of_run)]
    if worse:
        raise held.RegressionError(worse)


def _load(path: Path) -> Report:
    from l1trigger.report.model import load_report
    from l1trigger.results import Results

    if path.is_file() and path.name != "report.json":
        return load_report(path)
    return Results(path.parent if path.is_file() else path).report


def _labels(paths: Sequence[Path], reports: Sequence[Report]) -> list[str]:
    """Names of the designs; with their folders where two are equal."""
    names = [r.design.name for r in reports]
    folders = [(p.parent if p.name == "report.json" else p).resolve() for p in paths]
    return [n if names.count(n) == 1 else f"{f.parent.name}/{f.name}" for n, f in zip(names, folders, strict=True)]


def _against(against: str | None) -> bool:
    if against not in {None, "published"}:
        raise typer.BadParameter(f"{against!r}: only 'published' is known", param_hint="--against")
    return against is not None


def _task(report: Report) -> str:
    return str(report.design.resolved.get("task", ""))


def _sections(
    comparison: Comparison, committed: Baseline | None, changes: dict[str, list[Change]] | None, task: str | None,
    details: bool,
) -> list[tuple[str, Table]]:
    from l1trigger.compare import tables
    from l1trigger.compare.published import published_rows

    labels = [r.label for r in comparison.runs]
    sections = [("Runs", tables.run_table(comparison))]
    for label, held in (changes or {}).items():
        assert committed is not None
        sections.append((f"Against the baseline: {label}", tables.change_table(held, committed, label)))
    sections.append(("Figures", tables.figure_table(comparison, details)))
    if task is not None:
        rows = published_rows(task)
        sections.append(("Published designs: hardware", tables.published_table(rows, comparison)))
        sections.append(("Published designs: networks and physics", tables.published_physics_table(rows)))
    sections.append(("Data that differ", tables.difference_table(comparison.data, labels, "data")))
    sections.append(("Design: what differs", tables.difference_table(comparison.design, labels, "setting")))
    sections.append(("Versions: what differs", tables.difference_table(comparison.versions, labels, "package or tool")))
    return [(heading, table) for heading, table in sections if table.rows]


def _write(shown: _Shown, markdown: bool, as_json: bool, html: Path | None) -> None:
    import json

    from l1trigger.compare import markdown as md
    from l1trigger.compare.baseline import regressions

    title = " against ".join(["Comparison: " + ", ".join(r.label for r in shown.comparison.runs),
                              *(["the baseline"] if shown.changes is not None else [])])
    if as_json:
        content = shown.comparison.model_dump(mode="json")
        if shown.changes is not None:
            content["baseline"] = {k: [c.model_dump(mode="json") for c in v] for k, v in shown.changes.items()}
        typer.echo(json.dumps(content, indent=1, allow_nan=False))
    elif markdown:
        typer.echo(md.render(title, shown.sections), nl=False)
    else:
        _print(shown)
    if html is not None:
        from l1trigger.compare.html import render

        bad = None if shown.changes is None else sum(len(regressions(c)) for c in shown.changes.values())
        _save(html, render(shown.comparison, shown.sections, bad))
        if not (as_json or markdown):
            typer.echo(f"page  {html.resolve()}")


def _save(path: Path, text: str) -> None:
    from l1trigger.errors import ReportError

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as e:
        raise ReportError(f"{path}: cannot be written ({e.strerror}). Remedy: name another file") from e


def _print(shown: _Shown) -> None:
    from rich.console import Console

    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console = Console(width=160)  # files and logs are as wide as a table needs
    for heading, table in shown.sections:
        console.print(f"\n[bold]{heading}[/]", highlight=False)
        console.print(_on_terminal(table, notes=not heading.startswith("Published")), highlight=False)
        if table.note:
            console.print(f"[dim]{table.note}[/]", highlight=False)


def _on_terminal(table: Table, notes: bool) -> object:
    """A table of the page; long remarks are for pages that are wide enough."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table as RichTable

    out = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
    for i, head in enumerate(table.head):
        out.add_column(escape(head), justify="right" if i >= table.numeric else "left", overflow="fold")
    for row in table.rows:
        if row.group:
            out.add_row(f"[italic]{escape(row.group)}[/]")
        out.add_row(*(_coloured(c, notes) for c in row.cells))
    return out


def _coloured(cell: Cell, notes: bool) -> str:
    from rich.markup import escape

    colours = {"good": "green", "bad": "red", "unknown": "yellow", "withheld": "dim", "absent": "dim", "best": "bold",
               "source": "dim"}
    colour = next((colours[word] for word in reversed(cell.style.split()) if word in colours), None)
    text = f"[{colour}]{escape(cell.text)}[/]" if colour else escape(cell.text)
    return f"{text} [dim]{escape(cell.note)}[/]" if cell.note and notes else text


def baseline(run: RunPath, out: Out = None) -> None:
    """Writes the small file to commit, against which later runs are compared."""
    from l1trigger.compare.baseline import make_baseline

    made = make_baseline(_load(run))
    if out is None:
        typer.echo(made.to_json(), nl=False)
    else:
        _save(out, made.to_json())
        typer.echo(f"{out}: {len(made.figures)} figures of {made.design}")


def ci(
    service: Annotated[str, typer.Argument(metavar="github|gitlab", help="Whose workflow.", show_default=False)],
    design: Annotated[Path, typer.Option("--design", help="Design file in your repository.")] = Path(
        "models/anomaly.yaml"),
    baseline: Annotated[Path | None, typer.Option(
        "--baseline", help="Committed baseline; by default baselines/NAME.json.", show_default=False,
    )] = None,
    tolerance: Annotated[str, typer.Option("--tolerance", help="As for compare.")] = "all=1% auc=0.002 mean_auc=0.002",
    vendor: Annotated[bool, typer.Option(
        "--vendor", help="Adds a stage that builds the HLS project, on a runner of your own with Vitis or Vivado.",
    )] = False,
    out: Out = None,
) -> None:
    """Writes a workflow that runs a design at each push and posts its figures beside the committed baseline's."""
    from l1trigger.compare.ci import SERVICES, workflow
    from l1trigger.design import load

    name = load(design).name if design.is_file() else design.stem
    text = workflow(service, design, name, baseline or Path("baselines") / f"{name}.json", tolerance, vendor)
    if out is None:
        typer.echo(text, nl=False)
        return
    path = out / SERVICES[service][0] if out.is_dir() else out
    _save(path, text)
    typer.echo(f"{path}: written. Commit it with the baseline: l1trigger baseline runs/{name} --out "
               f"{baseline or Path('baselines') / f'{name}.json'}")
