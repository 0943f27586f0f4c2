"""A tiny design for every plugin of this package; those that need files get tiny ones."""

import h5py
import numpy as np
import toy_showers

from l1trigger import frameworks

FEW = {"epochs": 1, "batch_size": 128}
BITS = {"weights": 3, "biases": 5, "activations": 5, "score": 6}
COMPRESS = {"quantization": BITS, "fine_tune": FEW, "threshold": {"false_positive_rate": 0.1}}
COARSE = {"average_pool": {"size": [6, 7]}}
"""Regions 18 x 14 to 3 x 2."""


LEARNED = {
    "score": "student", "hidden": [4], "distill": FEW, "fold": ["eta"], "link": "log", "tail": 1.0, "method": "learned",
    "learned": {"lut": 60, "front": [30], "epochs": 4, "batch_size": 32}, "quantization": {"score": 6}, "fine_tune": {},
}
"""A student whose bit widths are learned, with everything that may go with it."""


SYNTH = {"yosys": False, "per_layer": False, "events": 40}


def design(name, data, model, compress, **sections):
    """Content of a design file that is gone through in seconds; a model that comes from a file is trained already."""
    train = {} if "file" in model else {"train": FEW}
    return {
        "name": name, "data": data, "model": model, **train, "compress": {**COMPRESS, **compress},
        "csim": {"events": 100, "processes": 1}, "synth": SYNTH, **sections,
    }


def objects(folder):
    return design(
        "objects", {"source": "zerobias", "limit_events": 400, "signals": ["A4l"]},
        {"architecture": "autoencoder", "hidden": [2], "latent": 1}, {"score": "reconstruction_error"},
    )


def cocktail(folder):
    return design(
        "cocktail", {"source": "adc2021", "events": 400, "signals": ["LQ"], "signal_events": 100},
        {"architecture": "variational_autoencoder", "hidden": [4], "latent": 2}, {"score": "latent_norm"},
    )


