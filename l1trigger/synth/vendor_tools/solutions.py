"""Which reports in a folder belong together: those of one solution of an HLS project, and what lies around it.

A solution is the folder that holds ``syn/``, ``sim/`` and ``impl/``. A report that lies elsewhere belongs to the only
solution at or below the nearest folder above it. Where there is no such folder, reports of C synthesis tell what is a
solution, and otherwise every folder is one, apart from the folders that tools make for steps and reports.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from l1trigger.errors import ReportError, argument
from l1trigger.synth.vendor_tools.reading import STEPS, LeftOut, Reading

_STEP_FOLDERS = {"syn", "sim", "impl"}
_MADE_BY_TOOLS = re.compile(
    r"reports?|verilog|vhdl|syn|synth(?:esis)?|impl(?:ementation)?|place|route|pnr|timing|power|util(?:ization)?"
    r"|(?:.*_)?(?:synth|impl)_\d+|.*\.runs"
)


def choose(
    readings: Sequence[Reading], unread: Sequence[LeftOut], wanted: str | None, folder: Path
) -> tuple[list[Reading], list[LeftOut]]:
    """The readings of one solution, and what lies beside it and is left out.

    Args:
        readings: of all reports in the folder.
        unread: reports that could not be read.
        wanted: solution to choose, as a path in the folder or the end of it.
        folder: for messages.

    Raises:
        ReportError: there are several solutions and none, or no such one, is chosen.
    """
    homes = _homes(readings, unread)
    solutions: dict[str, list[Reading]] = {}
    for r in readings:
        if (home := homes[r.file]) is not None:
            solutions.setdefault(home, []).append(r)
    chosen = _match(solutions, wanted) if wanted else next(iter(solutions)) if len(solutions) == 1 else None
    if chosen is None:
        problem = f"holds no solution {wanted}" if wanted else "holds reports of several solutions"
        listed = "; ".join(f"{at or '.'} ({_what(of)})" for at, of in sorted(solutions.items()))
        first = min(solutions) or "."
        raise ReportError(f"{folder}: {problem}: {listed}. Remedy: choose one with {argument('solution')}, "
                          f"for example {first}")
    lost = [LeftOut(r.file, "lies beside several solutions and does not tell which it is of")
            for r in readings if homes[r.file] is None]
    return solutions[chosen], [*lost, *(x for x in unread if homes[x.file] in {chosen, None})]


def _homes(readings: Sequence[Reading], unread: Sequence[LeftOut]) -> Mapping[str, str | None]:
    """The solution of every report; None where several are equally near."""
    places = {file: _place(file) for file in (*(r.file for r in readings), *(x.file for x in unread))}
    synthesized = {r.file for r in readings if r.kind == "csynth"}
    anchors = ({place for place, structured in places.values() if structured}
               or {places[f][0] for f in synthesized} or {place for place, _ in places.values()})
    return {file: _nearest(place, anchors) for file, (place, _) in places.items()}


def _place(file: str) -> tuple[str, bool]:
    """The folder that a report is of, and whether it has the form of a solution."""
    above = list(PurePosixPath(file).parts[:-1])
    for i in range(len(above) - 1):
        if above[i] in _STEP_FOLDERS and above[i + 1] in {"report", "verilog", "vhdl"}:
            return "/".join(above[:i]), True
    while above and _MADE_BY_TOOLS.fullmatch(above[-1]):
        above.pop()
    return "/".join(above), False


def _nearest(place: str, anchors: Iterable[str]) -> str | None:
    """The only solution at or below the nearest folder, going up from a place, that has one."""
    while not (below := [a for a in anchors if a == place or not place or a.startswith(f"{place}/")]) and place:
        place = place.rpartition("/")[0]
    return place if place in below else below[0] if len(below) == 1 else None


def _match(solutions: Iterable[str], wanted: str) -> str | None:
    """The solution of a path, or the only one whose path ends with it."""
    name = "" if wanted in {".", "./"} else PurePosixPath(wanted).as_posix().strip("/")
    ends = [s for s in solutions if s == name] or [s for s in solutions if name and f"/{s}".endswith(f"/{name}")]
    return ends[0] if len(ends) == 1 else None


def _what(readings: Sequence[Reading]) -> str:
    """Tops and steps of some reports."""
    tops = dict.fromkeys(r.top for r in sorted(readings, key=lambda r: r.kind != "csynth") if r.top)
    steps = [step for step in STEPS if any(r.step == step for r in readings)]
    return ": ".join(x for x in (next(iter(tops), ""), ", ".join(steps)) if x)
