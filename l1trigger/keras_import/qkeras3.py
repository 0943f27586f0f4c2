"""Models of the QKeras that runs on Keras 3, in the configuration that Keras 2 and its QKeras read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_ADDED = frozenset({"quantization_config", "post_training_scale", "optional"})
"""Options that only Keras 3 and its QKeras have; without a value they change nothing."""
_SAID_TWICE = frozenset({"build_config", "build_input_shape", "compile_config", "module", "registered_name",
                         "shared_object_id"})
_RENAMED = {"batch_shape": "batch_input_shape"}


def is_one(config: Any) -> bool:
    """Whether a configuration of Keras 3 has layers of QKeras."""
    if isinstance(config, list):
        return any(is_one(value) for value in config)
    if not isinstance(config, Mapping):
        return False
    return str(config.get("registered_name")).startswith("qkeras>") or any(is_one(v) for v in config.values())


def as_keras2(config: Any) -> Any:
    """A configuration of Keras 3, in Keras 2's words.

    Raises:
        ValueError: an option has a value that Keras 2's QKeras has not.
    """
    if isinstance(config, list):
        return [as_keras2(value) for value in config]
    if not isinstance(config, Mapping):
        return config
    if config.get("class_name") == "DTypePolicy":
        return config["config"]["name"]
    if "args" in config and "kwargs" in config:
        return _called(config)
    for key in _ADDED & config.keys():
        if config[key]:
            raise ValueError(f"the option {key}: {config[key]} is one of QKeras on Keras 3 alone")
    return {_RENAMED.get(key, key): as_keras2(value) for key, value in config.items()
            if key not in _SAID_TWICE | _ADDED}


def _called(call: Mapping[str, Any]) -> list[Any]:
    """What a layer is called with in a functional model."""
    (given,) = call["args"]
    return [[*one["config"]["keras_history"], {}] for one in (given if isinstance(given, list) else [given])]
