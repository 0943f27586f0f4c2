"""Tables as Markdown, for pull requests."""

from __future__ import annotations

from collections.abc import Sequence

from l1trigger.report.tables import Cell, Table

Section = tuple[str, Table]
"""Heading and table."""


def render(title: str, sections: Sequence[Section]) -> str:
    """All tables under one title; an empty table is left out."""
    parts = [f"## {title}\n"]
    for heading, table in sections:
        if table.rows:
            parts.append((f"### {heading}\n\n" if heading else "") + _table(table))
    return "\n".join(parts)


def _table(table: Table) -> str:
    marks = ["--:" if i >= table.numeric else ":--" for i in range(len(table.head))]
    lines = [_line([escape(h) for h in table.head]), _line(marks)]
    for row in table.rows:
        if row.group:
            lines.append(_line([f"**{escape(row.group)}**", *[""] * (len(table.head) - 1)]))
        lines.append(_line([_cell(c) for c in row.cells]))
    note = f"\n{escape(table.note)}\n" if table.note else ""
    return "\n".join(lines) + "\n" + note


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(cell: Cell) -> str:
    text = escape(cell.text)
    words = cell.style.split()
    if "code" in words:
        text = f"`{cell.text}`"
    elif "best" in words or "bad" in words:
        text = f"**{text}**"
    note = cell.hint if "withheld" in words and cell.hint else cell.note
    return f"{text} ({escape(note)})" if note else text


def escape(text: str) -> str:
    """Text that Markdown takes literally inside a table."""
    for character in "\\|*_<>`":
        text = text.replace(character, "\\" + character)
    return text.replace("\n", " ")
