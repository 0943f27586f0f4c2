"""Region images from the calorimeter towers of CMS' level-1 ntuples (ROOT), 4 x 4 towers summed to a region.

For example::

    data:
      source: l1ntuple
      background: [L1Ntuple_1.root, L1Ntuple_2.root]
      signal_files: {VBF: L1Ntuple_VBF.root}
      zero_bias: true

Checked against public sources of CMSSW (``L1Trigger/L1TNtuples``) and code that reads such files: the names of trees
and branches, and that ``iet`` is above zero and in hardware units. Checked against public code that makes CICADA's
files from such ntuples: ``|ieta| <= 28``, regions in phi from tower 71 on, saturation at 1023. Not checked: a real
ntuple; the tests write branches of their own.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from l1trigger.data import readers, regions
from l1trigger.data.events import Events
from l1trigger.data.sources.files import FileSource, OwnFileOptions, Sample
from l1trigger.design import Section
from l1trigger.errors import DataError

EMULATED = "l1CaloTowerEmuTree/L1CaloTowerTree"
"""Tree of emulated towers; unpacked ones are in ``l1CaloTowerTree/L1CaloTowerTree``."""
_AT_ONCE = 4096
"""Events read at once: each has more than a thousand towers."""


class TowerBranches(Section):
    """Branches with one whole number per tower; without such a branch, its name behind the last ``/`` is tried.

    Attributes:
        et: transverse energy, steps of 0.5 GeV.
        ieta: -41 to 41 without 0; beyond 28 is the forward calorimeter, which regions leave out.
        iphi: 1 to 72.
    """

    et: str = "L1CaloTower/iet"
    ieta: str = "L1CaloTower/ieta"
    iphi: str = "L1CaloTower/iphi"


class L1NtupleOptions(OwnFileOptions):
    """Options of the source ``l1ntuple``.

    Attributes:
        tree: name of the tree; None takes the only one of each file.
        branches: which branch holds what.
    """

    source: str = "l1ntuple"
    tree: str | None = EMULATED
    branches: TowerBranches = TowerBranches()


class L1Ntuple(FileSource[L1NtupleOptions]):
    """Data source: region images (18, 14) of the towers in level-1 ntuples."""

    Options = L1NtupleOptions

    def read(self, path: Path, first: int | None) -> Sample:
        """Events of one file; raises as ``read_events`` does."""
        return read_events(path, first, self.options.tree, self.options.branches)


def has_towers(path: Path, tree: str | None = None) -> bool:
    """Whether a file is a ROOT file with towers under their usual names.

    Args:
        path: of the file.
        tree: its name; None takes that of emulated towers.
    """
    if path.suffix.lower() != ".root":
        return False
    try:
        names = readers.RootTable(path, tree or EMULATED).names
    except DataError:
        return False
    return all(name in names or name.rpartition("/")[2] in names for name in TowerBranches().model_dump().values())


def read_events(
    path: Path, first: int | None = None, tree: str | None = EMULATED, branches: TowerBranches | None = None
) -> Sample:
    """Regions of one file.

    Args:
        path: of the file.
        first: only so many events from the start.
        tree: its name; None takes the only one.
        branches: which branch holds what; None takes those of level-1 ntuples.

    Raises:
        DataError: the file is missing, damaged, has no events, or a branch is missing or holds something else.
    """
    readers.require_file(path)
    table = readers.RootTable(path, tree)
    names = {
        what: name if name in table.names or name.rpartition("/")[2] not in table.names else name.rpartition("/")[2]
        for what, name in (branches or TowerBranches()).model_dump().items()
    }
    made = []
    done = 0
    for chunk in table.chunks(list(names.values()), first, _AT_ONCE):
        columns = {what: chunk[name] for what, name in names.items()}
        made.append(regions.from_towers(columns, path, names, done))
        done += len(made[-1])
    card = {"layout": "regions", "file": path.name, "tree": tree, "branches": names, "of": "4 x 4 towers"}
    return Sample.part(Events.unweighted(path.stem, np.concatenate(made), card), None, done, len(table))