def own_objects(folder):
    rng = np.random.default_rng(1)
    for i, name in enumerate(("background", "signal")):
        rows = rng.integers(-30, 30, (400 // (i + 1), 19, 3)).astype(float)
        rows[..., 0] = -np.sort(-rng.integers(1, 200, rows.shape[:2]), axis=1)
        rows[:, 0, 1] = 0
        with h5py.File(folder / f"{name}.h5", "w") as f:
            f["objects"] = rows
    k = frameworks.keras()
    model = k.Sequential([k.Input((57,)), k.layers.Dense(4, activation="relu"), k.layers.Dense(1)])
    model.save(folder / "objects.keras")
    data = {
        "source": "table", "background": str(folder / "background.h5"), "columns": {"objects": "objects"},
        "signal_files": {"S": str(folder / "signal.h5")}, "units": "hardware", "unsorted": "sort",
    }
    return design(
        "own_objects", data, {"architecture": "keras_model", "file": str(folder / "objects.keras")}, LEARNED,
    )


def own_numbers(folder):
    rng = np.random.default_rng(3)
    for i, name in enumerate(("background", "signal")):
        with h5py.File(folder / f"{name}.h5", "w") as f:
            f["row"], f["mass"] = rng.normal(i, 20, (400 // (i + 1), 5, 2)), rng.exponential(10, 400 // (i + 1))
    k = frameworks.keras()
    row, mass = k.Input((5, 2)), k.Input((1,))
    h = k.layers.GlobalAveragePooling1D()(k.layers.Conv1D(2, 3, activation="relu")(row))
    k.Model([row, mass], k.layers.Dense(1)(k.layers.Concatenate()([h, mass]))).save(folder / "numbers.h5")
    data = {"source": "arrays", "background": str(folder / "background.h5"), "columns": ["row", "mass"],
            "units": [0.5, 1.0], "signal_files": {"S": str(folder / "signal.h5")}}
    model = {"architecture": "keras_model", "file": str(folder / "numbers.h5"),
             "inputs": [{"shift": 4, "bits": 9, "signed": True}, {"shift": 3, "bits": 7}]}
    return design("own_numbers", data, model, {"score": "classifier"})


def regions(folder):
    for i, name in enumerate(("background", "signal")):
        with h5py.File(folder / f"{name}.h5", "w") as f:
            f["CaloRegions"] = np.random.default_rng(i).poisson(2.0 + i, (400 // (i + 1), 18, 14))
    data = {"source": "cicada", "background": str(folder / "background.h5"),
            "signal_files": {"S": str(folder / "signal.h5")}}
    model = {
        "architecture": "conv_autoencoder", "image": [18, 14, 1], "encoder": [COARSE], "latent": 2,
        "decoder": [{"dense": {"units": 252, "relu": False}}], "pixel": {"shift": 4, "bits": 6},
    }
    return design("regions", data, model, {"score": "student", "hidden": [2], "distill": FEW})


def towers(folder):
    import awkward as ak
    import uproot

    from l1trigger.data.sources.l1ntuple import EMULATED

    for seed, name in enumerate(("background", "signal")):
        rng = np.random.default_rng(seed)
        place = np.stack([rng.choice(56 * 72, 40, replace=False) for _ in range(400 // (seed + 1))])
        eta = place // 72 - 28
        branches = {"iet": rng.integers(1, 20, place.shape), "ieta": eta + (eta >= 0), "iphi": place % 72 + 1}
        with uproot.recreate(folder / f"{name}.root") as f:
            f.mktree(EMULATED, dict.fromkeys(branches, "var * int16"))
            f[EMULATED].extend({n: ak.Array(list(v.astype(np.int16))) for n, v in branches.items()})
    data = {"source": "l1ntuple", "background": str(folder / "background.root"),
            "signal_files": {"S": str(folder / "signal.root")}}
    model = {
        "architecture": "conv_variational_autoencoder", "image": [18, 14, 1], "encoder": [COARSE], "latent": 2,
        "decoder": [{"dense": {"units": 252, "relu": False}}], "pixel": {"shift": 4, "bits": 6},
    }
    return design("towers", data, model, {"score": "latent_norm"})


def digits(folder):
    model = {
        "architecture": "conv_autoencoder", "image": [8, 8, 1], "encoder": [{"average_pool": {"size": 4}}], "latent": 2,
        "decoder": [{"dense": {"units": 64, "relu": False}}], "pixel": {"shift": 4, "bits": 5},
    }
    return design("digits", {"source": "digits"}, model, {"score": "image_error"})


def house_numbers(folder):
    from scipy.io import savemat

    for seed, name in enumerate(("train", "test")):
        images = np.random.default_rng(seed).integers(0, 256, (32, 32, 3, 200), dtype=np.uint8)
        savemat(folder / f"{name}.mat", {"X": images, "y": (np.arange(200) % 10 + 1).astype(np.uint8)[:, None]})
    data = {"source": "svhn", "train": str(folder / "train.mat"), "test": str(folder / "test.mat")}
    model = {
        "architecture": "cnn", "image": [32, 32, 3], "layers": [{"average_pool": {"size": 16}}], "classes": 10,
        "pixel": {"shift": 8, "bits": 8},
    }
    return design("house_numbers", data, model, {"score": "class_margin"}, task="classification")


def species(folder):
    k = frameworks.keras()
    x = k.Input((4, 4, 1))
    h = k.layers.Conv2D(2, 2, strides=2, activation="relu")(x)
    k.Model(x, k.layers.Dense(5)(k.layers.Flatten()(h))).save(folder / "species.keras")
    data = {"source": "calorimeter_images", "size": 4, "slices": [0], "limit_events": 1500}
    model = {"architecture": "keras_model", "file": str(folder / "species.keras"), "classes": 5,
             "inputs": [{"shift": 8, "bits": 12}]}
    return design("species", data, model, {"score": "class_margin"}, task="classification")


HITS = {"hits": 8, "head": [3], "symmetric_copies": 1}


def showers(folder):
    model = {"architecture": "garnet", "aggregators": [2], "propagate": [2], "filters": [2], **HITS}
    return design(
        "showers", {"source": "showers", "limit_events": 600, "max_hits": 8}, model,
        {"score": "classifier"}, task="calorimeter", synth={**SYNTH, "vertices_per_clock": 4},
    )


def own_clusters(folder):
    sample = toy_showers.events(400, slots=8)
    with h5py.File(folder / "clusters.h5", "w") as f:
        f["hits"], f["energy"], f["label"] = sample.inputs, sample.truth["energy"], sample.truth["label"]
    columns = {"hits": "hits", "count": None, "label": "label", "energy": "energy"}
    data = {"source": "clusters", "background": str(folder / "clusters.h5"), "columns": columns, "max_hits": 8}
    model = {"architecture": "gravnet", "coordinates": [2], "propagate": [2], "filters": [2], "neighbours": 2, **HITS}
    return design(
        "own_clusters", data, model, {"score": "classifier"}, task="calorimeter", synth={"route": "none"},
    )


ALL = {
    made.__name__: made for made in (
        objects, cocktail, own_objects, own_numbers, regions, towers, digits, house_numbers, species, showers,
        own_clusters,
    )
}
"""Functions that write files into a folder and give the content of a design file."""
