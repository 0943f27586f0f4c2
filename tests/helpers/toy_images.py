"""Small images of three kinds (a bar across, a bar down, a block), and a dense network that tells them apart."""

import json
from types import SimpleNamespace

import numpy as np

from l1trigger import frameworks, plugins
from l1trigger.data.events import DataSet, Events
from l1trigger.data.scaling import InputScaling
from l1trigger.models import dense
from l1trigger.models.architecture import Training
from l1trigger.models.classification import Classification
from l1trigger.quantize import dense_layers, training
from l1trigger.sections import DataSection, ModelSection

SIDE = 6
CLASSES = ("across", "down", "block")


def images(kinds, seed=0, noise=20.0):
    """Images (n, 6, 6, 1) of 8 bits, each with a shape of its kind in a random place."""
    rng = np.random.default_rng(seed)
    row, column = rng.integers(0, SIDE - 1, (2, len(kinds)))
    y, x = np.mgrid[:SIDE, :SIDE][:, None]
    near = (np.abs(y - row[:, None, None] - 0.5) < 1, np.abs(x - column[:, None, None] - 0.5) < 1)
    kind = np.asarray(kinds)[:, None, None]
    drawn = np.where(kind == 0, near[0], np.where(kind == 1, near[1], near[0] & near[1]))
    light = 100 * drawn * rng.uniform(0.6, 1.4, (len(kinds), 1, 1)) + rng.exponential(noise, drawn.shape)
    return np.minimum(light, 255).astype(np.int16)[..., None]


def sample(name, kinds, seed=0, noise=20.0, weight=None):
    """Events of given kinds, with truth."""
    n = len(kinds)
    weight = np.full(n, 1 / n) if weight is None else weight / weight.sum()
    return Events(
        name, images(kinds, seed, noise), weight, np.full(n, -1, np.int16), np.full(n, -1, np.int32),
        {"title": "synthetic"}, {"class": np.asarray(kinds, float)},
    )


def data_set(n=1200, noise=20.0):
    """Train and validation of all classes, the test events of classes 1 and 2, and those of class 0 as the signal."""
    def kinds(n, *some):
        return np.resize(np.array(some), n)

    return DataSet(
        sample("images", kinds(n, 0, 1, 2), 1, noise), sample("images", kinds(n // 4, 0, 1, 2), 2, noise),
        sample("images", kinds(n // 2, 1, 2), 3, noise), (sample(CLASSES[0], kinds(n // 4, 0), 4, noise),), False, 2760,
        CLASSES,
    )


class ToySource:
    """Data source ``toy_images``."""

    class Options(DataSection):
        source: str = "toy_images"
        events: int = 1200
        noise: float = 20.0

    def load(self, section):
        return data_set(section.events, section.noise)


class ToyClassifier(Classification):
    """Architecture ``toy_classifier``: one hidden layer on all pixels."""

    class Options(ModelSection):
        architecture: str = "toy_classifier"
        classes: int = 3
        hidden: tuple[int, ...] = (8,)

    @staticmethod
    def scaling(options):
        n = SIDE * SIDE
        return InputScaling((0,) * n, (7,) * n, (3,) * n, (5,) * n, (False,) * n)

    @staticmethod
    def build(options):
        k = frameworks.keras()
        first = k.Input((SIDE * SIDE,), name="x")
        h = dense.hidden_layers(first, options.hidden, "dense", batch_norm=False)
        return k.Model(first, k.layers.Dense(options.classes, name="output")(h))

    @classmethod
    def fit(cls, options, section, data, seed, work, progress):
        frameworks.seed_everything(seed)
        x, y = cls.examples(options, data.train, seed)
        scaling, model = cls.scaling(options), cls.build(options)
        model.compile(training.cosine(section, len(x)), loss=cls.loss(options))
        pairs = [(scaling.real(a).astype(np.float32), b) for a, b in
                 ((x, y), (data.validation.inputs, cls.targets(options, data.validation)))]
        history = training.fit(model, *pairs, section, work, progress)
        return Training(seed, training.weights_by_name(model), history, min(history["val_loss"]))

    @classmethod
    def float_outputs(cls, options, weights, scaling, inputs):
        model = cls.build(cls.Options.model_validate(options))
        training.set_weights(model, weights)
        return np.asarray(model.predict(scaling.real(inputs).astype(np.float32), verbose=0), np.float64)

    @classmethod
    def examples(cls, options, events, seed):
        return events.inputs, cls.targets(options, events)

    @classmethod
    def quantized_model(cls, options, weights, section, internal, x):
        model = cls.build(options)
        training.set_weights(model, weights)
        stack = dense.folded_dense(model, linear=("output",))
        return dense_layers.build(stack, dense.fit_types(stack, section, x), cls.scaling(options))


def install(monkeypatch):
    """Puts source and architecture among the plugins for the time of a test."""
    more = {("l1trigger.sources", "toy_images"): ToySource, ("l1trigger.models", "toy_classifier"): ToyClassifier}
    get = plugins.get

    def found(group, name, key=""):
        return more[group, name] if (group, name) in more else get(group, name, key)

    monkeypatch.setattr(plugins, "get", found)


def raw_design(**sections):
    """A design file's content that trains in seconds."""
    base = {
        "name": "toy_images",
        "task": "classification",
        "data": {"source": "toy_images"},
        "model": {"architecture": "toy_classifier"},
        "train": {"epochs": 12, "batch_size": 64, "learning_rate": 1e-2},
        "compress": {
            "score": "class_margin", "quantization": {"weights": 6, "biases": 8, "activations": 6, "score": 10},
            "fine_tune": {"epochs": 2, "batch_size": 64}, "threshold": {"false_positive_rate": 0.05},
        },
        "synth": {"yosys": False, "per_layer": False},
    }
    return json.loads(json.dumps(base | {k: base.get(k, {}) | v for k, v in sections.items()}, default=str))


def design(**values):
    """What ``classification.require_fit`` reads of a design."""
    model = ToyClassifier.Options(**values.pop("model", {}))
    base = {"task": "classification", "score": "class_margin", "architecture": model.architecture}
    v = SimpleNamespace(**base | values)
    return SimpleNamespace(
        task=v.task, model=model.model_copy(update={"architecture": v.architecture}),
        compress=SimpleNamespace(score=v.score), data=SimpleNamespace(source="toy_images"),
    )
