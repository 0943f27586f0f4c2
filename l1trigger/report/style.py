"""Colours and line styles of the pictures of a report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import mplhep

LEVEL_STYLE: Mapping[str, Mapping[str, Any]] = {
    "float": {"color": "#5790fc", "linestyle": "-", "linewidth": 3.5},
    "quantized": {"color": "#f89c20", "linestyle": "-", "linewidth": 4.5},
    "csim": {"color": "#e42536", "linestyle": (0, (5, 2.5)), "linewidth": 3.0},
    "rtl": {"color": "#451f55", "linestyle": (0, (1.5, 2)), "linewidth": 1.8},
}
"""Later levels are drawn over earlier ones, broken and thinner, so that equal ones all show."""


BASELINE_STYLE: Mapping[str, Any] = {"linewidth": 1.8}


BASELINE_COLORS = ("#3c3f45", "#717581", "#92857a", "#5a7d6c", "#a88b4d", "#9c9ca1")


BASELINE_DASHES = ((0, (1, 1.5)), (0, (4, 1.5)), (0, (6, 1.5, 1, 1.5)), (0, (2, 1)), (0, (8, 2)), (0, (3, 3)))


SIGNAL_COLORS = ("#e42536", "#5790fc", "#f89c20", "#964a8b", "#7a21dd", "#86c8dd", "#b9ac70")


_CHANGES: Mapping[str, Any] = {
    "font.size": 21, "figure.figsize": (10, 8.6), "legend.fontsize": 15.5, "svg.hashsalt": "l1trigger",
    "svg.fonttype": "path", "axes.linewidth": 1.6, "figure.dpi": 100, "axes.formatter.limits": (-4, 5),
}


@contextmanager
def style() -> Iterator[None]:
    """The CMS style of mplhep with smaller letters, for what is drawn inside; nothing else is touched."""
    settings: Any = {**mplhep.style.CMS, **_CHANGES}
    with mpl.rc_context(settings):
        yield
