"""A particle-flow-like parametric detector: particles to physical objects in the ADC2021 layout.

Tracks, two calorimeters and a muon system as resolutions and efficiencies per particle, lepton isolation, anti-kt
jets (fastjet) and missing ET. It stands in for the fast simulation that made the public ADC2021 files; what it
leaves out is listed in ``APPROXIMATIONS`` and travels with every data card.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.data.detector import CHARGED
from l1trigger.data.objects import CLASSES, EGAMMA, JET, MET, MUON, OBJECTS, ObjectClass
from l1trigger.data.pythia import Particles
from l1trigger.errors import MissingExtraError

COLUMNS = 4
"""Columns of an object: pT [GeV], eta, phi [rad], class id."""
APPROXIMATIONS = (
    (
        "resolutions, efficiencies and thresholds follow the usual fast-simulation parametrization of a CMS-like "
        "detector; the constants were not checked against an experiment's card"
    ),
    "no magnetic field but for a cut on loopers: neutral and charged particles keep their direction",
    "no jets that fake leptons, no photon conversions, no tau identification",
)

_TRACKER_ETA, _CALO_ETA, _LOOPER_PT = 2.5, 5.0, 0.75
_RING_EDGES = np.linspace(-4, 4, 17)


@dataclass(frozen=True)
class Selection:
    """What counts as an object, and which events are kept.

    Attributes:
        isolation: largest scalar pT sum in the cone around a lepton, relative to its pT.
        cone: radius of that cone.
        lepton_pt: smallest pT of leptons [GeV].
        electron_eta, muon_eta: largest |eta| of leptons.
        jet_pt, jet_eta, jet_radius: of anti-kt jets, leptons removed [GeV].
        leading_lepton_pt: events are kept with a lepton above this [GeV].
    """

    isolation: float = 0.45
    cone: float = 0.5
    lepton_pt: float = 3.0
    electron_eta: float = 3.0
    muon_eta: float = 2.1
    jet_pt: float = 15.0
    jet_eta: float = 4.0
    jet_radius: float = 0.5
    leading_lepton_pt: float = 23.0


def subset(p: Particles, events: NDArray[np.bool_]) -> Particles:
    """The particles of some events, which are numbered anew."""
    number = np.cumsum(events) - 1
    q = _keep(p, events[p.event])
    return replace(q, event=number[q.event], events=int(events.sum()), pthat=p.pthat[events])


def _keep(p: Particles, which: NDArray[np.bool_]) -> Particles:
    return replace(
        p, pid=p.pid[which], px=p.px[which], py=p.py[which], pz=p.pz[which], energy=p.energy[which],
        event=p.event[which],
    )


@dataclass(frozen=True)
class _Measured:
    """Smeared particles, ordered by event, with what the objects need."""

    particles: Particles
    pt: NDArray[np.float64]
    eta: NDArray[np.float64]
    phi: NDArray[np.float64]
    track: NDArray[np.bool_]
    start: NDArray[np.int64]


def _kinematics(p: Particles) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    pt = np.hypot(p.px, p.py)
    return pt, np.arcsinh(p.pz / np.maximum(pt, 1e-9)), np.arctan2(p.py, p.px)


def _track_resolution(
    pt: NDArray[np.float64], abs_eta: NDArray[np.float64], pid: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Relative momentum resolution of tracks in three |eta| bins."""
    k = np.digitize(abs_eta, (0.5, 1.5))
    constant = np.where(pid == 11, np.array([0.03, 0.05, 0.15])[k], np.array([0.01, 0.015, 0.025])[k])
    slope = np.where(
        pid == 11, np.array([1.3e-3, 1.7e-3, 3.1e-3])[k],
        np.where(pid == 13, np.array([1e-4, 1.5e-4, 3.5e-4])[k], np.array([1.5e-4, 2.5e-4, 5.5e-4])[k]),
    )
    return np.hypot(constant, slope * pt)


