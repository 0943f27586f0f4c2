"""Small images that look a little like region energies, and designs on them that train in seconds."""

from typing import Any

import numpy as np

from l1trigger.data.events import DataSet, Events

IMAGE = [6, 4, 1]
ENCODER = [{"conv": {"filters": 3, "padding": "same"}}, {"average_pool": {"size": 2}}]
DECODER = [
    {"dense": {"units": 18}}, {"reshape": {"shape": [3, 2, 3]}}, {"up_sample": {"size": 2}},
    {"conv": {"filters": 1, "padding": "same", "relu": False}},
]
PIXEL = {"shift": 4, "offset": -8, "bits": 6, "drop": 1}


def images(n: int, seed: int, hot: int = 0) -> np.ndarray:
    """Exponential noise (n, 6, 4), and ``hot`` deposits in each image."""
    rng = np.random.default_rng(seed)
    out = rng.exponential(5, (n, 6, 4))
    for _ in range(hot):
        out[np.arange(n), rng.integers(0, 6, n), rng.integers(0, 4, n)] += rng.exponential(60, n)
    return np.minimum(out, 1023).astype(np.int16)


def data_set(n: int = 1000) -> DataSet:
    """Background and one signal."""
    return DataSet(
        Events.unweighted("background", images(n, 1)), Events.unweighted("background", images(n // 4, 2)),
        Events.unweighted("background", images(n, 3)), (Events.unweighted("hot", images(n // 4, 4, hot=2)),),
        False, 2760,
    )


def raw_design(score: str = "student", model: dict[str, Any] | None = None, **compress: Any) -> dict[str, Any]:
    """A design file's content."""
    few = {"epochs": 2, "batch_size": 256}
    student = {"distill": few} | ({} if "layers" in compress else {"hidden": [4]}) if score == "student" else {}
    return {
        "name": "toy_regions",
        "data": {"source": "zerobias"},
        "model": {"architecture": "conv_autoencoder", "image": IMAGE, "encoder": ENCODER, "latent": 2,
                  "decoder": DECODER, "pixel": PIXEL, **(model or {})},
        "train": few,
        "compress": {"score": score, "fine_tune": few, "threshold": {"false_positive_rate": 0.01}, **student,
                     **compress},
    }
