"""What a check says when a plugin does not keep its contract."""

from __future__ import annotations


class ContractError(AssertionError):
    """A plugin does not keep its contract."""


def require(holds: bool, what: str) -> None:
    """Raises when something does not hold.

    Raises:
        ContractError: it does not; says what.
    """
    if not holds:
        raise ContractError(what)
