"""The HLS project around the network: the whole trigger function, its test bench, vectors and build script."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from numpy.typing import NDArray

from l1trigger.convert.hls4ml import HlsNetwork
from l1trigger.data.objects import FEATURES
from l1trigger.design import ConvertSection
from l1trigger.fixed_point import Overflow, Rounding
from l1trigger.package_files import firmware_folder
from l1trigger.trigger import TriggerFunction

_HEADERS = ("bits.h", "network.h", "scores.h", "trace_globals.h", "weights.h")
_HARDWARE = (-(2**15), 2**15 - 1)
# hls4ml's own wrappers build the bare network; the project's top is the whole trigger function.
_LEFT_OUT = (
    "build_lib.sh", "build_opt.tcl", "build_prj.tcl", "hls4ml_config.yml", "project.tcl", "vivado_synth.tcl",
    "{function}_bridge.cpp", "{function}_test.cpp", "tb_data",
)
_WEIGHTS = re.compile(r"^(?P<type>\w+) (?P<name>\w+)\[(?P<count>\d+)\] = (?P<values>\{[^{}]*\});$", re.MULTILINE)
_FILLED = r"""#define \g<name>_values_ \g<values>
#ifdef __SYNTHESIS__
\g<type> \g<name>[\g<count>] = \g<name>_values_;
#else
#include "../weights.h"
\g<type> \g<name>[\g<count>];
static const double \g<name>_numbers[\g<count>] = \g<name>_values_;
static const bool \g<name>_filled = l1trigger::fill(\g<name>, \g<name>_numbers);
#endif"""
_UNCERTAINTY = {"Vitis": "27%", "Vivado": "12.5%"}


def network_name(trigger: TriggerFunction) -> str:
    """Name of the network's C++ function."""
    return f"{trigger.name}_network"


def top_name(trigger: TriggerFunction) -> str:
    """Name of the C++ top function."""
    return f"{trigger.name}_trigger"


def write(
    trigger: TriggerFunction, network: HlsNetwork, section: ConvertSection, project: Path, features: int | None
) -> None:
    """Adds everything around the network to a project folder.

    Args:
        trigger: the trigger function.
        network: what hls4ml wrote into the folder.
        section: backend, part, clock, io type.
        project: the folder.
        features: numbers per object, the first of which is its pT; None takes those of the trigger objects.
    """
    for pattern in _LEFT_OUT:
        unwanted = project / pattern.format(function=network.function)
        shutil.rmtree(unwanted) if unwanted.is_dir() else unwanted.unlink(missing_ok=True)
    source = firmware_folder() / "hls"
    for header in _HEADERS:
        shutil.copy(source / header, project / "firmware" / header)
    for header_path in (project / "firmware" / "weights").glob("*.h"):
        header_path.write_text(_WEIGHTS.sub(_FILLED, header_path.read_text()))
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(source), undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True, autoescape=False,
    )
    values = _values(trigger, network, section, features or len(FEATURES))
    for template, path in {
        "trigger.h.j2": f"firmware/{top_name(trigger)}.h",
        "trigger.cpp.j2": f"firmware/{top_name(trigger)}.cpp",
        "trigger_tb.cpp.j2": f"{top_name(trigger)}_tb.cpp",
        "csim_main.cpp.j2": "csim_main.cpp",
        "build.tcl.j2": "build.tcl",
    }.items():
        (project / path).write_text(environment.get_template(template).render(values))


def write_vectors(trigger: TriggerFunction, vectors: NDArray[Any], project: Path) -> None:
    """Writes events and what is expected of them (score as an integer, decision bit) as the test bench reads them."""
    folder = project / "tb_data"
    folder.mkdir(exist_ok=True)
    expected = trigger.evaluate(vectors)
    np.savetxt(folder / "tb_inputs.dat", vectors.reshape(len(vectors), -1), fmt="%d")
    np.savetxt(folder / "tb_expected.dat", np.stack([expected.score, expected.accept], 1), fmt="%d")


def _values(
    trigger: TriggerFunction, network: HlsNetwork, section: ConvertSection, features: int
) -> dict[str, object]:
    kernel = trigger.score_plugin.kernel
    exact = replace(
        kernel.score_type(trigger.scaling, trigger.network), rounding=Rounding.TRN, overflow=Overflow.WRAP
    )
    stream = section.io_type == "io_stream"
    return {
        "name": trigger.name, "network": network.function, "backend": section.backend, "part": section.part,
        "clock_ns": section.clock_ns, "uncertainty": _UNCERTAINTY[section.backend],
        "n_inputs": len(trigger.scaling), "n_outputs": network.output.size, "features": features,
        "scaled_type": trigger.scaling.network_type.cpp(),
        "output_type": f"::{network.output.type}" + ("::value_type" if stream else ""),
        "exact_type": exact.cpp(), "score_type": trigger.score_type.cpp(), "kernel": kernel.cpp,
        "threshold": trigger.threshold, "compare_bits": _compare_bits(trigger),
        "scales": _scales(trigger), "stream": stream, "inputs": _inputs(network), "output": network.output,
        "pipeline_ii": network.pipeline_ii,
        "layers": [layer for layer in network.layers if layer.size],
    }


def _inputs(network: HlsNetwork) -> list[dict[str, object]]:
    """Each input with its place among the numbers of an event."""
    ends = np.cumsum([port.size for port in network.inputs])
    return [{**vars(port), "first": int(end) - port.size} for port, end in zip(network.inputs, ends, strict=True)]


def _scales(trigger: TriggerFunction) -> list[dict[str, int | str]]:
    """Constants of ``l1trigger::scale`` for each input."""
    scaling = trigger.scaling
    fraction = scaling.network_type.fraction
    scales: list[dict[str, int | str]] = []
    for i, t in enumerate(scaling.types):
        offset, drop = scaling.offset[i], scaling.drop[i]
        low, high = t.raw_range
        wide = 1 + max(abs(h + offset).bit_length() for h in _HARDWARE)
        wide = max(wide, 1 + max(abs(low), high).bit_length(), 17)
        scales.append(
            {"offset": offset, "fold": "true" if scaling.fold[i] else "false", "drop": drop, "low": low, "high": high,
             "wide": wide, "up": fraction - t.fraction}
        )
    return scales


def _compare_bits(trigger: TriggerFunction) -> int:
    """Signed width that holds every score and the threshold."""
    reach = max(abs(trigger.threshold), *(abs(v) for v in trigger.score_type.raw_range))
    return reach.bit_length() + 2
