"""Random Keras graphs as users build them: layers, options, orders, ports, shared layers, models inside, names."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import toy_cnn

from l1trigger import frameworks, keras_import
from l1trigger.errors import L1TriggerError
from l1trigger.quantize import lint
from l1trigger.sections import ConvertSection, SynthSection
from l1trigger.synth import lower


@dataclass
class Maker:
    """Makes layers of one Keras, one choice after the other.

    Attributes:
        k: Keras 2 or Keras 3.
        rng: that chooses.
        odd: whether things are chosen that firmware cannot have.
    """

    k: Any
    rng: np.random.Generator
    odd: bool = False

    def one(self, *choices):
        return choices[self.rng.integers(len(choices))]

    def maybe(self, probability=0.5):
        return self.rng.random() < probability

    def activation(self):
        if self.odd and self.maybe(0.15):
            return self.one("tanh", "elu", "softplus", "gelu")
        return self.one(None, None, "relu", "relu", "linear", "relu6")

    def name(self):
        """Names that clash with the builder's own, are no identifiers, or are Keras' choice."""
        if self.maybe(0.7):
            return None
        return self.one("x", "input_type", "a_relu", "a", "9th", "with-dash", "output_type", "a_type", "while") + (
            str(self.rng.integers(10**6)) if self.maybe(0.8) else "")

    def weighted(self, x):
        la, use_bias = self.k.layers, self.maybe(0.8)
        common = {"activation": self.activation(), "use_bias": use_bias, "name": self.name()}
        rank = len(x.shape) - 1
        if rank == 1 or self.maybe(0.15):
            return la.Dense(int(self.rng.integers(1, 6)), **common)(x)
        size = int(self.rng.integers(1, 4))
        if rank == 2:
            padding = self.one("valid", "same", "causal")
            size = min(size, x.shape[1])
            return la.Conv1D(3, size, padding=padding, **common)(x)
        padding, size = self.one("valid", "same"), min(size, *x.shape[1:3])
        kind = self.one("conv", "conv", "depthwise", "separable")
        if kind == "depthwise":
            return la.DepthwiseConv2D(size, padding=padding, **common)(x)
        of = la.Conv2D if kind == "conv" else la.SeparableConv2D
        strides = int(self.one(1, 1, 2)) if kind == "conv" else 1
        dilation = 2 if self.odd and self.maybe(0.1) and 2 * size - 1 <= min(x.shape[1:3]) else 1
        if dilation > 1:
            strides = 1
        return of(int(self.rng.integers(1, 5)), size, strides=strides, padding=padding, dilation_rate=dilation,
                  **common)(x)

    def normalized(self, x):
        axis = 1 if self.odd and len(x.shape) > 2 and self.maybe(0.1) else -1
        return self.k.layers.BatchNormalization(
            center=self.maybe(0.7), scale=self.maybe(0.7), axis=axis, epsilon=self.one(1e-3, 1e-5, 0.1))(x)

    def clipped(self, x):
        la = self.k.layers
        if self.odd and self.maybe(0.3):
            return self.one(lambda: la.LeakyReLU(0.25), lambda: la.ReLU(threshold=0.5),
                            lambda: la.ReLU(negative_slope=0.1), la.PReLU, la.ELU)()(x)
        return self.one(la.ReLU, lambda: la.ReLU(max_value=self.one(1.0, 2.5, 4.0, 6.0, 0.75)),
                        lambda: la.Activation(self.one("relu", "linear")))()(x)

    def moved(self, x):
        la, rank = self.k.layers, len(x.shape) - 1
        if rank == 1:
            n = x.shape[1]
            return la.Reshape((n // 2, 2))(x) if n % 2 == 0 and n > 2 else la.Dropout(0.3)(x)
        if rank == 2:
            length = x.shape[1]
            return self.one(
                la.Flatten, la.GlobalAveragePooling1D, la.GlobalMaxPooling1D,
                lambda: la.MaxPooling1D(2) if length > 1 else la.Flatten(), lambda: la.ZeroPadding1D(1),
                lambda: la.UpSampling1D(2), lambda: la.Permute((2, 1)),
            )()(x)
        small = min(x.shape[1:3]) < 2
        return self.one(
            la.Flatten, lambda: la.GlobalAveragePooling2D(keepdims=self.maybe(0.3)),
            la.GlobalMaxPooling2D, lambda: la.ZeroPadding2D(1),
            lambda: la.Flatten() if small else la.MaxPooling2D(2),
            lambda: la.Flatten() if small else la.AveragePooling2D(2), lambda: la.SpatialDropout2D(0.2),
        )()(x)

    def joined(self, x, others):
        la = self.k.layers
        same = [o for o in others if o.shape == x.shape and o is not x]
        if not same:
            return self.weighted(x)
        some = [x, *(same[i] for i in self.rng.permutation(len(same))[: self.rng.integers(1, 3)])]
        kinds = ["Add", "Add", "Average", "Concatenate", "Maximum"] + (["Multiply"] if self.maybe(0.3) else [])
        return getattr(la, self.one(*kinds))()(some)

    def grown(self, tensors, depth):
        """Layers behind some of the tensors; returns all that were made."""
        made = list(tensors)
        for _ in range(depth):
            x = made[-1] if self.maybe(0.7) else made[self.rng.integers(len(made))]
            step = self.one("weighted", "weighted", "weighted", "normalized", "clipped", "moved", "joined", "joined")
            made.append(self.joined(x, made) if step == "joined" else getattr(self, step)(x))
        return made

    def model(self):
        """A model with random weights."""
        k, la = self.k, self.k.layers
        shapes = [self.one((6,), (5, 3), (4, 4, 2)) for _ in range(self.one(1, 1, 1, 2))]
        inputs = [k.Input(s) for s in shapes]
        made = self.grown(inputs, int(self.rng.integers(2, 8)))
        if len(inputs) > 1:
            flat = [la.Flatten()(t) if len(t.shape) > 2 else t for t in (*inputs, made[-1])]
            made += self.grown([la.Concatenate()(flat)], 2)
        if self.maybe(0.3):  # a layer that is used twice
            x = la.Flatten()(made[-1]) if len(made[-1].shape) > 2 else made[-1]
            shared = la.Dense(x.shape[-1], activation=self.one(None, "relu"))
            made.append(shared(shared(x)))
        if self.maybe(0.3):  # a model inside
            x = made[-1]
            first = k.Input(tuple(x.shape[1:]))
            inner = k.Model(first, self.weighted(self.normalized(self.weighted(first))))
            made.append(inner(x))
        outputs = [self.weighted(made[-1]) if any(made[-1] is x for x in inputs) else made[-1]]
        if self.maybe(0.3):
            outputs.append(la.Dense(2)(made[-1]))
        model = k.Model(inputs, outputs if len(outputs) > 1 else outputs[0])
        return self.with_weights(model)

    def sequential(self):
        """The same in a row."""
        x = self.k.Input(self.one((6,), (5, 3), (4, 4, 2)))
        model = self.k.Sequential([x])
        for _ in range(int(self.rng.integers(1, 6))):
            y = getattr(self, self.one("weighted", "weighted", "normalized", "clipped", "moved"))(x)
            layer = y._keras_history[0]
            if layer.name not in {la.name for la in model.layers}:
                model.add(layer)
                x = y
        return self.with_weights(model)

    def with_weights(self, model):
        def value(variable, weight):
            if "variance" in getattr(variable, "path", variable.name):
                return self.rng.uniform(0.3, 2, weight.shape)
            return self.rng.normal(0, 0.6, weight.shape)

        model.set_weights([value(v, w) for v, w in zip(model.weights, model.get_weights(), strict=True)])
        return model


def random_model(seed, odd=False):
    """A random model, and the suffix of a file to save it in."""
    rng = np.random.default_rng(seed)
    keras3 = seed % 2 == 1
    k = frameworks.keras3() if keras3 else frameworks.keras()
    maker = Maker(k, rng, odd)
    model = maker.sequential() if rng.random() < 0.25 else maker.model()
    return model, (".keras", ".h5")[seed // 2 % 2]


@dataclass
class Tried:
    """How far a random model came, and its graph.

    Attributes:
        stage: ``logic`` where the logic of the RTL gives what the quantized network gives, integer by integer.
        kinds: of the layers of its graph.
    """

    stage: str
    kinds: tuple[str, ...]


def tried(seed, folder, odd=False, logic=True):
    """Takes a random model from its file through comparison, rules, quantization and the logic of its RTL.

    Raises:
        L1TriggerError: it is refused before anything is trained.
        AssertionError: what was taken differs, or is refused later.
    """
    model, suffix = random_model(seed, odd)
    path = Path(folder) / f"random{seed}{suffix}"
    model.save(path)
    imported = keras_import.imported(path.read_bytes(), str(path))
    inputs = sum(int(np.prod(s)) for s in imported.shapes)
    try:
        lint.require_float(ConvertSection(), imported.graph.model(), str(path))
    finally:  # what is refused must not be wrong, either
        imported.require_same(np.random.default_rng(seed).normal(size=(100, inputs)))
    kinds = tuple(n.kind for n in imported.graph.nodes)
    if not logic:
        return Tried("float", kinds)
    try:
        function = toy_cnn.of_model(imported.graph.model())
        x = toy_cnn.images(200, inputs, seed)
        made = lower.lower(function, SynthSection(), lower.ports(function.scaling, [x]))
    except L1TriggerError as e:
        raise AssertionError(f"seed {seed}: what was taken is refused later: {e}") from e
    np.testing.assert_array_equal(made.evaluate(x)[0], function.evaluate(x).score, f"seed {seed}, {kinds}")
    return Tried("logic", kinds)
