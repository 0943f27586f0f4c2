"""The headers of graph stacks in hls4ml's projects.

hls4ml only has to know the shape and type of a stack's outputs; weights, inner types and loops stand in a header that
is written from its plain values.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import jinja2

from l1trigger.errors import DesignError
from l1trigger.fixed_point import FixedPoint
from l1trigger.graph import extension
from l1trigger.graph.function import Stack
from l1trigger.package_files import firmware_folder

StackT = TypeVar("StackT", bound=Stack[Any])


@dataclass(frozen=True)
class Kernel(Generic[StackT]):
    """How one kind of stack comes into hls4ml's projects.

    Attributes:
        name: of its sources: ``name.h`` and the template ``name_stack.h.j2``.
        keras_name: of the class of its QKeras twin.
        stack_of: the plain values of a built twin.
        values: what the template needs: from the name of the function, the stack, the type of its inputs, and how many
            vertices are gone through at a time.
    """

    name: str
    keras_name: str
    stack_of: Callable[[Any], StackT]
    values: Callable[[str, StackT, FixedPoint, int], dict[str, object]]

    @property
    def _headers(self) -> str:
        return f"{self.name}_stacks.h"

    def register(self, hls4ml: Any) -> None:
        """Makes hls4ml know the twin on Vivado and Vitis; once.

        Args:
            hls4ml: the module.
        """
        extension.register_stack(hls4ml, self.keras_name, self._headers)

    def stacks(self, model: Any) -> dict[str, StackT]:
        """The stacks of a built QKeras model, by layer name."""
        return {
            layer.name: self.stack_of(layer) for layer in model.layers if type(layer).__name__ == self.keras_name
        }

    def write(self, model: Any, inputs: FixedPoint, reuse_factor: int, project: Path) -> None:
        """Writes the headers of a model's stacks into an HLS project; does nothing without any.

        Args:
            model: built QKeras model.
            inputs: type of the network's input, which is that of every vertex's features.
            reuse_factor: in how many steps the vertices are gone through.
            project: its folder.

        Raises:
            DesignError: the reuse factor does not divide the number of vertices.
        """
        found = self.stacks(model)
        if not found:
            return
        source, target = firmware_folder() / "hls", project / "firmware" / "nnet_utils"
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(source), undefined=jinja2.StrictUndefined, trim_blocks=True,
            lstrip_blocks=True, keep_trailing_newline=True, autoescape=False,
        )
        template = environment.get_template(f"{self.name}_stack.h.j2")
        shutil.copy(source / f"{self.name}.h", target / f"{self.name}.h")
        for name, stack in found.items():
            parallel = _parallel(stack.vertices, reuse_factor)
            values = self.values(extension.function_name(name), stack, inputs, parallel)
            (target / extension.header_name(name)).write_text(template.render(values))
        includes = "".join(f'#include "{extension.header_name(name)}"\n' for name in found)
        (target / self._headers).write_text(includes)


def _parallel(vertices: int, reuse_factor: int) -> int:
    """Vertices at a time when all are gone through in ``reuse_factor`` steps."""
    if vertices % reuse_factor:
        raise DesignError(
            None, "convert.reuse_factor", f"{reuse_factor} does not divide the {vertices} vertices",
            "take a power of two up to the number of vertices",
        )
    return vertices // reuse_factor


def shifted(t: FixedPoint, places: int) -> FixedPoint:
    """The type of the same bits divided by 2^places."""
    return FixedPoint(t.width, t.integer - places, t.signed)
