"""Region images in the layout of the public CICADA files: ``CaloRegions`` (n, 18, 14) in HDF5, whole numbers.

For example::

    data:
      source: cicada
      background: [ZB_0.h5, ZB_1.h5]
      test_background: ZB_2.h5
      signal_files: {SUEP: SUEP.h5}
      zero_bias: true

``AcceptanceFlag`` (n,), where it is there and not empty, says which simulated events have a jet in acceptance; the
public training code keeps only these of a signal, and all of the background.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from l1trigger.data import readers, regions
from l1trigger.data.events import Events
from l1trigger.data.sources.files import FileSource, OwnFileOptions, Sample
from l1trigger.design import Design
from l1trigger.errors import DataError
from l1trigger.unread import Unread

REGIONS, FLAG = "CaloRegions", "AcceptanceFlag"


class CicadaOptions(OwnFileOptions):
    """Options of the source ``cicada``.

    Attributes:
        regions: dataset with the regions.
        flag: dataset with the acceptance flags; files may lack it.
        accepted: which samples lose events without acceptance: signals, all, or none.
        event_id: dataset with the number of each event; events of one file that share it never lie on both sides of a
            split. None takes the same regions as the same event.
    """

    source: str = "cicada"
    regions: str = REGIONS
    flag: str = FLAG
    accepted: Literal["signals", "all", "none"] = "signals"
    event_id: str | None = None

    def unread(self, design: Design) -> Iterator[Unread]:
        """Settings that mean nothing with these."""
        yield from super().unread(design)
        if self.accepted == "none" or (self.accepted == "signals" and not self.signal_files):
            yield Unread("data.flag", "no sample loses events without acceptance (data.accepted)",
                         "set data.accepted to all or signals")


class Cicada(FileSource[CicadaOptions]):
    """Data source: region images (18, 14) of public or own files."""

    Options = CicadaOptions

    def read(self, path: Path, first: int | None) -> Sample:
        """Events of one file; raises as ``read_events`` does."""
        options = self.options
        is_signal = path.resolve() in {p.resolve() for p in options.signal_files.values()}
        kept = options.accepted == "all" or (options.accepted == "signals" and is_signal)
        return read_events(
            path, first, key=options.regions, flag=options.flag if kept else None, event_id=options.event_id
        )


def read_events(
    path: Path, first: int | None = None, *, key: str = REGIONS, flag: str | None = FLAG, event_id: str | None = None
) -> Sample:
    """Regions of one file, and the number of each event where it is asked for.

    Args:
        path: of the file.
        first: only so many events from the start of the file, before the flag.
        key: dataset with the regions.
        flag: dataset that says which events are kept, where it is there and not empty; None keeps all.
        event_id: dataset with the number of each event.

    Raises:
        DataError: the file is missing, damaged, holds something else, or no event is left.
    """
    readers.require_file(path)
    table = readers.Hdf5Table(path)
    names = [key, *([event_id] if event_id else [])]
    flagged = flag is not None and flag in table.names and not table.empty(flag)
    if flag is not None and flagged:
        names.append(flag)
    inputs, ids = [], []
    done = 0
    for chunk in table.chunks(names, first):
        made = regions.check(chunk[key].values, path, f"dataset '{key}'", done)
        keep = _flags(chunk[flag].values, path, flag) if flag is not None and flagged else np.ones(len(made), bool)
        inputs.append(made[keep])
        if event_id:
            ids.append(_ids(chunk[event_id].values, path, event_id)[keep])
        done += len(made)
    whole = np.concatenate(inputs)
    if len(whole) == 0:
        raise DataError(path, f"has no event with {flag} ({done} were read)", "set data.accepted to none")
    card = {
        "layout": "regions", "file": path.name, "dataset": key, "kept": len(whole), "of": done,
        "flag": flag if flagged else "none",
    }
    events = Events.unweighted(path.stem, whole, card)
    return Sample.part(events, np.concatenate(ids) if ids else None, done, table.events(names))


def _flags(values: NDArray[np.generic], path: Path, name: str) -> NDArray[np.bool_]:
    if values.ndim != 1 or not np.isin(values, (0, 1)).all():
        raise DataError(path, f"dataset '{name}' is no flag, 0 or 1 for each event", "set data.flag, or data.accepted")
    return values.astype(bool)


def _ids(values: NDArray[np.generic], path: Path, name: str) -> NDArray[np.int64]:
    if values.ndim != 1 or values.dtype.kind not in "iu":
        raise DataError(path, f"dataset '{name}' is no whole number for each event", "set data.event_id")
    return values.astype(np.int64)
