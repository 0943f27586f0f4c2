"""Where the vendors' tools are."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from l1trigger.errors import ToolNotFoundError
from l1trigger.sections import VendorSection

_CANDIDATES = {"Vitis": ("vitis-run", "vitis_hls"), "Vivado": ("vivado_hls",)}
"""HLS tools by backend, newer ones first: vitis-run is there since 2023.2, vitis_hls until 2024.1."""

_ARGUMENTS = {"vitis-run": ("--mode", "hls", "--tcl"), "vitis_hls": ("-f",), "vivado_hls": ("-f",)}
REMEDY = ("Remedy: source the vendor's settings64.sh, name the program in synth.vendor.tool, measure RTL instead with "
          "synth.route: rtl, or import reports made elsewhere with l1trigger import-reports")


@dataclass(frozen=True)
class HlsTool:
    """An HLS tool.

    Attributes:
        name: of the program, e.g. ``vitis-run``.
        path: of it.
    """

    name: str
    path: Path

    def command(self, script: str) -> list[str]:
        """Program and arguments that run a Tcl script."""
        return [str(self.path), *_ARGUMENTS[self.name], script]


def find(backend: str, section: VendorSection) -> HlsTool:
    """The HLS tool of a backend; with synthesis or place-and-route asked for, Vivado must be there as well.

    Args:
        backend: ``Vitis`` or ``Vivado``; their projects are not understood by each other's tool.
        section: may name the program.

    Raises:
        ToolNotFoundError: it is not there; says where it was looked for.
    """
    tool = _named(Path(section.tool), backend) if section.tool else _on_path(backend)
    if {"vsynth", "route"} & set(section.steps):
        beside = shutil.which("vivado", path=str(tool.path.parent))
        if beside is None and shutil.which("vivado") is None:
            raise ToolNotFoundError(
                f"The steps {', '.join(section.steps)} need vivado, which is neither beside {tool.path} nor in "
                f"{_searched()}. {REMEDY}"
            )
    return tool


def _named(path: Path, backend: str) -> HlsTool:
    """The program that the design names, or the one in the folder that it names."""
    names = _CANDIDATES[backend]
    for name in names if path.is_dir() else (path.name,):
        program = path / name if path.is_dir() else path
        if name in names and os.access(program, os.X_OK) and program.is_file():
            return HlsTool(name, program.absolute())
    raise ToolNotFoundError(
        f"synth.vendor.tool: {path} is not {' or '.join(names)}, the HLS tool of the backend {backend}, nor a folder "
        f"with it. {REMEDY}"
    )


def _on_path(backend: str) -> HlsTool:
    for name in _CANDIDATES[backend]:
        if (path := shutil.which(name)) is not None:
            return HlsTool(name, Path(path).absolute())
    raise ToolNotFoundError(
        f"The HLS route with the backend {backend} needs {' or '.join(_CANDIDATES[backend])}, which is not in "
        f"{_searched()}. {REMEDY}"
    )


def _searched() -> str:
    return f"PATH ({os.environ.get('PATH', '') or 'empty'})"
