"""Clusters without Geant4: narrow early showers for e/gamma, wide late ones for pions."""

import numpy as np

from l1trigger.data import hits
from l1trigger.data.events import Events
from l1trigger.data.showers import clusters, geant4, geometry, simulation


def inputs(label, energy, rng, slots=hits.SLOTS):
    """Hits (n, slots, 4) of clusters of a class (1 or 0) and energy [GeV] each."""
    count = np.minimum((20 + energy * np.where(label == 1, 1.2, 0.8)).astype(int), slots)
    event = np.repeat(np.arange(len(label)), count)
    e = label[event] == 1
    xy = np.clip(rng.normal(0, np.where(e, 1.0, 4.0), (2, len(event))), -hits.MAX_XY, hits.MAX_XY)
    layer = np.clip(rng.normal(np.where(e, 8, 22), np.where(e, 3, 9)), 0, hits.LAYERS - 1)
    share = 3 + rng.exponential((energy / count)[event] / hits.ENERGY_GEV)
    ragged = np.rint(np.stack([*xy, layer, np.minimum(share, hits.MAX_ENERGY)], axis=1)).astype(np.int16)
    return hits.pad(hits.Ragged(count, ragged), slots)


def events(n=400, seed=1, slots=hits.SLOTS):
    """A sample of both classes in ten blocks, as ``make`` gives it."""
    rng = np.random.default_rng(seed)
    number = np.arange(n)
    label = 1.0 - number % 2
    energy = rng.uniform(10, 100, n)
    pdg = np.resize(np.array(simulation.SPECIES, float), n)
    return Events(
        "showers", inputs(label, energy, rng, slots), np.full(n, 1 / n), clusters.block_of(number).astype(np.int16),
        number.astype(np.int32), {"title": "synthetic"}, {"energy": energy, "label": label, "pdg": pdg},
    )


def chunk(deposits, first=0, pdg=11):
    """A chunk of showers from a list of events, each a list of (layer, x, y, energy [MeV]) about the middle cell."""
    n = len(deposits)
    flat = np.array([d for event in deposits for d in event], float).reshape(-1, 4)
    place = [flat[:, 0].astype(int), *(flat[:, i].astype(int) + geometry.MIDDLE for i in (1, 2))]
    start = np.concatenate([[0], np.cumsum([len(event) for event in deposits])])
    primaries = geant4.Primaries(np.full(n, pdg, np.int32), np.full(n, 50.0), np.zeros(n), np.zeros(n))
    cell = geometry.cell_index(*place).astype(np.uint32)
    return simulation.ShowerChunk(
        primaries, geant4.Deposits(start, cell, flat[:, 3].astype(np.float32)), first + np.arange(n), {},
    )
