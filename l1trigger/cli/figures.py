"""Prints the main figures of a report: the tables of its page, on the terminal."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from l1trigger.report import run_tables, tables
from l1trigger.report.model import Report

_COLOURS = {"good": "green", "bad": "red", "unknown": "yellow", "withheld": "dim", "best": "bold"}


def print_report(report: Report, console: Console) -> None:
    """The figures that decide: signals, rates, bit-exactness, budget."""
    quick = "  [yellow]quick run: figures mean little[/]" if report.quick else ""
    console.print(f"\n[bold]{report.design.name}[/]  {report.created}{quick}", highlight=False)
    book = tables.Book(report)
    shown = [tables.auc_table(book), tables.tpr_table(book)]
    if report.data.zero_bias:
        shown.append(run_tables.rate_table(book))
    if report.bit_exact:
        shown.append(run_tables.bit_exact_table(report))
    if report.budget:
        shown.append(run_tables.budget_table(book))
    for table in shown:
        console.print(_on_terminal(table), highlight=False)


def _on_terminal(table: tables.Table) -> Table:
    out = Table(title=f"[bold]{escape(table.title)}[/]", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for i, head in enumerate(table.head):
        out.add_column(escape(head), justify="right" if i >= table.numeric else "left")
    for row in table.rows:
        if row.group:
            out.add_row(f"[italic]{escape(row.group)}[/]")
        out.add_row(*(_cell(c) for c in row.cells))
    return out


def _cell(cell: tables.Cell) -> str:
    text = f"{escape(cell.text)} [dim]{escape(cell.note)}[/]" if cell.note else escape(cell.text)
    colour = next((c for word in cell.style.split() if (c := _COLOURS.get(word))), None)
    return f"[{colour}]{text}[/]" if colour else text
