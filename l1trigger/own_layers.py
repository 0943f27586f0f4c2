"""Layers of quantized networks that neither Keras nor QKeras has; architectures bring them.

A network's configuration names them; their classes are looked for among the registered architectures, which are
imported only when a network has such a layer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from l1trigger import plugins
from l1trigger.layer_summary import LayerSummary


class OwnLayer(ABC):
    """Base, beside Keras' own, of the class of such a layer, which converts to firmware bit for bit."""

    @abstractmethod
    def summaries(self) -> Sequence[LayerSummary]:
        """What became of each layer that it stands for."""


class WithOwnLayers(ABC):
    """Base of architectures with such layers."""

    @classmethod
    @abstractmethod
    def own_layers(cls) -> Mapping[str, Any]:
        """Their Keras classes, by the names that configurations have."""

    @classmethod
    @abstractmethod
    def sources(cls) -> tuple[Path, ...]:
        """Files of another package that firmware is made from."""


def sources(architecture: str) -> tuple[Path, ...]:
    """Files of another package that firmware of an architecture is made from."""
    found = plugins.get("l1trigger.models", architecture, "model.architecture")
    return found.sources() if isinstance(found, type) and issubclass(found, WithOwnLayers) else ()


def keras_classes(names: Collection[str] | None = None) -> dict[str, Any]:
    """Keras classes by name.

    Args:
        names: of those that are wanted; names that no architecture has are left out. None takes all.
    """
    if names is not None and not names:
        return {}
    found: dict[str, Any] = {}
    for architecture in plugins.working("l1trigger.models"):
        if isinstance(architecture, type) and issubclass(architecture, WithOwnLayers):
            found |= architecture.own_layers()
    return {name: cls for name, cls in found.items() if names is None or name in names}
