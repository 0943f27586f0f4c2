"""Users' own Keras and ONNX models, of any graph: read, brought to one form, held against their own outputs."""

from __future__ import annotations

from l1trigger.keras_import import files, onnx_file
from l1trigger.keras_import.model import ImportedModel, imported

SUFFIXES = (*files.SUFFIXES, *onnx_file.SUFFIXES)
"""Of files that hold a model; one of JSON holds the architecture alone."""

__all__ = ["SUFFIXES", "ImportedModel", "imported"]
