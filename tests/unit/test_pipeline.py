"""The pipeline with tiny stages: skip, resume, interruption at any point, lock, full disk, --from and --to."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
import stand_ins

from l1trigger import artefacts, pipeline, plugins
from l1trigger.design import CompressSection, DataSection, Design, ModelSection, ThresholdSection, TrainSection
from l1trigger.errors import ArgumentError, BudgetError, DataError, DesignError, RunFolderError
from l1trigger.figures import Judgement
from l1trigger.report.model import DataCard, DesignRecord, Report
from l1trigger.results import Results
from l1trigger.run_folder import CHECKPOINTS, RunFolder, StageInputs, StageRecord, checkpoints
from l1trigger.sections import SynthSection
from l1trigger.stages import NAMES, STAGES, Display, RunStage, Stage


@dataclass(frozen=True)
class Text:
    text: str

    def save(self, folder: Path) -> None:
        (folder / "result.txt").write_text(self.text)


class Recorder(Display):
    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []

    def begin(self, stage: str, reason: str) -> None:
        self.events.append(("begin", stage))
        self.events.append(("reason", reason))

    def skip(self, stage: str, reason: str) -> None:
        self.events.append(("skip", stage))

    def note(self, text: str) -> None:
        self.events.append(("note", text))

    def did(self, what: str) -> list[str]:
        return [name for kind, name in self.events if kind == what]


def design(**train: int) -> Design:
    return Design(
        name="tiny", data=DataSection(source="fake"), model=ModelSection(architecture="fake"),
        compress=CompressSection(score="fake"), train=TrainSection(**train),
    )


def text(name: str, *upstream: str) -> RunStage:
    """Work that writes its name and what the stages before wrote."""
    def work(design: Design, results: Results, folder: Path, progress: object) -> Text:
        before = [(results.folder / u / "result.txt").read_text() for u in upstream]
        return Text(f"{name}({','.join(before)})")

    return work


def at_root(design: Design, results: Results, folder: Path, progress: object) -> None:
    (folder / "report.json").write_text(json.dumps({"budget": [], "timings": results.timings}))
    (folder / "figures").mkdir()
    (folder / "figures" / "roc.png").write_text((results.folder / "compress" / "result.txt").read_text())


STEPS = (
    Stage("data", text("data"), ("data",)),
    Stage("train", text("train", "data"), ("model", "train"), ("data",)),
    Stage("compress", text("compress", "train"), ("name", "compress"), ("data", "train")),
    Stage("report", at_root, (), ("compress",), at_root=True),
)


def run(tmp_path: Path, asked: Design | None = None, stages: tuple[Stage, ...] = STEPS, **more) -> Recorder:
    seen = Recorder()
    pipeline.run(asked or design(), tmp_path, stages=stages, display=seen, **more)
    return seen


def replaced(name: str, function) -> tuple[Stage, ...]:
    return tuple(Stage(s.name, function, s.sections, s.upstream) if s.name == name else s for s in STEPS)


def test_order_of_stages() -> None:
    assert NAMES == ("data", "train", "compress", "convert", "csim", "synth", "report")
    for i, stage in enumerate(STAGES):
        assert set(stage.upstream) <= set(NAMES[:i])


def test_second_run_skips_everything(tmp_path: Path) -> None:
    assert run(tmp_path).did("begin") == ["data", "train", "compress", "report"]
    again = run(tmp_path)
    assert again.did("begin") == []
    assert again.did("skip") == ["data", "train", "compress", "report"]
    assert (tmp_path / "tiny/compress/result.txt").read_text() == "compress(train(data()))"
    assert (tmp_path / "tiny/figures/roc.png").read_text() == "compress(train(data()))"
    assert not list((tmp_path / "tiny").glob("*.work"))
    assert set(json.loads((tmp_path / "tiny/report.json").read_text())["timings"]) == {"data", "train", "compress"}


def test_a_stage_done_anew_makes_what_rests_on_it_outdated(tmp_path: Path) -> None:
    run(tmp_path)
    folder = RunFolder(tmp_path / "tiny")
    assert folder.outdated("report") == [] and folder.outdated("nothing") == []
    run(tmp_path, design(epochs=3), stop="compress")
    assert folder.outdated("report") == ["compress"]
    assert folder.outdated("compress") == []
    run(tmp_path, design(epochs=3))
    assert folder.outdated("report") == []


def test_a_quick_run_leaves_vendors_tools_alone() -> None:
    for route, quick in (("both", "rtl"), ("hls", "none"), ("rtl", "rtl"), ("none", "none")):
        asked = design().model_copy(update={"synth": SynthSection(route=route)})
        assert pipeline.quick_design(asked).synth.route == quick


def test_changed_setting_redoes_what_depends_on_it_and_says_why(tmp_path: Path) -> None:
    run(tmp_path)
    again = run(tmp_path, design(epochs=3))
    assert again.did("begin") == ["train", "compress", "report"]
    assert again.did("reason")[0] == "again, because train.epochs was 25 and is 3"
    assert again.did("reason")[1] == "again, because a stage before it changed"


def test_other_package_version_redoes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path)
    monkeypatch.setattr(pipeline, "_version", lambda package: "9.9")
    assert run(tmp_path).did("begin") == ["data", "train", "compress", "report"]


class Read(DataSection):
    file: Path

    def files(self) -> tuple[Path, ...]:
        return (*super().files(), self.file)


def test_changed_input_file_redoes(tmp_path: Path) -> None:
    file = tmp_path / "given.txt"
    reads = design().model_copy(update={"data": Read(source="fake", file=file)})
    file.write_text("a")
    run(tmp_path, reads)
    assert run(tmp_path, reads).did("begin") == []
    file.write_text("b")
    again = run(tmp_path, reads)
    assert "data" in again.did("begin")
    assert re.search(r"files\.data was \w+\.\.\. and is \w+", again.did("reason")[0])
    file.unlink()
    assert "is absent" in run(tmp_path, reads).did("reason")[0]


def test_failed_stage_keeps_old_result(tmp_path: Path) -> None:
    run(tmp_path)

    def fails(design: Design, results: Results, folder: Path, progress: object) -> Text:
        (folder / "half.txt").write_text("half")
        raise DataError("x", "is bad")

    with pytest.raises(DataError):
        run(tmp_path, design(epochs=2), replaced("train", fails))
    assert (tmp_path / "tiny/train/result.txt").read_text() == "train(data())"
    assert not (tmp_path / "tiny/train/half.txt").exists()
    assert run(tmp_path, design(epochs=2)).did("begin") == ["train", "compress", "report"]
    assert not (tmp_path / "tiny/train/half.txt").exists()


def test_ctrl_c_keeps_checkpoints_for_the_same_settings_only(tmp_path: Path) -> None:
    def interrupted(design: Design, results: Results, folder: Path, progress: object) -> Text:
        (checkpoints(folder) / "epoch").write_text("7")
        (folder / "half.txt").write_text("half")
        raise KeyboardInterrupt

    def resumes(design: Design, results: Results, folder: Path, progress: object) -> Text:
        found = checkpoints(folder) / "epoch"
        assert not (folder / "half.txt").exists()
        return Text(found.read_text() if found.exists() else "fresh")

    for changed, expected in ((design(), "7"), (design(epochs=2), "fresh")):
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, design(), replaced("train", interrupted))
        seen = run(tmp_path, changed, replaced("train", resumes))
        assert seen.did("begin")[0] == "train"
        assert (tmp_path / "tiny/train/result.txt").read_text() == expected
        assert not (tmp_path / "tiny/train" / CHECKPOINTS).exists()
        run(tmp_path, design(epochs=9))  # so that the stage has to be done again


@pytest.mark.parametrize("step", range(20))
@pytest.mark.parametrize("before", [False, True], ids=["fresh", "over an older run"])
def test_killed_at_any_step_the_same_command_finishes(tmp_path: Path, step: int, before: bool) -> None:
    if before:
        run(tmp_path, design(epochs=2))
    child = os.fork()
    if child == 0:
        replace, calls = os.replace, 0

        def killing(a, b):
            nonlocal calls
            calls += 1
            if calls > step:
                os.kill(os.getpid(), signal.SIGKILL)
            replace(a, b)

        os.replace = killing
        run(tmp_path)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    fits = [n for n in ("data", "train", "compress", "report") if _finished(tmp_path, n)]
    seen = run(tmp_path)
    assert not set(fits) & set(seen.did("begin")), "a finished stage was done again"
    assert (tmp_path / "tiny/compress/result.txt").read_text() == "compress(train(data()))"
    assert (tmp_path / "tiny/figures/roc.png").exists()
    assert {p.name for p in (tmp_path / "tiny").iterdir()} == {
        ".lock", "design.json", "data", "train", "compress", "report", "report.json", "figures"
    }
    assert run(tmp_path).did("begin") == []


def _finished(tmp_path: Path, name: str) -> bool:
    record = RunFolder(tmp_path / "tiny").record(name)
    if record is None:
        return False
    if name == "train":
        return record.inputs.settings["train"]["epochs"] == 25
    upstream = {"data": [], "compress": ["train"], "report": ["compress"]}[name]
    folder = RunFolder(tmp_path / "tiny")
    return all(
        (r := folder.record(u)) is not None and r.digest == record.inputs.upstream[u] and _finished(tmp_path, u)
        for u in upstream
    )


def test_two_runs_into_one_folder(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "tiny").locked(), pytest.raises(RunFolderError, match="in use by another run.*`runs=`"):
        run(tmp_path)
    run(tmp_path)


def test_runs_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="cannot be used as a run folder"):
        run(tmp_path / "file")


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        RuntimeError("Unable to flush file (errno = 28, error message = 'No space left on device')"),
    ],
)
def test_full_disk(tmp_path: Path, error: Exception) -> None:
    def fills(design: Design, results: Results, folder: Path, progress: object) -> Text:
        (folder / "half.txt").write_text("half")
        raise error

    with pytest.raises(RunFolderError, match="is full. Remedy: free some space") as caught:
        run(tmp_path, stages=replaced("train", fills))
    assert caught.value.exit_code == 2
    assert not (tmp_path / "tiny/train").exists()
    assert not list(tmp_path.rglob("half.txt"))
    assert run(tmp_path).did("begin") == ["train", "compress", "report"]


def test_full_disk_while_writing_a_sample(tmp_path: Path) -> None:
    def fills(design: Design, results: Results, folder: Path, progress: object) -> Text:
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as e:
            raise DataError("train.h5", "could not be written") from e

    with pytest.raises(RunFolderError, match="is full"):
        run(tmp_path, stages=replaced("data", fills))


def test_to_and_from(tmp_path: Path) -> None:
    assert run(tmp_path, stop="train").did("begin") == ["data", "train"]
    assert run(tmp_path, start="compress").did("begin") == ["compress", "report"]
    with pytest.raises(ArgumentError, match=r"`start=`: .report. comes after .*data -> train -> compress"):
        run(tmp_path, start="report", stop="train")
    with pytest.raises(ArgumentError, match="`stop=`: there is no stage 'compres'.*did you mean 'compress'"):
        run(tmp_path, stop="compres")


def test_stopping_early_says_that_the_report_is_old(tmp_path: Path) -> None:
    run(tmp_path)
    seen = run(tmp_path, design(epochs=2), stop="train")
    assert "of an earlier run" in seen.did("note")[0]


def test_quick_has_its_own_folder_and_small_settings(tmp_path: Path) -> None:
    run(tmp_path, design(epochs=25, seeds=3), quick=True)
    settings = json.loads((tmp_path / "tiny-quick/design.json").read_text())
    assert settings["train"]["epochs"] == 3
    assert settings["train"]["seeds"] == 1
    assert settings["compress"]["fine_tune"]["epochs"] == 2
    assert settings["csim"]["events"] == 5000
    assert not (tmp_path / "tiny").exists()


@pytest.fixture
def committed(tmp_path: Path) -> Path:
    run(tmp_path / "first")
    target = tmp_path / "artefacts/tiny"
    target.parent.mkdir()
    artefacts.export(tmp_path / "first/tiny", target)
    return target


def test_from_convert_in_an_empty_folder_takes_the_artefacts(tmp_path: Path, committed: Path) -> None:
    seen = run(tmp_path / "second", start="report", committed=committed)
    assert seen.did("begin") == ["data", "report"]
    assert (tmp_path / "second/tiny/train/result.txt").read_text() == "train(data())"
    records = pipeline.run(design(), tmp_path / "second", stages=STEPS).records
    assert [r.origin for r in records.values()] == ["run", "artefacts", "artefacts", "run"]
    assert set(json.loads((tmp_path / "second/tiny/report.json").read_text())["timings"]) == {"data"}


def test_artefacts_of_another_design_are_refused(tmp_path: Path, committed: Path) -> None:
    with pytest.raises(DesignError, match="made from another design: train.epochs was 25 and is 4"):
        run(tmp_path / "second", design(epochs=4), start="report", committed=committed)
    assert not (tmp_path / "second/tiny/train").exists()


def test_quick_settings_do_not_count_as_another_design(tmp_path: Path, committed: Path) -> None:
    seen = run(tmp_path / "second", start="report", committed=committed, quick=True)
    assert seen.did("begin") == ["data", "report"]


def test_no_artefacts(tmp_path: Path) -> None:
    with pytest.raises(DesignError, match="no committed weights in .*run without `start=`"):
        run(tmp_path, start="report", committed=tmp_path / "none")


def test_artefacts_beside_the_design_file_need_not_be_named(tmp_path: Path, committed: Path) -> None:
    asked = design()
    asked._file = tmp_path / "tiny.yaml"
    assert run(tmp_path / "second", asked, start="report").did("begin") == ["data", "report"]
    with pytest.raises(RunFolderError, match="has no result in .* that fits this design"):
        run(tmp_path / "third", start="report")


def test_a_stage_s_design_error_names_the_file(tmp_path: Path) -> None:
    def refuses(design: Design, results: Results, folder: Path, progress: object) -> Text:
        raise DesignError(None, "data.signals", "there is no signal")

    asked = design()
    asked._file = tmp_path / "tiny.yaml"
    with pytest.raises(DesignError, match=r"tiny.yaml: data.signals: there is no signal"):
        run(tmp_path, asked, replaced("data", refuses))


def test_damaged_artefacts(tmp_path: Path, committed: Path) -> None:
    (committed / "train/result.txt").write_text("other")
    with pytest.raises(DataError, match="is missing or not the file that card.json describes"):
        run(tmp_path / "second", start="report", committed=committed)
    (committed / "card.json").write_text("{")
    with pytest.raises(DataError, match="is not a card"):
        run(tmp_path / "third", start="report", committed=committed)


def test_artefacts_never_complete_an_own_training(tmp_path: Path, committed: Path) -> None:
    run(tmp_path / "second", stop="train")
    with pytest.raises(RunFolderError, match="`start=` compress or an earlier stage"):
        run(tmp_path / "second", start="report", committed=committed)


def test_export_refuses_what_is_not_its_own(tmp_path: Path, committed: Path) -> None:
    run(tmp_path / "second", start="report", committed=committed)
    with pytest.raises(RunFolderError, match="holds no train of its own"):
        artefacts.export(tmp_path / "second/tiny", tmp_path / "other")
    with pytest.raises(RunFolderError, match="holds no compress of its own"):
        artefacts.export(tmp_path / "second/tiny", committed)


def test_a_network_is_compressed_anew_from_the_committed_training(tmp_path: Path, committed: Path) -> None:
    before = json.loads((committed / "card.json").read_text())
    other = CompressSection(score="fake", threshold=ThresholdSection(false_positive_rate=0.5))
    asked = design().model_copy(update={"compress": other})
    seen = run(tmp_path / "second", asked, start="compress", stop="compress", committed=committed)
    assert seen.did("begin") == ["data", "compress"] and seen.did("skip") == ["train"]
    artefacts.export(tmp_path / "second/tiny", committed)
    after = json.loads((committed / "card.json").read_text())
    assert after["stages"]["train"] == before["stages"]["train"]
    assert after["design"]["compress"]["threshold"]["false_positive_rate"] == 0.5
    with pytest.raises(DesignError, match=r"train\.epochs was .* and is 7.*give `start=` train"):
        run(tmp_path / "third", design(epochs=7), start="compress", committed=committed)


def test_export_refuses_large_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path)
    monkeypatch.setattr(artefacts, "LIMIT_BYTES", 5)
    with pytest.raises(RunFolderError, match="may be committed"):
        artefacts.export(tmp_path / "tiny", tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_unreadable_record_counts_as_not_run(tmp_path: Path) -> None:
    run(tmp_path)
    (tmp_path / "tiny/train/stage.json").write_text('{"digest": "x"')
    assert run(tmp_path).did("begin") == ["train"]


def test_record_round_trip(tmp_path: Path) -> None:
    record = StageRecord(StageInputs({"a": 1}, {}, {}, {"numpy": "2"}), 1.5)
    (tmp_path / "stage.json").write_text(record.to_json())
    assert StageRecord.read(tmp_path) == record


def test_budget_is_judged_when_strict(tmp_path: Path) -> None:
    judgement = Judgement(figure="auc", conditions={"signal": "A4l"}, minimum=0.9, value=0.5, met=False)
    unjudged = Judgement(figure="lut", maximum=1000, reason="not synthesized")
    report = Report(
        created="", quick=False, design=DesignRecord(name="tiny", digest="", resolved={}), versions={}, timings={},
        data=DataCard(
            zero_bias=False, colliding_bunches=1, crossing_rate_khz=1, pileup=None, samples=[], approximations=[]
        ),
        levels=[], figures=[], bit_exact=[], budget=[judgement, unjudged], layers=[], seeds=[],
    )

    def misses(design: Design, results: Results, folder: Path, progress: object) -> None:
        (folder / "report.json").write_text(report.to_json())

    stages = (*STEPS[:3], Stage("report", misses, (), ("compress",), at_root=True))
    done = pipeline.run(design(), tmp_path, stages=stages)
    pipeline.judge(done)
    with pytest.raises(BudgetError, match=r"1 limit.*auc \(signal A4l\) = 0.5") as caught:
        pipeline.judge(done, strict=True)
    assert caught.value.exit_code == 1


def test_the_package_of_a_plugin_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A newer version of it may give another result, in the stages that read the section which names the plugin."""
    entry = stand_ins.StandIn(None, dist=SimpleNamespace(name="numpy"))
    monkeypatch.setattr(plugins, "_entries", lambda group: {"fake": entry} if group == "l1trigger.scores" else {})
    named = {s.name for s in STEPS if "numpy" in pipeline.all_inputs(STEPS, design())[s.name].versions}
    assert named == {"compress"}
