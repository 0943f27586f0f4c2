"""Small images of three kinds (a bar across, a bar down, a block), and a dense network that tells them apart."""

import json
from types import SimpleNamespace

import numpy as np
import stand_ins

from l1trigger import frameworks
from l1trigger.contracts.architecture import ARCHITECTURES, Part, SupervisedArchitecture, Training
from l1trigger.contracts.source import SOURCES, Source
from l1trigger.data.events import DataSet, Events
from l1trigger.data.scaling import InputScaling
from l1trigger.models import dense
from l1trigger.models.classification import Classes
from l1trigger.quantize import training
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


class ToySource(Source):
    """Data source ``toy_images``."""

    class Options(DataSection):
        source: str = "toy_images"
        events: int = 1200
        noise: float = 20.0

    def load(self):
        return data_set(self.options.events, self.options.noise)


class ToyClassifier(SupervisedArchitecture):
    """Architecture ``toy_classifier``: one hidden layer on all pixels."""

    class Options(ModelSection):
        architecture: str = "toy_classifier"
        classes: int = 3
        hidden: tuple[int, ...] = (8,)

    @property
    def scaling(self):
        n = SIDE * SIDE
        return InputScaling((0,) * n, (7,) * n, (3,) * n, (5,) * n, (False,) * n)

    @property
    def truth(self):
        return Classes(self.options.classes)

    def build(self):
        k = frameworks.keras()
        first = k.Input((SIDE * SIDE,), name="x")
        h = dense.hidden_layers(first, self.options.hidden, "dense", batch_norm=False)
        return k.Model(first, k.layers.Dense(self.options.classes, name="output")(h))

    def fit(self, section, data, seed, work, progress):
        frameworks.seed_everything(seed)
        x, y = self.examples(data.train, seed)
        model = self.build()
        model.compile(training.cosine(section, len(x)), loss=self.truth.loss())
        pairs = [(self.scaling.real(a).astype(np.float32), b) for a, b in
                 ((x, y), (data.validation.inputs, self.truth.targets(data.validation)))]
        history = training.fit(model, *pairs, section, work, progress)
        return Training(seed, training.weights_by_name(model), history, min(history["val_loss"]))

    def untrained(self):
        return self.build()

    def layers(self, weights, part):
        model = self.build()
        training.set_weights(model, weights)
        return model

    def float_outputs(self, weights, inputs):
        x = self.scaling.real(inputs).astype(np.float32)
        return np.asarray(self.layers(weights, Part.OUTPUTS).predict(x, verbose=0), np.float64)


def install(monkeypatch):
    """Puts source and architecture among the plugins for the time of a test."""
    stand_ins.install(monkeypatch, SOURCES, toy_images=ToySource)
    stand_ins.install(monkeypatch, ARCHITECTURES, toy_classifier=ToyClassifier)


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
    base = {"task": "classification", "score": "class_margin", "architecture": "toy_classifier", "model": {}}
    v = SimpleNamespace(**base | values)
    return SimpleNamespace(
        task=v.task, model=ARCHITECTURES.get(v.architecture).Options(**v.model),
        compress=SimpleNamespace(score=v.score), data=SimpleNamespace(source="toy_images"),
    )
