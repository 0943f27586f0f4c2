"""The run folder: which stages are finished, and how a stage's result appears in it whole or not at all.

A stage is written into ``<stage>.work`` and renamed to ``<stage>`` when it is complete; ``stage.json``, written last,
is what makes it complete. Whatever ends a run in between, the next run goes on from the last finished stage.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from l1trigger.errors import RunFolderError, argument

CHECKPOINTS = "checkpoints"
"""Folder inside a work folder that outlives an interruption and is no part of the result."""

_RECORD, _BEGUN = "stage.json", "begun.json"


def checkpoints(folder: Path) -> Path:
    """The folder inside a stage's folder that outlives an interruption and is no part of the result; it exists."""
    inside = folder / CHECKPOINTS
    inside.mkdir(parents=True, exist_ok=True)
    return inside


@dataclass(frozen=True)
class StageInputs:
    """Everything that a stage's result depends on.

    Attributes:
        settings: sections of the design that it reads, resolved.
        files: digests of the files that these sections name, by section.
        upstream: digests of the inputs of the stages before.
        versions: of the packages that can change its result.
    """

    settings: Mapping[str, Any]
    files: Mapping[str, str]
    upstream: Mapping[str, str]
    versions: Mapping[str, str]

    def digest(self) -> str:
        """One digest of it all."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class StageRecord:
    """What ``stage.json`` says about a finished stage.

    Attributes:
        inputs: everything that it depends on.
        seconds: how long it took; after an interruption, the part since then.
        finished_at: UTC time.
        origin: ``run``, or ``artefacts`` when it was copied from the design's committed results.
        resumed: whether it continued an interrupted attempt.
    """

    inputs: StageInputs
    seconds: float
    finished_at: str = field(default_factory=lambda: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    origin: str = "run"
    resumed: bool = False

    @cached_property
    def digest(self) -> str:
        """Digest of the inputs."""
        return self.inputs.digest()

    def to_json(self) -> str:
        """Text of ``stage.json``."""
        return json.dumps({"digest": self.digest, **asdict(self)}, indent=1)

    @classmethod
    def read(cls, folder: Path) -> StageRecord | None:
        """The record in a folder; None when there is none that this version understands."""
        try:
            content = json.loads((folder / _RECORD).read_text())
            digest = content.pop("digest")
            record = cls(**content | {"inputs": StageInputs(**content["inputs"])})
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None
        return record if record.digest == digest else None


class RunFolder:
    """A run folder.

    Args:
        path: of the folder; made when it is locked.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def existing(cls, path: Path) -> RunFolder:
        """The run folder at a path.

        Raises:
            RunFolderError: there is none.
        """
        if not (path / "design.json").is_file():
            raise RunFolderError(
                f"{path} is no run folder. Remedy: give the folder that `l1trigger run` wrote, e.g. runs/anomaly"
            )
        return cls(path)

    def stage(self, name: str) -> Path:
        """Folder of a finished stage."""
        return self.path / name

    def work(self, name: str) -> Path:
        """Folder that a stage is written into."""
        return self.path / f"{name}.work"

    def record(self, name: str) -> StageRecord | None:
        """What is known about a finished stage; None when it is not finished."""
        return StageRecord.read(self.stage(name))

    def outdated(self, name: str) -> list[str]:
        """The stages that were done anew since a finished stage took their results."""
        record = self.record(name)
        if record is None:
            return []
        now = {u: self.record(u) for u in record.inputs.upstream}
        return [u for u, digest in record.inputs.upstream.items() if (r := now[u]) is not None and r.digest != digest]

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the folder for one run.

        Raises:
            RunFolderError: another run holds it, or it cannot be written to.
        """
        try:
            with disk_full_is_clear(self.path):
                self.path.mkdir(parents=True, exist_ok=True)
                lock = FileLock(self.path / ".lock")
                lock.acquire(timeout=0)
        except Timeout:
            raise RunFolderError(
                f"{self.path} is in use by another run. Remedy: wait until it ends, or choose another folder with "
                f"{argument('runs')}"
            ) from None
        except OSError as e:
            raise RunFolderError(
                f"{self.path} cannot be used as a run folder ({e.strerror}). Remedy: choose another with "
                f"{argument('runs')}"
            ) from e
        try:
            yield
        finally:
            lock.release()

    def begin(self, name: str, digest: str) -> tuple[Path, bool]:
        """An empty work folder for a stage, with the checkpoints of an interrupted attempt at the same thing.

        Returns:
            The folder, and whether it holds checkpoints to continue from.
        """
        work = self.work(name)
        begun = work / _BEGUN
        if not (begun.exists() and begun.read_text() == digest):
            remove(work)
        work.mkdir(parents=True, exist_ok=True)
        for left in work.iterdir():
            if left.name not in (_BEGUN, CHECKPOINTS):
                remove(left)
        write_atomically(begun, digest)
        checkpoints = work / CHECKPOINTS
        resumed = checkpoints.exists() and any(checkpoints.iterdir())
        checkpoints.mkdir(exist_ok=True)
        return work, resumed

    def commit(self, name: str, record: StageRecord, at_root: bool = False) -> None:
        """Turns the work folder into the stage's result; the result before it goes only now.

        Args:
            name: of the stage.
            record: becomes ``stage.json``.
            at_root: what the stage wrote lies at the root of the run folder, not in a folder of the stage.
        """
        work = self.work(name)
        remove(work / CHECKPOINTS)
        remove(work / _BEGUN)
        if at_root:
            remove(self.stage(name))
            for item in sorted(work.iterdir()):
                if item.is_dir():
                    remove(self.path / item.name)
                item.replace(self.path / item.name)
        write_atomically(work / _RECORD, record.to_json())
        self.recover(name)

    def recover(self, name: str) -> None:
        """Finishes a commit that was cut short; does nothing otherwise."""
        work, final, old = self.work(name), self.stage(name), self.path / f"{name}.old"
        if StageRecord.read(work) is not None:
            if final.exists():
                remove(old)
                final.replace(old)
            work.replace(final)
        remove(old)

    def abandon(self, name: str) -> None:
        """Removes what a failed stage has half-written; its checkpoints stay, so that it can be continued."""
        work = self.work(name)
        if not work.exists():
            return
        for left in work.iterdir():
            if left.name not in (_BEGUN, CHECKPOINTS):
                remove(left)
        checkpoints = work / CHECKPOINTS
        if not (checkpoints.exists() and any(checkpoints.iterdir())):
            remove(work)


def remove(path: Path) -> None:
    """Removes a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_atomically(path: Path, text: str) -> None:
    """Writes a file that appears whole or not at all."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(text)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def disk_full_is_clear(folder: Path) -> Iterator[None]:
    """Turns every way in which libraries report a full disk into one clear error.

    Raises:
        RunFolderError: the disk is full.
    """
    try:
        yield
    except RunFolderError:
        raise
    except Exception as e:
        cause: BaseException | None = e
        while cause is not None:
            # h5py tells the number in its text only.
            full = getattr(cause, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
            if full or "No space left on device" in str(cause):
                raise RunFolderError(
                    f"the disk that holds {folder} is full. Remedy: free some space, or choose another folder, and "
                    "run again; what is finished is kept"
                ) from e
            cause = cause.__cause__
        raise
