"""Users' own Keras models, of any graph and shape: read, brought to one form, held against their own outputs."""

from __future__ import annotations

from l1trigger.keras_import.files import SUFFIXES
from l1trigger.keras_import.model import ImportedModel, imported

__all__ = ["SUFFIXES", "ImportedModel", "imported"]
