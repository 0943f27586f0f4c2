"""Prints the main figures of a report: the tables of its page, on the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from l1trigger.report import class_tables, run_tables, tables, verdicts
from l1trigger.report.model import Report

_COLOURS = {"good": "green", "bad": "red", "unknown": "yellow", "withheld": "dim", "best": "bold"}


def print_report(report: Report, console: Console) -> None:
    """The figures that decide: signals, rates, hardware, budget; and last, where it stays in sight, what they say."""
    quick = "  [yellow]quick run: figures mean little[/]" if report.quick else ""
    console.print(f"\n[bold]{report.design.name}[/]  {report.created}{quick}", highlight=False)
    book = tables.Book(report)
    shown = {}
    if report.find("accuracy"):
        shown = {"Accuracy": class_tables.accuracy_table(book)}
    if report.levels:
        shown |= {"Area under the ROC": tables.auc_table(book), "Signal efficiency": tables.tpr_table(book)}
    if report.zero_bias:
        shown["At the design's threshold"] = run_tables.rate_table(book)
    if against := verdicts.baseline_table(book):
        shown[against.title] = against
    if any(f.part for f in report.figures):
        shown["Latency and resources"] = run_tables.hardware_table(book)
    if report.exact is False:
        shown["Levels differ"] = run_tables.bit_exact_table(report)
    if report.budget:
        shown["Budget"] = run_tables.budget_table(book)
    print_tables([replace(table, title=title) for title, table in shown.items()], console)
    for remark in report.remarks:
        console.print(f"[yellow]note[/]  {escape(remark)}", highlight=False, soft_wrap=True)
    for verdict in verdicts.verdicts(report):
        console.print(f"[bold {_COLOURS[verdict.style]}]{escape(verdict.headline)}[/]  {escape(verdict.sentence)}",
                      highlight=False)


def print_tables(shown: Iterable[tables.Table], console: Console) -> None:
    """Prints tables of the page under their titles."""
    for table in shown:
        console.print(_on_terminal(table.title, table), highlight=False)


def _on_terminal(title: str, table: tables.Table) -> Table:
    """A table of the page; groups in which nothing was measured are left out."""
    out = Table(title=f"[bold]{escape(title)}[/]", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for i, head in enumerate(table.head):
        out.add_column(escape(head), justify="right" if i >= table.numeric else "left")
    for heading, rows in _groups(table.rows):
        if heading and all(c.value is None for row in rows for c in row.cells):
            continue
        if heading:
            out.add_row(f"[italic]{escape(heading)}[/]")
        for row in rows:
            out.add_row(*(_cell(c) for c in row.cells))
    return out


def _groups(rows: Sequence[tables.Row]) -> list[tuple[str, list[tables.Row]]]:
    groups: list[tuple[str, list[tables.Row]]] = []
    for row in rows:
        if row.group or not groups:
            groups.append((row.group, []))
        groups[-1][1].append(row)
    return groups


def _cell(cell: tables.Cell) -> str:
    if cell.text == "not measured":
        return "[dim]not measured[/]"
    text = f"{escape(cell.text)} [dim]{escape(cell.note)}[/]" if cell.note else escape(cell.text)
    colour = next((c for word in cell.style.split() if (c := _COLOURS.get(word))), None)
    return f"[{colour}]{text}[/]" if colour else text
