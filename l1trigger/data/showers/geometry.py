"""The calorimeter that showers are made in.

28 layers of lead for electrons and photons, then 22 of steel for hadrons; behind each absorber lies silicon, divided
into square cells. About 29 radiation lengths and 6 interaction lengths of absorber in all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CELL_MM = 20.0
SILICON_MM = 0.3
GAP_MM = 4.0
"""Silicon and what is behind it, up to the next absorber."""
CELLS = 43
"""Cells along x, and along y; the beam enters in the middle one."""
MIDDLE = CELLS // 2


@dataclass(frozen=True)
class Section:
    """Equal layers one behind the other.

    Attributes:
        name: e.g. ``electromagnetic``.
        material: of the absorber, as Geant4 names it.
        absorber_mm: its thickness in each layer.
        layers: how many.
    """

    name: str
    material: str
    absorber_mm: float
    layers: int


SECTIONS = (
    Section("electromagnetic", "G4_Pb", 5.6, 28),
    Section("hadronic", "G4_STAINLESS-STEEL", 45.0, 22),
)
LAYERS = sum(s.layers for s in SECTIONS)


def absorbers() -> list[Section]:
    """The section of each layer, front to back."""
    return [s for s in SECTIONS for _ in range(s.layers)]


def front_mm() -> NDArray[np.float64]:
    """Where the absorber of each layer begins, from the front of the calorimeter [mm]."""
    depth = np.array([s.absorber_mm + GAP_MM for s in absorbers()])
    return np.asarray(np.cumsum(depth) - depth)


def cell_index(layer: NDArray[np.int64], x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.int64]:
    """One number per cell, from its layer and its place in x and y (0 to 42)."""
    return (layer * CELLS + x) * CELLS + y


def cell_place(index: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Layer, and place in x and y, of cells."""
    whole = index.astype(np.int64)
    return whole // (CELLS * CELLS), whole // CELLS % CELLS, whole % CELLS
