"""Tables and numbers of vendors' text reports."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from l1trigger.errors import ReportError

_NOTHING = frozenset({"", "-", "--", "---", "?", "na", "n/a", "na/na", "nan", "inf", "undef", "undefined",
                      "unspecified"})
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_HEADER = re.compile(r"^\|\s*(?P<key>[A-Z][\w ]*?)\s*:\s*(?P<value>.*?)\s*$", re.MULTILINE)


def number(cell: str, file: str, what: str) -> float | None:
    """The number of a cell, None where the tool wrote that there is none (``-``, ``?``, ``undef``, ``N/A``, ``inf``).

    Percentages behind it as in ``12 (~0%)``, stars of footnotes and signs of rounding (``~0``, ``<0.01``) are dropped;
    of a range (``10 ~ 11``) the larger end counts.

    Raises:
        ReportError: there is something else.
    """
    text = re.sub(r"\(.*\)", "", cell).strip().rstrip("*%").strip()
    if text.lower() in _NOTHING:
        return None
    text = text.rpartition("~")[2].lstrip("<").strip()
    if not _NUMBER.fullmatch(text):
        raise ReportError(f"{file}: {what}: {cell.strip()!r} is not a number. "
                          "Remedy: run the tool again; the report is damaged or of a format that is not known")
    return float(text)


def cells(line: str) -> list[str] | None:
    """The cells of a line of a table, with the blanks that indent them; None for other lines."""
    stripped = line.strip()
    if not (stripped.startswith("|") and stripped.endswith("|") and len(stripped) > 1):
        return None
    return stripped[1:-1].split("|")


def table(lines: Sequence[str]) -> Iterator[list[str]]:
    """The rows of the first table among lines, up to its end; a head of several lines gives several rows."""
    begun = False
    for line in lines:
        row = cells(line)
        if row is not None:
            begun = True
            yield row
        elif begun and not line.strip().startswith("+"):
            return


def ruled(lines: Sequence[str]) -> list[list[str]]:
    """The lines of the first table among lines, in the groups that its horizontal rules part: first the head."""
    groups: list[list[str]] = [[]]
    for line in map(str.strip, lines):
        if cells(line) is not None:
            groups[-1].append(line)
        elif not line.startswith("+") and len(groups) > 1:
            break
        elif groups[-1]:
            groups.append([])
    return [g for g in groups if g]


def heads(head: Sequence[str]) -> list[str]:
    """Heads of the columns of a table, of the lines of its head; one that spans columns is the head of each of them."""
    most = max(head, key=lambda line: line.count("|"))
    middles = [(a + b) // 2 for a, b in pairwise(i for i, c in enumerate(most) if c == "|")]
    return [" ".join(x for line in head if (x := _over(line, middle))) for middle in middles]


def _over(line: str, at: int) -> str:
    """What stands in the cell of a line that covers a position."""
    return " ".join(line[line.rfind("|", 0, at) + 1 : line.find("|", at)].split())


def whole_tables(text: str, file: str) -> None:
    """Makes sure that the last table is closed.

    Raises:
        ReportError: the text ends inside a table.
    """
    last = next((x for x in map(str.strip, reversed(text.splitlines())) if x.startswith("+-") or cells(x)), "+-")
    if not last.startswith("+-"):
        raise damaged(file, f"ends inside a table, at {last[:60]!r}")


def by_column(columns: Sequence[str], row: Sequence[str], file: str) -> dict[str, str]:
    """The cells of a row by the heads of their columns.

    Raises:
        ReportError: there are not as many of the one as of the other.
    """
    if len(columns) != len(row):
        name = row[0].strip() if row else ""
        raise damaged(file, f"has {len(row)} cells in the row of {name}, where the head has {len(columns)}")
    return dict(zip(columns, row, strict=True))


def section(text: str, title: str) -> list[str] | None:
    """The lines behind the first line that reads as a pattern says, None when there is none."""
    lines = text.splitlines()
    for i, line in enumerate(lines):
        if re.fullmatch(title, line.strip()):
            return lines[i + 1 :]
    return None


def header(text: str) -> dict[str, str]:
    """What the head of a Vivado report says: tool version, device, command, design, design state."""
    fields: dict[str, str] = {}
    for match in _HEADER.finditer(text[:4000]):
        fields.setdefault(match["key"].lower(), match["value"])
    return fields


def tool_version(fields: dict[str, str]) -> str:
    """``Vivado 2024.2`` from the head of a report."""
    match = re.search(r"(\w+) v\.?(\d[\w.]*)", fields.get("tool version", ""))
    return f"{match[1]} {match[2]}" if match else "Vivado"


def damaged(file: str, problem: str) -> ReportError:
    """A report that is not whole."""
    return ReportError(f"{file}: {problem}. Remedy: run the tool again, or copy the whole report")


def top_of(file: str, kind: str) -> str:
    """The top function that the name of a report tells, as in ``TOP_cosim.rpt``; empty where it does not."""
    match = re.fullmatch(rf"(\w+)_{kind}\.rpt", file.rpartition("/")[2])
    return match[1] if match else ""
