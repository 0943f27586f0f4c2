"""A user's own trained model in place of training: a file of Keras, QKeras, ONNX or QONNX, of any graph and shape."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationInfo, field_validator

from l1trigger import frameworks, keras_import
from l1trigger.contracts.architecture import (
    STORED,
    Loss,
    Part,
    Progress,
    SupervisedArchitecture,
    Training,
    Truth,
    Weights,
)
from l1trigger.contracts.score import SCORES
from l1trigger.data.events import DataSet, Events
from l1trigger.data.objects import present
from l1trigger.data.scaling import FeatureScaling, InputScaling, ObjectInputs, uniform
from l1trigger.design import Design, ModelSection, TrainSection
from l1trigger.errors import DataError, DesignError
from l1trigger.keras_import import ImportedModel
from l1trigger.models import classification
from l1trigger.models.autoencoder import standardized
from l1trigger.network import QuantizedNetwork
from l1trigger.quantize import lint
from l1trigger.unread import Unread, no_pixels, no_vertices, untrained

FILE, WEIGHTS = "file", "weights_file"
"""Names of the weights that hold the files."""
COMPARED = 2000
"""Events on which the network is held against the file's own outputs."""

_PARTS = {"score": Part.OUTPUTS, "reconstruction": Part.RECONSTRUCTION, "latent": Part.LATENT}
"""What a model gives, in the words of the options."""


class NumberScaling(FeatureScaling):
    """Scaling of one number, or of all that one input takes.

    Attributes:
        signed: whether it can be negative; one of ``bits`` is the sign then.
    """

    shift: int = Field(4, ge=-8, le=16)
    signed: bool = False


