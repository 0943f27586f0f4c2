"""From collisions to a bit-exact trigger network: data, train, compress, convert, csim, synth, report.

The public names below are imported when they are first used; importing the package loads neither TensorFlow nor
hls4ml.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from l1trigger.bit_exact import Comparison
    from l1trigger.data.events import DataSet, Events, load_events, save_events
    from l1trigger.design import Design
    from l1trigger.design import load as load_design
    from l1trigger.engine import Engine
    from l1trigger.errors import L1TriggerError
    from l1trigger.figures import Figure
    from l1trigger.fixed_point import FixedPoint
    from l1trigger.pipeline import Run, run
    from l1trigger.results import Results
    from l1trigger.trigger import TriggerFunction

_PUBLIC = {
    "Comparison": "bit_exact", "DataSet": "data.events", "Events": "data.events",
    "load_events": "data.events", "save_events": "data.events", "Design": "design", "load_design": "design:load",
    "Engine": "engine",
    "L1TriggerError": "errors", "FixedPoint": "fixed_point", "Run": "pipeline", "run": "pipeline",
    "Figure": "figures", "Results": "results", "TriggerFunction": "trigger",
}

__all__ = [
    "Comparison", "DataSet", "Design", "Engine", "Events", "Figure", "FixedPoint", "L1TriggerError", "Results", "Run",
    "TriggerFunction", "__version__", "load_design", "load_events", "run", "save_events",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("l1trigger")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'l1trigger' has no attribute '{name}'")
    module, _, attribute = _PUBLIC[name].partition(":")
    return getattr(import_module(f"l1trigger.{module}"), attribute or name)


def __dir__() -> list[str]:
    return __all__
