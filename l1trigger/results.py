"""The results in a run folder, each read when it is first asked for."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from l1trigger.errors import ReportError
from l1trigger.run_folder import RunFolder

if TYPE_CHECKING:
    from l1trigger.compress.result import CompressResult
    from l1trigger.convert.result import ConvertResult
    from l1trigger.csim.result import CsimResult
    from l1trigger.data.events import DataSet
    from l1trigger.report.model import Report
    from l1trigger.synth.result import SynthResult
    from l1trigger.train.result import TrainResult


class Results:
    """The results in a run folder.

    Args:
        folder: the run folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def data(self) -> DataSet:
        """What the design trains and is judged on."""
        from l1trigger.data.events import DataSet

        return DataSet.load(self.folder / "data")

    @cached_property
    def train(self) -> TrainResult:
        """The full-precision reference."""
        from l1trigger.train.result import TrainResult

        return TrainResult.load(self.folder / "train")

    @cached_property
    def compress(self) -> CompressResult:
        """The quantized trigger."""
        from l1trigger.compress.result import CompressResult

        return CompressResult.load(self.folder / "compress")

    @cached_property
    def convert(self) -> ConvertResult:
        """The HLS project."""
        from l1trigger.convert.result import ConvertResult

        return ConvertResult.load(self.folder / "convert")

    @cached_property
    def csim(self) -> CsimResult:
        """Scores at every level."""
        from l1trigger.csim.result import CsimResult

        return CsimResult.load(self.folder / "csim")

    @cached_property
    def synth(self) -> SynthResult:
        """Latency and resources of the RTL."""
        from l1trigger.synth.result import SynthResult

        return SynthResult.load(self.folder / "synth")

    @cached_property
    def report(self) -> Report:
        """All figures, and what they were measured with.

        Raises:
            ReportError: there is none, or it is of an earlier run than the results beside it.
        """
        from l1trigger.report.model import load_report

        found = load_report(self.folder / "report.json")
        if again := RunFolder(self.folder).outdated("report"):
            stages = f"the stage{'s' * (len(again) > 1)} {' and '.join(again)}"
            raise ReportError(
                f"{self.folder / 'report.json'}: is of an earlier run than {stages} beside it. Remedy: run the stage "
                "report, which brings it up to date"
            )
        return found
