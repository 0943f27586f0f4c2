"""Quantization-aware training with magnitude pruning of a QKeras model (tfmot's polynomial schedule)."""

from __future__ import annotations

from typing import Any

from l1trigger import frameworks
from l1trigger.design import CompressSection, PruningSection
from l1trigger.errors import DesignError, nearest
from l1trigger.quantize.training import Lesson, read_history

_FLOAT = ("Dense", "Conv1D", "Conv2D")
_DEPTHWISE = "DepthwiseConv2D"
_MASKS = 40  # how often the mask is renewed while the sparsity rises


def prune(model: Any, section: PruningSection, steps: int) -> Any:
    """The model with pruning wrapped around its layers with weights; the same model where nothing is to be pruned.

    Args:
        model: QKeras model, or a float one.
        section: sparsity of all layers and of single ones.
        steps: training steps, of which the schedule takes the first ``section.end``.

    Raises:
        DesignError: the section names a layer that does not exist.
    """
    k = frameworks.keras()
    import tensorflow_model_optimization as tfmot

    prunable = [layer.name for layer in model.layers if _is_prunable(layer)]
    for name in section.layers:
        if name not in prunable:
            key = f"compress.pruning.layers.{name}"
            raise DesignError(None, key, "there is no such layer", nearest(name, prunable))
    sparsity = {n: section.layers.get(n, section.sparsity) for n in prunable}
    if not section.prune_output and prunable[-1] not in section.layers:
        sparsity[prunable[-1]] = 0.0
    if not any(sparsity.values()):
        return model

    end = max(2, int(section.end * steps))

    def wrap(layer: Any) -> Any:
        target = sparsity.get(layer.name, 0.0)
        if not target:
            return layer
        if type(layer).__name__ == _DEPTHWISE:  # tfmot has nothing of it to prune unless it says so itself
            layer.get_prunable_weights = lambda: [layer.depthwise_kernel]
        schedule = tfmot.sparsity.keras.PolynomialDecay(0.0, target, 0, end, frequency=max(1, end // _MASKS))
        return tfmot.sparsity.keras.prune_low_magnitude(layer, schedule)

    return k.models.clone_model(model, clone_function=wrap)


def _is_prunable(layer: Any) -> bool:
    """Whether a layer has weights to prune; QKeras' activations call themselves prunable, but have none."""
    return type(layer).__name__ in (*_FLOAT, _DEPTHWISE) or bool(getattr(layer, "get_prunable_weights", list)())


def fine_tune(model: Any, lesson: Lesson, section: CompressSection) -> tuple[Any, dict[str, list[float]]]:
    """Trains a quantized model, or a float one, to reproduce targets, pruning on the way.

    Args:
        model: QKeras model with float weights in it, or a Keras model.
        lesson: what it learns.
        section: pruning and fine tuning.

    Returns:
        The trained model without pruning wrappers, and the history.
    """
    k = frameworks.keras()
    import tensorflow_model_optimization as tfmot

    tune = section.fine_tune
    if tune.epochs == 0:
        return model, {}
    frameworks.seed_everything(lesson.seed)
    steps = tune.epochs * -(-len(lesson.x) // tune.batch_size)
    wrapped = prune(model, section.pruning, steps)
    if wrapped is not model:
        for layer in wrapped.layers:
            name = layer.layer.name if hasattr(layer, "layer") else layer.name
            weights = model.get_layer(name).get_weights()
            layer.set_weights([*weights, *layer.get_weights()[len(weights) :]])
    rate = k.optimizers.schedules.CosineDecay(tune.learning_rate, steps, alpha=0.01)
    # The legacy optimizer keeps its step count where tfmot's callback looks for it.
    wrapped.compile(k.optimizers.legacy.Adam(rate), loss=lesson.loss)
    lesson.work.mkdir(parents=True, exist_ok=True)
    log = lesson.work / "history.csv"
    callbacks = [
        k.callbacks.CSVLogger(str(log), append=True),
        k.callbacks.BackupAndRestore(str(lesson.work / "backup"), delete_checkpoint=False),
        k.callbacks.LambdaCallback(
            on_epoch_end=lambda e, logs: lesson.progress(f"epoch {e + 1}/{tune.epochs}  loss {logs['loss']:.4g}")
        ),
    ]
    if wrapped is not model:
        callbacks.insert(0, tfmot.sparsity.keras.UpdatePruningStep())
    wrapped.fit(
        lesson.inputs(model), lesson.target, epochs=tune.epochs, batch_size=tune.batch_size, verbose=0,
        callbacks=callbacks,
    )
    return _stripped(model, wrapped), read_history(log)


def _stripped(model: Any, wrapped: Any) -> Any:
    """``model`` with the trained weights; pruned weights are exactly zero."""
    if wrapped is model:
        return model
    for layer in wrapped.layers:
        if hasattr(layer, "layer"):
            inner = layer.layer
            values = {v.name: v.numpy() for v in inner.weights}
            masks = {w.name: m.numpy() for w, m, _ in layer.pruning_vars}
            model.get_layer(inner.name).set_weights(
                [values[v.name] * masks.get(v.name, 1.0) for v in inner.weights]
            )
        elif layer.get_weights():
            model.get_layer(layer.name).set_weights(layer.get_weights())
    return model
