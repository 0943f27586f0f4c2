"""The engine: the trigger function over many events at the speed of the processor, bit for bit that of firmware.

A trigger function becomes a program of integer operations (``program``), which compiled kernels carry out for blocks of
events side by side (``firmware/engine/engine.cpp``). The kernels are compiled once; a new network needs no compiler.
"""

from __future__ import annotations

from l1trigger.engine.engine import Engine

__all__ = ["Engine"]
