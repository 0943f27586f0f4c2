"""What a benchmark found: a table for people, and the same as JSON for ``suite.py``."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes:
        what: was done, e.g. the name of a design.
        by: what did it.
        value, unit: the measurement.
        ratio: of the value to that of the reference.
        reference: what did the same in the same run.
        note: what else belongs to it.
    """

    what: str
    by: str
    value: float
    unit: str
    ratio: float | None = None
    reference: str = ""
    note: str = ""


def add_json(parser):
    """Adds the option that writes rows as JSON."""
    parser.add_argument("--json", type=Path, help="also writes the rows into this file")


def publish(rows, conditions, path=None):
    """Prints the rows under their conditions, and writes them."""
    table = Table("", "by", "value", "unit", "ratio", "to", "")
    for i, row in enumerate(rows):
        ends = i + 1 == len(rows) or rows[i + 1].what != row.what
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        table.add_row(row.what, row.by, f"{row.value:,.4g}" if row.value < 1000 else f"{row.value:,.0f}", row.unit,
                      ratio, row.reference, row.note, end_section=ends)
    console = Console()
    console = console if console.is_terminal else Console(width=150)
    console.print(conditions, highlight=False)
    console.print(table)
    if path is not None:
        path.write_text(json.dumps({"conditions": conditions, "rows": [asdict(r) for r in rows]}, indent=1))
