"""Trigger electronics: towers to 18 x 14 regions and 19 trigger objects, all as hardware integers.

Jets: local maximum of a 9 x 9 tower window about a seed, minus the three lowest of four 3 x 9 side strips (the same
area), which estimates the pile-up. e/gamma: 3 x 3 electromagnetic window with an electromagnetic-fraction and a
loose isolation cut. Missing ET: all towers. Vectorized over a batch of crossings by gathering windows about seeds
only; there are few seeds, so this beats sliding sums over the whole map.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from l1trigger.data.detector import ETA_EDGES, TOWERS_ETA, TOWERS_PHI, UNITS_PER_GEV
from l1trigger.data.objects import EGAMMA, JET, MET, MUON, OBJECTS, ObjectClass, signed_phi

REGIONS = (18, 14)
"""Shape of a region image: 18 in phi, 14 in eta, sums of 4 x 4 towers (the layout of CICADA)."""

_PAD = 8
_ROW = TOWERS_ETA + 2 * _PAD
_PLANE = (TOWERS_PHI + 2 * _PAD) * _ROW
ETA_CENTRES = np.rint((ETA_EDGES[1:] + ETA_EDGES[:-1]) / 2 / JET.lsb[1]).astype(np.int64)
"""Pseudorapidity of the towers in units of calorimeter objects."""


def _box(eta: tuple[int, int], phi: tuple[int, int]) -> NDArray[np.int64]:
    """Offsets in the flat padded map of the towers within the given distances of a seed, ends included."""
    rows = np.arange(phi[0], phi[1] + 1)[:, None] * _ROW
    return (rows + np.arange(eta[0], eta[1] + 1)).ravel()


_JET_WINDOW, _EG_WINDOW, _ISOLATION = _box((-4, 4), (-4, 4)), _box((-1, 1), (-1, 1)), _box((-2, 2), (-4, 4))
_STRIPS = (_box((-4, 4), (5, 7)), _box((-4, 4), (-7, -5)), _box((5, 7), (-4, 4)), _box((-7, -5), (-4, 4)))


@dataclass(frozen=True)
class Thresholds:
    """Cuts of the object finders in units of 0.5 GeV."""

    jet: int = 20
    jet_seed: int = 8
    egamma: int = 6
    egamma_seed: int = 4
    region_bits: int = 10


def _pad(towers: NDArray[np.int16]) -> NDArray[np.int16]:
    """Flat map with a margin: phi wraps around, eta ends in zeros."""
    out = np.zeros((len(towers), TOWERS_PHI + 2 * _PAD, _ROW), np.int16)
    out[:, _PAD:-_PAD, _PAD:-_PAD] = towers
    out[:, :_PAD, _PAD:-_PAD] = towers[:, -_PAD:]
    out[:, -_PAD:, _PAD:-_PAD] = towers[:, :_PAD]
    return out.ravel()


@dataclass(frozen=True)
class _Seeds:
    crossing: NDArray[np.int64]
    eta: NDArray[np.int64]
    phi: NDArray[np.int64]
    at: NDArray[np.int64]

    def keep(self, which: NDArray[np.bool_]) -> _Seeds:
        return _Seeds(self.crossing[which], self.eta[which], self.phi[which], self.at[which])


def _seeds(towers: NDArray[np.int16], threshold: int) -> _Seeds:
    flat = np.flatnonzero(towers >= threshold)
    crossing, rest = np.divmod(flat, TOWERS_PHI * TOWERS_ETA)
    phi, eta = np.divmod(rest, TOWERS_ETA)
    return _Seeds(crossing, eta, phi, crossing * _PLANE + (phi + _PAD) * _ROW + eta + _PAD)


def _local_maximum(window: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Larger than all before the centre and not smaller than all behind, so that equal towers give one object."""
    c = window.shape[1] // 2
    centre = window[:, c : c + 1]
    return np.asarray((window[:, :c] < centre).all(1) & (window[:, c + 1 :] <= centre).all(1))


def _fill(
    out: NDArray[np.int16], kind: ObjectClass, crossing: NDArray[np.int64], pt: NDArray[np.int64],
    eta: NDArray[np.int64], phi: NDArray[np.int64],
) -> None:
    """Writes the leading objects of a class into its rows, sorted by falling pT within each crossing."""
    order = np.lexsort((-pt, crossing))
    crossing = crossing[order]
    rank = np.arange(len(crossing)) - np.searchsorted(crossing, crossing)
    use = rank < kind.count
    values = np.stack([np.minimum(pt, kind.maximum[0]), eta, signed_phi(phi, kind.phi_steps)], 1)[order]
    out[crossing[use], kind.first + rank[use]] = values[use]


