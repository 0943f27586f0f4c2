"""Result of the stage ``convert``: an HLS project on disk and what it was made from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ConvertResult:
    """An HLS project.

    Attributes:
        project: its folder, inside the stage's folder.
        top: name of the C++ top function, the whole trigger function.
        backend: of hls4ml.
        part: FPGA part.
        clock_ns: clock period [ns].
        layer_types: layer name to the fixed-point types that hls4ml gave it (``result``, ``weight`` ...).
        reuse_factors: layer name to (requested, effective) reuse factor.
    """

    project: Path
    top: str
    backend: str
    part: str
    clock_ns: float
    layer_types: Mapping[str, Mapping[str, str]]
    reuse_factors: Mapping[str, tuple[int, int]]

    def save(self, folder: Path) -> None:
        """Writes ``convert.json``; the project must already lie in the folder."""
        meta = {**vars(self), "project": self.project.name}
        (folder / "convert.json").write_text(json.dumps(meta, indent=1))

    @classmethod
    def load(cls, folder: Path) -> ConvertResult:
        """Reads what ``save`` wrote."""
        meta = json.loads((folder / "convert.json").read_text())
        meta["project"] = folder / meta["project"]
        meta["reuse_factors"] = {k: (v[0], v[1]) for k, v in meta["reuse_factors"].items()}
        return cls(**meta)