class KerasModelOptions(ModelSection):
    """Options of the architecture ``keras_model``.

    Attributes:
        file: the model, ``.keras``, ``.h5`` or ``.onnx``, trained on inputs scaled as ``inputs`` says; or its
            architecture alone, ``.json``.
        weights_file: weights, ``.h5``, for an architecture in JSON.
        output: what its outputs are: the anomaly ``score`` itself (the first of them, or logits of ``classes``), the
            ``reconstruction`` of its inputs, or ``latent`` means.
        outputs: layers whose results are the outputs, one behind the other (in ONNX, names of results); none takes the
            model's own.
        classes: number of classes, one output each; None takes the first output for the score.
        logits: leaves out a softmax or sigmoid at the end. Logits rank events as probabilities do, and firmware has no
            exact softmax.
        inputs: scaling of the 19 trigger objects, or a list: one scaling for each input of the model, or for each
            number of its only input.
    """

    architecture: str = "keras_model"
    file: Path
    weights_file: Path | None = None
    output: Literal["score", "reconstruction", "latent"] = "score"
    outputs: tuple[str, ...] = ()
    classes: int | None = Field(None, ge=2)
    logits: bool = False
    inputs: ObjectInputs | tuple[NumberScaling, ...] = Field(default_factory=ObjectInputs)

    @field_validator("file", "weights_file")
    @classmethod
    def _exists(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        """Whether there is a file of the right kind; after the training, which holds all of it, none is needed."""
        if file is None:
            return None
        if info.context != STORED and not file.is_file():
            raise ValueError(f"there is no file {file}; give a .keras, .h5 or .onnx file, relative to the design file")
        if file.suffix.lower() not in keras_import.SUFFIXES:
            raise ValueError(f"{file} is none of {', '.join(keras_import.SUFFIXES)}")
        return file

    def files(self) -> tuple[Path, ...]:
        """The model's."""
        return (*super().files(), *self._files().values())

    def _files(self) -> dict[str, Path]:
        return {name: path for name, path in ((FILE, self.file), (WEIGHTS, self.weights_file)) if path is not None}

    def content(self) -> Weights:
        """What a training keeps of the model: the bytes of its files.

        Raises:
            DataError: one is gone.
        """
        try:
            return {name: np.frombuffer(path.read_bytes(), np.uint8) for name, path in self._files().items()}
        except OSError as e:
            raise DataError(self.file, f"cannot be read ({e.strerror})", "put it back where it was") from e

    def model(self, weights: Weights) -> ImportedModel:
        """The model that a training kept; raises as ``keras_import.imported`` does."""
        file, more = (weights[n].astype(np.uint8).tobytes() if n in weights else None for n in (FILE, WEIGHTS))
        assert file is not None  # every training keeps it
        return keras_import.imported(file, str(self.file), more, self.outputs, self.logits)

    def unread(self, design: Design) -> Iterator[Unread]:
        """Settings that mean nothing with these."""
        yield no_vertices(design)
        if isinstance(self.inputs, ObjectInputs):
            yield no_pixels(design)
        if self.file.suffix.lower() != ".json":
            yield Unread("model.weights_file", f"{self.file} holds weights itself", "leave it out")
        if self.output != "score":
            yield Unread("model.classes", f"the outputs are a {self.output}", "leave it out, or write output: score")
        yield from untrained(self.file)


@dataclass(frozen=True)
class OwnOutputs(Truth):
    """What the full-precision network itself says of each event.

    Attributes:
        outputs: of hardware integers.
    """

    outputs: Callable[[NDArray[Any]], NDArray[np.float64]]

    def targets(self, events: Events) -> NDArray[np.float32]:
        """Outputs of the full-precision network (events, outputs)."""
        return self.outputs(events.inputs).astype(np.float32)

    def loss(self) -> Loss:
        """The squared difference, the mean over the outputs."""
        tf = frameworks.tensorflow()

        return lambda target, output: tf.reduce_mean(tf.square(target - tf.reshape(output, tf.shape(target))), axis=-1)

    def score(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """The first output."""
        return outputs[:, 0]


class KerasModel(SupervisedArchitecture[KerasModelOptions]):
    """Any graph of layers that firmware can have, with any number of inputs and outputs.

    A QKeras or QONNX model goes to firmware as it is. A model of floats is quantized by the stage ``compress`` like one
    that was trained here, and learns its classes, or its own outputs, again. Either is held against the file's own
    outputs.
    """

    Options = KerasModelOptions

    @property
    def scaling(self) -> InputScaling:
        """Scaling of the network's inputs.

        Raises:
            DesignError: it is given for other inputs than the model's.
        """
        return self._scaling(self._model().shapes)

    def _scaling(self, shapes: Sequence[tuple[int, ...]]) -> InputScaling:
        given, sizes = self.options.inputs, [math.prod(s) for s in shapes]
        if isinstance(given, ObjectInputs):
            made = given.scaling()
            if len(made) != sum(sizes):
                raise DesignError(
                    None, "model.inputs", f"{self.options.file} takes {_written(shapes)}, not the {len(made)} numbers "
                    "of the trigger objects", "write one scaling for each input of the model, e.g. inputs: [{shift: 4, "
                    "bits: 10}]",
                )
            return made
        if len(sizes) == 1 != len(given):
            sizes = [1] * sizes[0]
        if len(given) != len(sizes):
            raise DesignError(None, "model.inputs", f"has {len(given)} scalings, but {self.options.file} takes "
                              f"{_written(shapes)}", "write one for each input, or for each number of the only input")
        parts = [uniform(g, n, g.signed) for g, n in zip(given, sizes, strict=True)]
        return sum(parts[1:], parts[0])

    def _model(self, weights: Weights | None = None) -> ImportedModel:
        return self.options.model(self.options.content() if weights is None else weights)

    @property
    def truth(self) -> Truth:
        """Classes, or the file's own outputs."""
        if self.options.classes:
            return classification.Classes(self.options.classes)
        return OwnOutputs(lambda inputs: self.float_outputs(self.options.content(), inputs))

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Checks the shape of an event of the data.

        Raises:
            DesignError: the model takes another.
        """
        shapes = self._model().shapes
        flat = (sum(math.prod(s) for s in shapes),)
        wanted = _without_ones(shapes[0]) if len(shapes) == 1 else flat
        if _without_ones(shape) in (wanted, flat) or (len(wanted) == 1 and math.prod(shape) == wanted[0]):
            return
        turned = sorted(_without_ones(shape)) == sorted(wanted)
        raise DesignError(
            None, "model.file", f"{self.options.file} takes {_written(shapes)}, but an event of the data is "
            f"{_written([shape])}", "exchange the axes in the data, which the model has in another order" if turned
            else "change what the data source gives (data), or take another model",
        )

    def check(self, design: Design) -> None:
        """Reads the file, and whether firmware can have its network.

        Raises:
            DataError: the file cannot be read.
            DesignError: its inputs or outputs are not those of the design.
            UnsupportedLayerError: it has layers, options or quantizers that cannot be brought to firmware.
        """
        options, model = self.options, self._model()
        scaling = self._scaling(model.shapes)
        if model.outputs != (options.classes or model.outputs):
            raise DesignError(None, "model.classes", f"{options.file} has {model.outputs} outputs, not "
                              f"{options.classes}", "write as many classes as the model has outputs")
        self._check_score(design, model, len(scaling))
        if model.is_quantized:
            built = model.quantized_network(scaling).build(exact=False)
            lint.require([f for f in lint.check(design, built) if f.rule not in ("reuse_factor", "unrolling")])
        else:
            lint.require_float(design.convert, model.graph.model(), str(options.file))

    def _check_score(self, design: Design, model: ImportedModel, inputs: int) -> None:
        output, score = self.options.output, design.compress.score
        needed = SCORES.get(score).part
        if needed not in (None, _PARTS[output]):
            fitting = sorted(name for name in SCORES.names() if SCORES.get(name).part in (None, _PARTS[output]))
            raise DesignError(None, "compress.score", f"{score} means nothing for a model whose output is a {output}",
                              f"take {' or '.join(fitting)}, or change model.output")
        if output == "reconstruction" and model.outputs != inputs:
            raise DesignError(None, "model.output", f"{self.options.file} gives {model.outputs} numbers for {inputs} "
                              "inputs, which is no reconstruction", "write output: score or latent")

    def fit(self, section: TrainSection, data: DataSet, seed: int, work: Path, progress: Progress) -> Training:
        """Takes the file as it is, and holds what was made of it against its own outputs; scores that are errors are
        standardized.

        Raises:
            DataError: the file cannot be read, or the network that is read from it computes something else.
        """
        weights = {**self.options.content(), "score_mean": np.zeros(()), "score_std": np.ones(())}
        model = self._model(weights)
        scaling = self._scaling(model.shapes)
        some = data.train.inputs[:COMPARED]
        progress(f"model of {self.options.file}, held against its own outputs on {len(some)} events")
        if model.is_quantized:
            model.require_same_integers(model.quantized_network(scaling), scaling.firmware(some))
        else:
            model.require_same(scaling.real(some))
        if self.options.output == "reconstruction":
            log_error = self.float_score(weights, data.train.inputs)
            weights |= {"score_mean": np.array(log_error.mean()), "score_std": np.array(log_error.std())}
        return Training(seed, weights, {}, 0.0)

    def untrained(self) -> Any:
        """The file's network; None where it is quantized already, and no layer of it is to be named."""
        model = self._model()
        return None if model.is_quantized else model.graph.model()

    def layers(self, weights: Weights, part: Part = Part.OUTPUTS) -> Any:
        """The file's network without quantizers, whatever its outputs are."""
        return self._model(weights).float_graph.model()

    def float_outputs(self, weights: Weights, inputs: NDArray[Any]) -> NDArray[np.float64]:
        """Outputs of the full-precision network (events, outputs)."""
        model = self._model(weights)
        return model.float_outputs(self._scaling(model.shapes).real(inputs))

    def float_score(self, weights: Weights, inputs: NDArray[Any]) -> NDArray[np.float64]:
        """The model's score, or what follows from its outputs: log of the error, or sum of squares."""
        outputs = self.float_outputs(weights, inputs)
        match self.options.output:
            case "score":
                return self.truth.score(outputs)
            case "latent":
                return np.asarray(np.square(outputs).sum(1), np.float64)
        error = np.square(self._scaling(self._model(weights).shapes).real(inputs) - outputs)
        counted = present(inputs) if isinstance(self.options.inputs, ObjectInputs) else np.ones_like(error)
        return standardized((counted * error).sum(1), weights)

    def quantized_network(self, weights: Weights) -> QuantizedNetwork | None:
        """The file's model itself where it is a QKeras model, else None."""
        model = self._model(weights)
        return model.quantized_network(self._scaling(model.shapes)) if model.is_quantized else None


def _written(shapes: Sequence[tuple[int, ...]]) -> str:
    return " and ".join(" x ".join(map(str, s)) + (" numbers" if len(s) == 1 else "") for s in shapes)


def _without_ones(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(n for n in shape if n != 1) or (1,)