def _calorimeter_sigma(
    energy: NDArray[np.float64], eta: NDArray[np.float64], electromagnetic: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Energy resolution [GeV] of the calorimeters."""
    a = np.abs(eta)

    def sigma(constant: float, stochastic: float, noise: float) -> NDArray[np.float64]:
        return np.sqrt((constant * energy) ** 2 + stochastic**2 * energy + noise**2)

    material = np.where(a < 1.5, 1 + 0.64 * eta**2, 2.16 + 5.6 * (a - 2) ** 2)
    em = np.where(a < 2.5, material * sigma(0.008, 0.11, 0.4), sigma(0.107, 2.08, 0.0))
    hadronic = np.where(a < 3, sigma(0.05, 1.5, 0.0), sigma(0.13, 2.7, 0.0))
    return np.where(electromagnetic, em, hadronic)


def _measure(p: Particles, rng: np.random.Generator) -> _Measured:
    """Smears each particle once: by its track where it has one, else by the calorimeter."""
    pt, eta, _ = _kinematics(p)
    pid, a = np.abs(p.pid), np.abs(eta)
    muon, electron, photon = pid == 13, pid == 11, pid == 22
    charged = np.isin(pid, CHARGED)
    looper = charged & (pt < _LOOPER_PT)
    efficiency = np.where(muon | electron, np.where(pt < 2, 0.0, 0.95), np.where(a < 1.5, 0.95, 0.90))
    track = charged & (a < _TRACKER_ETA) & ~looper & (rng.random(len(pt)) < efficiency)
    sigma = np.where(
        track, _track_resolution(pt, a, pid) * p.energy, _calorimeter_sigma(p.energy, eta, photon | electron)
    )
    # Log-normal with the particle's energy as mean: never negative, whatever the resolution.
    log_variance = np.log1p(np.clip(sigma / np.maximum(p.energy, 1e-6), 0, 3) ** 2)
    factor = np.exp(rng.normal(size=len(pt)) * np.sqrt(log_variance) - log_variance / 2)
    threshold = np.where(photon | electron, 0.5, 1.0)
    keep = (a < _CALO_ETA) & ~looper & (track | (~muon & (p.energy * factor > threshold)))
    scaled = replace(p, px=p.px * factor, py=p.py * factor, pz=p.pz * factor, energy=p.energy * factor)
    q = _keep(scaled, keep)
    return _Measured(q, *_kinematics(q), track[keep], np.searchsorted(q.event, np.arange(p.events + 1)))


def _pileup_density(m: _Measured, mean_pileup: float) -> NDArray[np.float64]:
    """Transverse momentum per unit area [GeV] in each event: the median over rings of pseudorapidity."""
    n, rings = m.particles.events, len(_RING_EDGES) - 1
    if mean_pileup == 0:
        return np.zeros(n)
    ring = np.digitize(m.eta, _RING_EDGES) - 1
    inside = (ring >= 0) & (ring < rings)
    total = np.bincount(m.particles.event[inside] * rings + ring[inside], m.pt[inside], n * rings)
    area = (_RING_EDGES[1] - _RING_EDGES[0]) * 2 * math.pi
    return np.asarray(np.median(total.reshape(n, rings), axis=1) / area)


def _isolated(m: _Measured, pid: int, max_eta: float, s: Selection, density: NDArray[np.float64]) -> NDArray[np.int64]:
    """Indices of the particles that are isolated leptons of one kind."""
    # Inside the tracker an electron without track is a photon to the detector.
    seen = m.track | (np.abs(m.eta) > _TRACKER_ETA)
    candidates = np.flatnonzero(
        (np.abs(m.particles.pid) == pid) & (m.pt > s.lepton_pt) & (np.abs(m.eta) < max_eta) & seen
    )
    good = np.zeros(len(candidates), bool)
    for k, i in enumerate(candidates):
        event = m.particles.event[i]
        here = slice(m.start[event], m.start[event + 1])
        dphi = np.remainder(m.phi[here] - m.phi[i] + np.pi, 2 * np.pi) - np.pi
        near = (m.eta[here] - m.eta[i]) ** 2 + dphi**2 < s.cone**2
        around = m.pt[here][near].sum() - m.pt[i] - density[event] * math.pi * s.cone**2
        good[k] = around < s.isolation * m.pt[i]
    return candidates[good]


def _jets(m: _Measured, leptons: NDArray[np.int64], s: Selection) -> Particles:
    """Anti-kt jets of everything but the isolated leptons, as particles of id 0."""
    try:
        import awkward as ak
        import fastjet
    except ImportError as e:
        raise MissingExtraError("fastjet", "gen") from e
    fastjet._swig.ClusterSequence.set_fastjet_banner_stream(None)  # its banner does not belong in our output
    others = np.ones(len(m.pt), bool)
    others[leptons] = False
    q = _keep(m.particles, others)
    momenta = ak.zip({"px": q.px, "py": q.py, "pz": q.pz, "E": q.energy}, with_name="Momentum4D")
    events = ak.unflatten(momenta, np.bincount(q.event, minlength=q.events))
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, s.jet_radius)
    jets = fastjet.ClusterSequence(events, definition).inclusive_jets(min_pt=s.jet_pt / 2)

    def flat(column: Any) -> NDArray[np.float64]:
        return np.asarray(ak.to_numpy(ak.flatten(column)), np.float64)

    event = np.repeat(np.arange(q.events), ak.to_numpy(ak.num(jets)))
    px, py, pz, energy = (flat(jets[c]) for c in ("px", "py", "pz", "E"))
    return Particles(np.zeros(len(event), np.int64), px, py, pz, energy, event, q.events, q.pthat)


def _place(
    rows: NDArray[np.float32], kind: ObjectClass, event: NDArray[np.int64], kinematics: NDArray[np.float64]
) -> None:
    """Writes the hardest objects (pt, eta, phi) of a class into its rows, sorted by falling pT."""
    order = np.lexsort((-kinematics[:, 0], event))
    sorted_event = event[order]
    rank = np.arange(len(order)) - np.searchsorted(sorted_event, sorted_event)
    fits = rank < kind.count
    at = sorted_event[fits], kind.first + rank[fits]
    rows[(*at, slice(0, 3))] = kinematics[order[fits]]
    rows[(*at, 3)] = kind.adc_class


def reconstruct(
    p: Particles, rng: np.random.Generator, selection: Selection, mean_pileup: float = 0.0
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Objects of each event, and which events have a hard isolated lepton.

    Args:
        p: visible final particles, ordered by event.
        rng: source of the smearing.
        selection: what counts as an object.
        mean_pileup: of the events; above 0 isolation and jets are corrected for the pile-up density.

    Returns:
        (events, 19, 4) of pT [GeV], eta, phi [rad], class id, unused rows zero; and (events,) flags.
    """
    m = _measure(p, rng)
    density = _pileup_density(m, mean_pileup)
    electrons = _isolated(m, 11, selection.electron_eta, selection, density)
    muons = _isolated(m, 13, selection.muon_eta, selection, density)
    rows = np.zeros((p.events, OBJECTS, COLUMNS), np.float32)
    mx, my = (-np.bincount(m.particles.event, c, p.events) for c in (m.particles.px, m.particles.py))
    _place(rows, MET, np.arange(p.events), np.stack([np.hypot(mx, my), np.zeros(p.events), np.arctan2(my, mx)], 1))
    lepton = np.stack([m.pt, m.eta, m.phi], 1)
    for kind, index in ((EGAMMA, electrons), (MUON, muons)):
        _place(rows, kind, m.particles.event[index], lepton[index])
    jets = _jets(m, np.concatenate([electrons, muons]), selection)
    pt, eta, phi = _kinematics(jets)
    pt = pt - density[jets.event] * math.pi * selection.jet_radius**2
    hard = (pt > selection.jet_pt) & (np.abs(eta) < selection.jet_eta)
    _place(rows, JET, jets.event[hard], np.stack([pt, eta, phi], 1)[hard])
    leading = np.maximum(rows[:, EGAMMA.first, 0], rows[:, MUON.first, 0])
    return rows, leading > selection.leading_lepton_pt


def rotate(rows: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """The same events turned by random azimuths and mirrored in eta: exact symmetries of the collisions."""
    out = rows.astype(np.float64)
    used = rows[..., 0] > 0
    turn = rng.uniform(-np.pi, np.pi, (len(rows), 1))
    phi = np.remainder(out[..., 2] + turn + np.pi, 2 * np.pi) - np.pi
    out[..., 2] = np.where(used, phi, 0.0)
    out[..., 1] *= rng.choice([-1.0, 1.0], (len(rows), 1))
    out[..., 1] += 0.0  # minus zero becomes zero
    return out.astype(np.float32)


CLASS_NAMES = tuple(
    f"{n}_class_{c.adc_class}" for n, c in zip(("MET", "Four_Ele", "Four_Mu", "Ten_Jet"), CLASSES, strict=True)
)
"""Contents of the key ``Particles_Classes`` of the public files."""
