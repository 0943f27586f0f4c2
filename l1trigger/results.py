"""The results of the stages: those in a run folder are read when they are first asked for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from l1trigger.errors import ReportError, RunFolderError
from l1trigger.run_folder import RunFolder

if TYPE_CHECKING:
    from l1trigger.compress.result import CompressResult
    from l1trigger.convert.result import ConvertResult
    from l1trigger.csim.result import CsimResult
    from l1trigger.data.events import DataSet
    from l1trigger.rate.result import RateResult
    from l1trigger.report.model import Report
    from l1trigger.synth.result import SynthResult
    from l1trigger.train.result import TrainResult

_STAGES = ("data", "train", "compress", "convert", "csim", "synth")


class Results:
    """The results of the stages of one run.

    Args:
        folder: the run folder; its results are read when they are first asked for.
        quick: whether it is a quick run.
        timings: seconds of the stages; None reads them in the folder.
        data, train, compress, convert, csim, synth, rate: results at hand, which take the place of those in the folder.

    Attributes:
        folder: the run folder; None where all results are at hand.
        quick: whether it is a quick run.
    """

    def __init__(  # noqa: PLR0913 (one result for each stage, by its name)
        self, folder: Path | None = None, *, quick: bool = False, timings: Mapping[str, float] | None = None,
        data: DataSet | None = None, train: TrainResult | None = None, compress: CompressResult | None = None,
        convert: ConvertResult | None = None, csim: CsimResult | None = None, synth: SynthResult | None = None,
        rate: RateResult | None = None,
    ) -> None:
        self.folder, self.quick = folder, quick
        self._timings = timings
        at_hand = {
            "data": data, "train": train, "compress": compress, "convert": convert, "csim": csim, "synth": synth,
            "rate": rate,
        }
        # A cached property looks here first.
        self.__dict__ |= {name: result for name, result in at_hand.items() if result is not None}

    def has(self, stage: str) -> bool:
        """Whether there is a result of a stage."""
        return stage in self.__dict__ or (self.folder is not None and RunFolder(self.folder).record(stage) is not None)

    @property
    def timings(self) -> dict[str, float]:
        """Seconds of the stages that were really run, in order."""
        if self._timings is not None:
            return dict(self._timings)
        if self.folder is None:
            return {}
        records = {name: RunFolder(self.folder).record(name) for name in _STAGES}
        return {name: r.seconds for name, r in records.items() if r is not None and r.origin == "run"}

    def _saved(self, stage: str) -> Path:
        """Folder of a stage's saved result."""
        if self.folder is None:
            raise RunFolderError(f"there is no result of the stage {stage}. Remedy: run that stage, or give its result")
        return self.folder / stage

    @cached_property
    def data(self) -> DataSet:
        """What the design trains and is judged on."""
        from l1trigger.data.events import DataSet

        return DataSet.load(self._saved("data"))

    @cached_property
    def train(self) -> TrainResult:
        """The full-precision reference."""
        from l1trigger.train.result import TrainResult

        return TrainResult.load(self._saved("train"))

    @cached_property
    def compress(self) -> CompressResult:
        """The quantized trigger."""
        from l1trigger.compress.result import CompressResult

        return CompressResult.load(self._saved("compress"))

    @cached_property
    def convert(self) -> ConvertResult:
        """The HLS project."""
        from l1trigger.convert.result import ConvertResult

        return ConvertResult.load(self._saved("convert"))

    @cached_property
    def csim(self) -> CsimResult:
        """Scores at every level."""
        from l1trigger.csim.result import CsimResult

        return CsimResult.load(self._saved("csim"))

    @cached_property
    def synth(self) -> SynthResult:
        """Latency and resources of the RTL."""
        from l1trigger.synth.result import SynthResult

        return SynthResult.load(self._saved("synth"))

    @cached_property
    def rate(self) -> RateResult | None:
        """Rates from very many crossings; None where there are none, or where they are of another trigger function."""
        from l1trigger.rate.result import NAME, RateResult

        record = RunFolder(self.folder).record("csim") if self.folder is not None else None
        if self.folder is None or record is None or not (self.folder / NAME / "rate.json").exists():
            return None
        rates = RateResult.load(self.folder / NAME)
        return rates if rates.upstream == record.digest else None

    @cached_property
    def report(self) -> Report:
        """All figures, and what they were measured with.

        Raises:
            ReportError: there is none, or it is of an earlier run than the results beside it.
        """
        from l1trigger.report.model import load_report

        if self.folder is None:
            raise ReportError("there is no run folder that could hold a report. Remedy: run the stage report")
        saved = load_report(self.folder / "report.json")
        if again := RunFolder(self.folder).outdated("report"):
            stages = f"the stage{'s' * (len(again) > 1)} {' and '.join(again)}"
            raise ReportError(
                f"{self.folder / 'report.json'}: is of an earlier run than {stages} beside it. Remedy: run the stage "
                "report, which brings it up to date"
            )
        return saved
