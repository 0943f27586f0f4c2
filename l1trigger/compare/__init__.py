"""The stage ``compare``: reports side by side, held against a committed baseline, beside published designs."""

from __future__ import annotations

from l1trigger.compare.baseline import Baseline, Change, Tolerance, hold_against, load_baseline, make_baseline
from l1trigger.compare.comparison import Comparison, compare
from l1trigger.compare.published import PublishedRow, published_rows

__all__ = [
    "Baseline", "Change", "Comparison", "PublishedRow", "Tolerance", "compare", "hold_against", "load_baseline",
    "make_baseline", "published_rows",
]
