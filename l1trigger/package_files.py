"""Where the files that ship with the package lie, in a checkout and in an installed wheel alike."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def samples_folder() -> Path:
    """Folder of the shipped event samples."""
    return _PACKAGE / "data" / "samples"


def firmware_folder() -> Path:
    """Folder of the hand-written HLS and RTL sources: inside an installed package, beside it in a checkout."""
    inside = _PACKAGE / "firmware"
    return inside if inside.is_dir() else _PACKAGE.parent / "firmware"