def add_missing_et(out: NDArray[np.int16], lines: NDArray[np.int32]) -> None:
    """Writes missing ET into its row.

    Args:
        out: objects (crossings, 19, 3).
        lines: sum of all towers at each phi (crossings, 72).
    """
    angle = (np.arange(TOWERS_PHI) + 0.5) * 2 * math.pi / TOWERS_PHI
    x, y = -(lines @ np.stack([np.cos(angle), np.sin(angle)], 1)).T
    out[:, 0, 0] = np.minimum(np.rint(np.hypot(x, y)), MET.maximum[0])
    steps = np.floor(np.arctan2(y, x) / MET.lsb[2]).astype(np.int64)
    out[:, 0, 2] = np.where(out[:, 0, 0] > 0, signed_phi(steps, MET.phi_steps), 0)


def add_muons(out: NDArray[np.int16], crossing: NDArray[np.int64], muons: NDArray[np.float64]) -> None:
    """Writes the leading muons into their rows.

    Args:
        out: objects (crossings, 19, 3).
        crossing: of each muon.
        muons: (muons, 3) of pT [GeV], eta, phi [rad].
    """
    pt = np.floor(muons[:, 0] / MUON.lsb[0]).astype(np.int64)
    eta = np.clip(np.rint(muons[:, 1] / MUON.lsb[1]).astype(np.int64), -MUON.maximum[1], MUON.maximum[1])
    phi = np.floor(muons[:, 2] / MUON.lsb[2]).astype(np.int64)
    _fill(out, MUON, crossing, pt, eta, phi)


def _jets(out: NDArray[np.int16], towers: NDArray[np.int16], padded: NDArray[np.int16], cut: Thresholds) -> None:
    seeds = _seeds(towers, cut.jet_seed)
    window = padded[seeds.at[:, None] + _JET_WINDOW]
    best = _local_maximum(window)
    seeds, window = seeds.keep(best), window[best]
    strips = np.sort(np.stack([padded[seeds.at[:, None] + s].sum(1) for s in _STRIPS], 1), 1)
    et = window.sum(1) - strips[:, :3].sum(1)
    good = et >= cut.jet
    s = seeds.keep(good)
    _fill(out, JET, s.crossing, et[good], ETA_CENTRES[s.eta], 2 * s.phi + 1)


def _egammas(
    out: NDArray[np.int16], ecal: NDArray[np.int16], padded_ecal: NDArray[np.int16], padded: NDArray[np.int16],
    cut: Thresholds,
) -> None:
    seeds = _seeds(ecal, cut.egamma_seed)
    window = padded_ecal[seeds.at[:, None] + _EG_WINDOW]
    best = _local_maximum(window)
    seeds, et = seeds.keep(best), window[best].sum(1)
    whole = padded[seeds.at[:, None] + _EG_WINDOW].sum(1)
    ring = padded[seeds.at[:, None] + _ISOLATION].sum(1) - whole
    good = (et >= cut.egamma) & (et >= 0.85 * whole) & (ring <= 20 + 0.25 * et)
    s = seeds.keep(good)
    _fill(out, EGAMMA, s.crossing, et[good], ETA_CENTRES[s.eta], 2 * s.phi + 1)


def trigger_primitives(
    deposits: NDArray[np.float64], muon_crossing: NDArray[np.int64], muons: NDArray[np.float64],
    cut: Thresholds = Thresholds(),
) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Objects and regions of a batch of crossings.

    Args:
        deposits: summed towers (crossings, 72 phi, 2 depths, 56 eta) in 1/64 GeV.
        muon_crossing: crossing of each muon.
        muons: (muons, 3) of pT [GeV], eta, phi [rad].
        cut: thresholds of the object finders.

    Returns:
        Objects (crossings, 19, 3) and regions (crossings, 18, 14).
    """
    n = len(deposits)
    # Flooring to 0.5 GeV in 8 bits is the zero suppression, too.
    digital = np.minimum(deposits * (2.0 / UNITS_PER_GEV), 255).astype(np.int16)
    ecal = np.ascontiguousarray(digital[:, :, 0])
    towers = np.minimum(ecal + digital[:, :, 1], 511)
    in_phi = towers.reshape(n, REGIONS[0], 4, TOWERS_ETA).sum(2, dtype=np.int16)
    regions = in_phi.reshape(n, *REGIONS, 4).sum(3, dtype=np.int16)
    regions = np.minimum(regions, 2**cut.region_bits - 1)

    objects = np.zeros((n, OBJECTS, 3), np.int16)
    padded, padded_ecal = _pad(towers), _pad(ecal)
    add_missing_et(objects, towers.sum(2, dtype=np.int32))
    _jets(objects, towers, padded, cut)
    _egammas(objects, ecal, padded_ecal, padded, cut)
    add_muons(objects, muon_crossing, muons)
    return objects, regions
