"""Whether reports are of an HLS project as it is now, by file times and by the dates that the tools write into them.

A clone or a copy gives files new times. The date inside a report shows that: it is older than the file. Such times say
only what was changed after the copy was made.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Sequence
from email.utils import parsedate
from pathlib import Path

from l1trigger.errors import ReportError, argument

_SOURCES = ("firmware/**/*.cpp", "firmware/**/*.h")
_DATE = re.compile(r"\b(?:Date|Report (?:time|date))\s*:\s*(\w{3} \w{3} +\d+ [\d:]{8} (?:[A-Z]+ )?\d{4})")
_WESTERNMOST_S = 12 * 3600
"""Reports do not tell their time zone; a local time is at most this much behind UTC."""
_CLOCK_STEP_S = 2.0
"""Coarsest time stamp of a file system in use."""
_TOGETHER_S = 60.0
"""Files of one copy are written within this time."""


def check(project: Path, reports: Sequence[Path], tolerance_s: float | None = None) -> list[str]:
    """What cannot be known of the age of reports, in sentences.

    Args:
        project: HLS project with ``firmware/*.cpp``.
        reports: made from it.
        tolerance_s: by how much sources may be newer than a report [s]; dates inside reports do not count then.

    Raises:
        ReportError: the project has no sources, or one was changed after a report was written.
    """
    sources = [p for pattern in _SOURCES for p in project.glob(pattern)]
    if not sources:
        raise ReportError(f"{project}: holds no firmware/*.cpp. Remedy: name the folder of the HLS project")
    newest = max(sources, key=lambda p: p.stat().st_mtime)
    return [
        f"{report.name}: may be of other sources; its own date is before the file times, which are those of a copy"
        for report in reports if not _written_after(report, newest, tolerance_s)
    ][:1]


def _written_after(report: Path, source: Path, tolerance_s: float | None) -> bool:
    """Whether a report was written after a source was changed; False where both are of one copy, which does not tell.

    Raises:
        ReportError: it was written before.
    """
    changed, filed = source.stat().st_mtime, report.stat().st_mtime
    dated = None if tolerance_s is not None else _latest_date(report)
    copy = dated is not None and dated < filed - _CLOCK_STEP_S
    if changed - filed > (_TOGETHER_S if copy else tolerance_s if tolerance_s is not None else _CLOCK_STEP_S):
        raise _older(report, source, "")
    if dated is None or changed <= dated:
        return True
    if copy and filed - changed > _TOGETHER_S:
        raise _older(report, source, " by the date inside it")
    return not copy


def _older(report: Path, source: Path, why: str) -> ReportError:
    return ReportError(
        f"{report}: is older than {source} of its project{why}. Remedy: run the tool again on the project as it is; "
        f"where only times are wrong, give {argument('trust_times')} with the seconds that file times may be off; or "
        "import the reports from a folder of their own, if they are known to be of other sources"
    )


def _latest_date(report: Path) -> float | None:
    """The latest time that the date in a report can mean [s since 1970]; XML has none and goes by reports beside it."""
    beside = [report] if report.suffix == ".rpt" else sorted(report.parent.glob("*.rpt"))
    dates = [d for path in beside if (d := _date(path.read_text(encoding="utf-8", errors="replace"))) is not None]
    return max(dates) + _WESTERNMOST_S if dates else None


def _date(text: str) -> float | None:
    match = _DATE.search(text)
    fields = parsedate(match[1]) if match else None
    return float(calendar.timegm(fields)) if fields else None
