"""The design's budget held against the figures. What was not measured is never a pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from l1trigger.catalogue import PARTS, of_key
from l1trigger.design import Limit
from l1trigger.figures import Figure, Judgement, Source

_HLS_ROUTE = (Source.CSYNTH, Source.COSIM, Source.VSYNTH, Source.ROUTE)


def judge(budget: Mapping[str, Limit], figures: Sequence[Figure]) -> list[Judgement]:
    """Holds every limit against the figures that it names.

    A limit that names neither level nor conditions holds for all figures of that name; the worst decides. Baselines
    are judged only by limits that ask for that level. Of the HLS route the last step that measured a figure counts, not
    the estimates before it; functions inside the design and single layers count only where a limit names them
    (``module``, ``layer``).
    """
    return [_judge(of_key(key), limit, figures) for key, limit in budget.items()]


def _judge(name: str, limit: Limit, figures: Sequence[Figure]) -> Judgement:
    limited = _final([
        f for f in figures
        if f.matches(name, limit.level, **limit.conditions) and (limit.level == "baseline" or f.level != "baseline")
        and all(part in limit.conditions or part not in f.conditions for part in PARTS)
    ])
    measured = [f for f in limited if f.value is not None]
    # Of equal ones the level nearest to hardware is named.
    worst = max(reversed(measured), key=lambda f: _excess(f, limit), default=None)
    met: bool | None = None
    reason: str | None = None
    if worst is not None and _excess(worst, limit) > 0:
        met = False
    elif not limited:
        where = f" at level {limit.level}" if limit.level else ""
        reason = f"no stage of this run measures {name}{where}" + (" under these conditions" * bool(limit.conditions))
        # A level that is missing as a whole says why.
        if limit.level:
            reason = next((f.reason for f in figures if f.matches("physics_events", limit.level) and f.reason), reason)
    elif len(measured) < len(limited):
        reason = next(f.reason for f in limited if f.value is None)
    else:
        met = True
    return Judgement(
        figure=name, minimum=limit.min, maximum=limit.max, level=limit.level or (worst.level if worst else None),
        conditions={**limit.conditions, **_which(worst, limited, limit)}, value=worst.value if worst else None, met=met,
        reason=reason,
    )


def _final(figures: Sequence[Figure]) -> list[Figure]:
    """Without figures of the HLS route that a later step of it measured as well, or in a report that cannot be read."""
    measured = [s for s in _HLS_ROUTE
                if any(f.source is s and (f.value is not None or "report" in f.conditions) for f in figures)]
    return [f for f in figures if f.source not in _HLS_ROUTE or not measured or f.source is measured[-1]]


def _excess(figure: Figure, limit: Limit) -> float:
    """By how much a figure is out of bounds; at most 0 when it is within."""
    value = figure.value
    assert value is not None
    above = value - limit.max if limit.max is not None else float("-inf")
    below = limit.min - value if limit.min is not None else float("-inf")
    return max(above, below)


def _which(worst: Figure | None, limited: Sequence[Figure], limit: Limit) -> Mapping[str, str | float | int]:
    """Which signal or class decided, where several were held against one limit."""
    if worst is None or len(limited) < 2:
        return {}
    return {k: worst.conditions[k] for k in ("signal", "class") if k in worst.conditions and k not in limit.conditions}
