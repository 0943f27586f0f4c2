"""What a data source has to be."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from l1trigger.plugins import Group, OptionsT, Plugin

if TYPE_CHECKING:
    from l1trigger.data.events import DataSet


class Source(Plugin[OptionsT]):
    """Where events come from. ``Options`` is a ``DataSection``; files that it names are told by its ``files``."""

    @abstractmethod
    def load(self) -> DataSet:
        """Events to train, validate and test on, in hardware integers; the same at every call.

        Raises:
            DataError: a file is missing, damaged, or holds something else; or samples overlap.
            DesignError: the options ask for a sample that is not there.
        """


SOURCES: Group[Source[Any]] = Group("l1trigger.sources", Source, "source", "data", "source")  # type: ignore[type-abstract]
