"""Models made of hls4ml's own GarNet layers, with random weights, saved as their users save them."""

import numpy as np

from l1trigger import frameworks
from l1trigger.convert import hls4ml

STACK = {"n_aggregators": [3, 4], "n_filters": [4, 5], "n_propagate": [4, 3]}
SINGLE = {"n_aggregators": 3, "n_filters": 5, "n_propagate": 4}


def model(vertices=16, stack=True, head=(6,), outputs="two", input_format="xn", seed=1, **options):
    """A Keras model.

    ``outputs``: two layers, the same with the energy first, one layer of two, the class alone, or None, which ends with
    the graph layers.
    """
    hls4ml.version()  # lets hls4ml take Keras 2
    from hls4ml.contrib import garnet  # noqa: TID251 (inside the mask)

    k = frameworks.keras()
    frameworks.seed_everything(seed)
    hits = k.Input((vertices, 4), name="hits")
    inputs = [hits, k.Input((1,), name="n", dtype="uint16")] if input_format == "xn" else hits
    given = {"simplified": True, "collapse": "mean", "output_activation": None, **(STACK if stack else SINGLE)}
    if stack:
        given["quantize_transforms"] = None
    kind = garnet.GarNetStack if stack else garnet.GarNet
    h = kind(input_format=input_format, name="gar", **(given | options))(inputs)
    for index, size in enumerate(head):
        h = k.layers.Dense(size, activation="relu", name=f"dense{index}")(h)
    if outputs in ("two", "energy first"):
        h = [k.layers.Dense(1, activation="sigmoid", name="cls")(h), k.layers.Dense(1, name="energy")(h)]
        h = h if outputs == "two" else h[::-1]
    elif outputs == "class":
        h = k.layers.Dense(1, activation="sigmoid", name="cls")(h)
    elif outputs == "one":
        h = k.layers.Dense(2, name="both")(h)
    made = k.Model(inputs, h)
    rng = np.random.default_rng(seed)
    made.set_weights([rng.normal(0, 0.5, w.shape) for w in made.get_weights()])
    return made


def events(vertices=16, count=200, seed=1):
    """Events (count, V, 4) and how many hits each has (count, 1): the first is empty, the second full."""
    rng = np.random.default_rng(seed)
    n = rng.integers(0, vertices + 1, count)
    n[:2] = 0, vertices
    x = rng.uniform(-1, 1, (count, vertices, 4))
    x[..., 3] = rng.uniform(0.05, 2, (count, vertices))
    x[np.arange(vertices) >= n[:, None]] = 0
    return x.astype(np.float32), n[:, None].astype(np.float32)
