"""The one way from traced values to logic, without a pass of alkaid 0.8.2 that is not exact.

``canonicalize_msb_wraps`` takes some one-bit cuts of a scaled value for cuts of its top bit although they are not: the
lowest bit of 3 v + 1 for v of one bit comes out inverted. It saves nothing on the shipped designs.
"""

from __future__ import annotations

from typing import Any


def combinational(inputs: Any, outputs: Any) -> Any:
    """The ``CombLogic`` between inputs and the values made of them."""
    from alkaid.trace import trace

    leave_out_inexact_pass()
    return trace(inputs, outputs)


def leave_out_inexact_pass() -> None:
    """Lets alkaid skip that pass from now on; to be called before anything that makes it optimize logic."""
    from alkaid.trace.passes import canon

    canon.canonicalize_msb_wraps = _as_it_is


def _as_it_is(comb: Any) -> Any:
    return comb
