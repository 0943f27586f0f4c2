"""Layers of quantized networks that neither Keras nor QKeras has; architectures bring them.

A network's configuration names them; their classes are looked for among the registered architectures, which are
imported only when a network has such a layer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from l1trigger.contracts.architecture import ARCHITECTURES
from l1trigger.layer_summary import LayerSummary


class OwnLayer(ABC):
    """Base, beside Keras' own, of the class of such a layer, which converts to firmware bit for bit."""

    @abstractmethod
    def summaries(self) -> Sequence[LayerSummary]:
        """What became of each layer that it stands for."""


def sources(architecture: str) -> tuple[Path, ...]:
    """Files of another package that firmware of an architecture is made from."""
    return ARCHITECTURES.get(architecture).sources()


def keras_classes(names: Collection[str] | None = None) -> dict[str, Any]:
    """Keras classes by name.

    Args:
        names: of those that are wanted; names that no architecture has are left out. None takes all.
    """
    if names is not None and not names:
        return {}
    classes: dict[str, Any] = {}
    for architecture in ARCHITECTURES.working().values():
        classes |= architecture.own_layers()
    return {name: cls for name, cls in classes.items() if names is None or name in names}
