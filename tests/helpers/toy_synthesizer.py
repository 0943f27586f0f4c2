"""A second synthesizer, in one file: it counts words of the Verilog, which no FPGA would."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from l1trigger.errors import ToolFailedError
from l1trigger.processes import run
from l1trigger.synth.synthesizer import RESOURCES, Module, Synthesizer

_MODULE = re.compile(r"\bmodule\s+(\w+)(.*?)\bendmodule\b", re.DOTALL)


class WordCounter(Synthesizer):
    """Counts ``assign`` as look-up tables and ``reg`` as flip-flops, in a module and all that it contains."""

    title = "the word counter"

    def tool(self) -> str:
        """Name and version."""
        return "word counter 1.0"

    def require(self, part: str) -> None:
        """Works everywhere, for every FPGA."""

    def synthesize(self, module: Module, folder: Path) -> Mapping[str, int]:
        """Words by resource."""
        folder.mkdir(parents=True, exist_ok=True)
        log = folder / "words.log"
        log.unlink(missing_ok=True)
        run("word counter", ["cat", *map(str, module.sources)], log, self.options.time_limit_s)
        bodies = dict(_MODULE.findall(log.read_text()))
        if module.top not in bodies:
            raise ToolFailedError("word counter", 0, log, problem=f"found no module '{module.top}'")
        words = self._words(module.top, bodies, frozenset(module.black_boxes))
        return dict.fromkeys(RESOURCES, 0) | {"lut": words.count("assign"), "ff": words.count("reg")}

    def _words(self, top: str, bodies: Mapping[str, str], black_boxes: frozenset[str]) -> list[str]:
        own = re.findall(r"\w+", bodies[top])
        inside = [word for word in own if word in bodies and word != top and word not in black_boxes]
        return own + [word for name in inside for word in self._words(name, bodies, black_boxes)]
