"""Tiny data sets and designs that take a second to train."""

import numpy as np

from l1trigger.data.events import DataSet, Events
from l1trigger.data.objects import CLASSES

BLOCKS = 10


def objects(n, seed, hard=1.0, leptons=0.1):
    """Events that look a little like zero bias; ``hard`` stretches pT, ``leptons`` is the chance of a muon."""
    rng = np.random.default_rng(seed)
    out = np.zeros((n, 19, 3), np.int16)
    for c in CLASSES:
        scale = {"met": 50, "egamma": 12, "muon": 10, "jet": 50}[c.name] * hard
        pt = -np.sort(-rng.exponential(scale, (n, c.count)), axis=1).astype(int)
        there = pt > 0
        if c.name == "muon":
            there &= rng.random((n, 1)) < leptons
        angles = [rng.integers(-m, m + 1, pt.shape) if m else np.zeros_like(pt) for m in c.maximum[1:]]
        out[:, c.rows] = np.where(there[..., None], np.stack([np.minimum(pt, c.maximum[0]), *angles], -1), 0)
    return out


def events(name, n, seed, **kinds):
    """A sample of ``objects`` in ten blocks."""
    made = objects(n, seed, **kinds)
    return Events(
        name, made, np.full(n, 1 / n), (np.arange(n) % BLOCKS).astype(np.int16), np.arange(n, dtype=np.int32),
        {"title": "synthetic"},
    )


def dataset(n=2000):
    """Background and two signals."""
    return DataSet(
        events("zerobias", n, 1), events("zerobias", n // 4, 2), events("zerobias", n, 3),
        (events("A4l", n // 4, 4, leptons=0.9), events("LQ", n // 4, 5, hard=2.0)), True, 2760,
    )


def raw_design(score="student", architecture="autoencoder", **compress):
    """A design file's content that trains in seconds."""
    return {
        "name": "tiny",
        "data": {"source": "zerobias"},
        "model": {"architecture": architecture, "hidden": [8], "latent": 2},
        "train": {"epochs": 2, "batch_size": 256},
        "compress": {
            "score": score, "fine_tune": {"epochs": 2, "batch_size": 256},
            "threshold": {"false_positive_rate": 0.01},
            **({"hidden": [8], "distill": {"epochs": 2, "batch_size": 256}} if score == "student" else {}),
            **compress,
        },
    }
