"""A parametric detector: particles to calorimeter-tower deposits and muons, vectorized over a batch of collisions.

A 3.8 T solenoid, an electromagnetic and a hadronic calorimeter of 72 x 56 towers (CMS trigger-tower edges,
|eta| < 3) and a muon system. It imitates a level-1 trigger's resolution, not any experiment's calibration; the
constants and what is left out are listed in ``APPROXIMATIONS`` and travel with every data card.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from l1trigger.data.pythia import Particles

TOWERS_ETA, TOWERS_PHI = 56, 72
MAP = TOWERS_ETA * TOWERS_PHI
CELLS = 2 * MAP
"""Cells of one event: electromagnetic towers, then hadronic ones, each indexed ieta * 72 + iphi."""
UNITS_PER_GEV = 64
"""Deposits are stored in units of 1/64 GeV of transverse energy."""

_HALF = np.concatenate([np.arange(21) * 0.087, [1.830, 1.930, 2.043, 2.172, 2.322, 2.5, 2.65, 3.0]])
ETA_EDGES = np.concatenate([-_HALF[::-1], _HALF[1:]])

CHARGED = (11, 13, 211, 321, 2212, 3112, 3222, 3312, 3334)
"""Codes of the charged particles that reach a detector; antiparticles have the negative code."""
_NEGATIVE = (11, 13, 3112, 3312, 3334)  # those among them whose particle, not antiparticle, is negative

_CURVATURE = 0.3 * 3.8  # pT [GeV] per metre of bending radius
_R_ECAL, _Z_ECAL, _SIGMA_Z = 1.29, 3.17, 0.035  # m
_LEAST_DEPOSIT = 2
_MUON_PT, _MUON_ETA, _MUON_EFFICIENCY = 2.5, 2.4, 0.93
# Decay lengths c*tau/m [m/GeV] of charged pions and kaons; the kaon's is divided by its branching to a muon.
_DECAY_LENGTH = {211: 7.80 / 0.1396, 321: 3.71 / 0.4937 / 0.64}
_MOMENTUM_SHARE = {211: 0.57, 321: 0.05}  # smallest share of the momentum that the muon keeps

APPROXIMATIONS = (
    "no forward calorimeter (|eta| > 3), no out-of-time pile-up, no electronic noise or spikes",
    "showers stay in one tower: no sharing between towers",
    (
        "hadronic response 1 - 0.55 exp(-E/8 GeV) and a 40 % share of hadrons that are minimum ionizing in the "
        "electromagnetic part are guesses; jets are on the raw level-1 scale"
    ),
    "muon pT resolution is Gaussian in 1/pT (14/20/24 %) without mis-measurement tails; no punch-through",
    "pions and kaons that decay in flight keep their calorimeter deposit",
)


@dataclass(frozen=True)
class Deposits:
    """Sparse tower deposits: event i owns cells ``cell[start[i]:start[i+1]]`` with values in 1/64 GeV."""

    start: NDArray[np.int64]
    cell: NDArray[np.uint16]
    value: NDArray[np.uint16]


@dataclass(frozen=True)
class Muons:
    """Measured muons, ordered by event: columns pT [GeV], eta, phi [rad]."""

    event: NDArray[np.int64]
    kinematics: NDArray[np.float32]


def calorimeter(p: Particles, rng: np.random.Generator) -> Deposits:
    """Tower deposits of a batch: helix to the calorimeter face, response, smearing, sum per tower."""
    pid = np.abs(p.pid)
    pt = np.maximum(np.hypot(p.px, p.py), 1e-6)
    slope = p.pz / pt
    sign = np.where(np.isin(pid, _NEGATIVE), -1, 1) * np.sign(p.pid)
    charge = np.where(np.isin(pid, CHARGED), sign, 0)
    z0 = rng.normal(0, _SIGMA_Z, p.events)[p.event]
    radius = np.where(charge != 0, pt / _CURVATURE, 1e9)
    barrel = np.where(2 * radius > _R_ECAL, 2 * radius * np.arcsin(np.minimum(_R_ECAL / (2 * radius), 1)), np.inf)
    endcap = (_Z_ECAL - np.sign(slope) * z0) / np.maximum(np.abs(slope), 1e-9)
    arc = np.minimum(barrel, endcap)
    turn = arc / radius
    r = np.abs(2 * radius * np.sin(np.minimum(turn, 4 * np.pi) / 2))
    eta = np.arcsinh((z0 + arc * slope) / np.maximum(r, 1e-3))
    phi = np.arctan2(p.py, p.px) - charge * np.minimum(turn, 4 * np.pi) / 2

    keep = (pid != 13) & (np.abs(eta) < ETA_EDGES[-1]) & (turn < 4 * np.pi)  # two turns, then lost
    energy, eta, phi, event = p.energy[keep], eta[keep], phi[keep], p.event[keep]
    electromagnetic = np.isin(pid[keep], (11, 22))
    ecal, hcal = _response(energy, electromagnetic, rng)

    ieta = np.clip(np.digitize(eta, ETA_EDGES) - 1, 0, TOWERS_ETA - 1)
    iphi = np.floor(phi / (2 * np.pi) * TOWERS_PHI).astype(np.int64) % TOWERS_PHI
    cell = event * CELLS + ieta * TOWERS_PHI + iphi
    transverse = 1 / np.cosh(eta)
    key, inverse = np.unique(np.concatenate([cell, cell + MAP]), return_inverse=True)
    value = np.rint(np.bincount(inverse, np.concatenate([ecal * transverse, hcal * transverse])) * UNITS_PER_GEV)
    some = value >= _LEAST_DEPOSIT
    key, value = key[some], np.minimum(value[some], 65535)
    start = np.searchsorted(key, np.arange(p.events + 1) * CELLS)
    return Deposits(start, (key % CELLS).astype(np.uint16), value.astype(np.uint16))


def _response(
    energy: NDArray[np.float64], electromagnetic: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Measured energy [GeV] in the electromagnetic and hadronic calorimeter."""
    n = len(energy)
    minimum_ionizing = rng.random(n) < 0.4
    shared = np.where(minimum_ionizing, np.minimum(0.3 / energy, 1), rng.uniform(0, 0.9, n))
    share = np.where(electromagnetic, 1.0, shared)
    hadronic = 1 - 0.55 * np.exp(-energy / 8)

    def smear(e: NDArray[np.float64], stochastic: float, constant: float) -> NDArray[np.float64]:
        sigma = np.sqrt(stochastic**2 * e + (constant * e) ** 2)
        return np.maximum(e + sigma * rng.normal(size=n), 0)

    ecal = np.where(electromagnetic, smear(energy, 0.03, 0.006), smear(energy * share * hadronic, 0.8, 0.07))
    hcal = np.where(electromagnetic, 0.0, smear(energy * (1 - share) * hadronic, 1.1, 0.07))
    return ecal, hcal


