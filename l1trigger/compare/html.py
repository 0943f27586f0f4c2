"""A comparison as one self-contained HTML page, in the look of the report."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from l1trigger.compare.comparison import Comparison
from l1trigger.compare.markdown import Section
from l1trigger.compare.plots import images


def verdicts(comparison: Comparison, regressions: int | None) -> list[tuple[str, str, str]]:
    """(style, headline, sentence) of the questions that a reader has first.

    Args:
        comparison: that is shown.
        regressions: against a baseline; None without one.
    """
    runs = comparison.runs
    wrong = [r.label for r in runs if r.mismatches]
    unknown = [r.label for r in runs if r.mismatches is None]
    if wrong:
        headlines = [("bad", "Not bit-exact", ", ".join(wrong))]
    elif unknown:
        headlines = [("unknown", "Not all compared", f"No levels were compared in {', '.join(unknown)}.")]
    else:
        which = f"All {len(runs)} runs, every integer." if len(runs) > 1 else "Every integer."
        headlines = [("good", "Bit-exact", which)]
    if comparison.data:
        headlines.append(("bad", "Different data", "Figures of physics cannot be held against each other."))
    elif len(runs) > 1 and comparison.level:
        headlines.append(("good", "Same data", "All figures of physics are of the same events."))
    if regressions is not None:
        headlines.append(("bad", f"{regressions} regressions", "Against the baseline.") if regressions
                     else ("good", "No regression", "Against the baseline."))
    return headlines


def render(comparison: Comparison, sections: Sequence[Section], regressions: int | None = None) -> str:
    """The page.

    Args:
        comparison: that is shown; its pictures follow the section ``Figures``.
        sections: headings and tables, in order.
        regressions: against a baseline; None without one.
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=ChoiceLoader([PackageLoader("l1trigger.compare"), PackageLoader("l1trigger.report")]),
        undefined=StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True,
    )
    pictures = [
        (b.title, b.caption, f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}")
        for b, svg in images(comparison)
    ]
    return environment.get_template("compare.html.j2").render(
        comparison=comparison, sections=[s for s in sections if s[1].rows], pictures=pictures,
        verdicts=verdicts(comparison, regressions),
    )