def muons(p: Particles, rng: np.random.Generator, passes: int = 1) -> list[Muons]:
    """Measured muons of a batch, drawn ``passes`` times independently.

    Prompt muons, and pions and kaons that decay before the calorimeter. The passes differ in which hadron decays,
    in efficiency and in resolution; they make the rare muons of a collision many at almost no cost.

    Returns:
        One ``Muons`` per pass.
    """
    pid = np.abs(p.pid)
    pt_all = np.hypot(p.px, p.py)
    eta_all = np.arcsinh(p.pz / np.maximum(pt_all, 1e-6))
    c = np.isin(pid, (13, 211, 321)) & (pt_all > _MUON_PT) & (np.abs(eta_all) < _MUON_ETA)
    pid, pt, eta, event = pid[c], pt_all[c], eta_all[c], p.event[c]
    phi = np.arctan2(p.py[c], p.px[c])
    momentum = pt * np.cosh(eta)
    path = np.minimum(_R_ECAL * np.cosh(eta), _Z_ECAL / np.maximum(np.abs(np.tanh(eta)), 1e-6))
    length = np.where(pid == 211, _DECAY_LENGTH[211], _DECAY_LENGTH[321]) * momentum
    probability = np.where(pid == 13, 1.0, -np.expm1(-path / length))
    least = np.where(pid == 211, _MOMENTUM_SHARE[211], _MOMENTUM_SHARE[321])
    resolution = np.select([np.abs(eta) < 0.83, np.abs(eta) < 1.24], [0.14, 0.20], 0.24)

    out = []
    for _ in range(passes):
        kept = np.where(pid == 13, 1.0, rng.uniform(least, 1.0))
        true_pt = pt * kept
        seen = (rng.random(len(pt)) < probability * _MUON_EFFICIENCY) & (true_pt > _MUON_PT)
        n = int(seen.sum())
        measured = true_pt[seen] / np.clip(1 + resolution[seen] * rng.normal(size=n), 0.2, None)
        angles = eta[seen] + rng.normal(0, 0.015, n), phi[seen] + rng.normal(0, 0.02, n)
        out.append(Muons(event[seen], np.stack([measured, *angles], 1).astype(np.float32)))
    return out
