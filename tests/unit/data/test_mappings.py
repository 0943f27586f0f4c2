"""The mappings of known formats on the page of designs read such files, each with the right objects.

The files are written here, with the names and types of the formats; real files of experiments are not at hand.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
import yaml
from readmes import blocks

from l1trigger import design
from l1trigger.data.objects import EGAMMA, JET, MET, MUON, to_hardware
from l1trigger.data.sources.table import Table, TableOptions, read_events
from l1trigger.errors import DataError

N = 400


def mapping(file: str) -> dict[str, Any]:
    """The section ``data`` on the page that reads a file of this name."""
    (found,) = [b for b in blocks("yaml") if f"background: {file}\n" in b.text]
    section: dict[str, Any] = yaml.load(found.text, design._Loader)["data"]
    return section


def load(folder: Path, file: str, **more: Any) -> Any:
    """The data set, and the events of the file in their order."""
    given = {**mapping(file), "background": str(folder / file), **more}
    options = design._validated(TableOptions, given, None, "data")
    sample = read_events(folder / file, options.columns, units=options.units, tree=options.tree)
    return Table(options).load(), sample


def collection(seed: int, most: int = 6) -> ak.Array:
    """Objects of each event: momenta in GeV, angles, bunch crossings from -2 to 2."""
    rng = np.random.default_rng(seed)
    count = rng.integers(0, most, N)
    k = int(count.sum())
    return ak.unflatten(ak.zip({
        "pt": rng.exponential(20, k).astype(np.float32) + 1, "eta": rng.uniform(-2, 2, k).astype(np.float32),
        "phi": rng.uniform(-3, 3, k).astype(np.float32), "bx": rng.integers(-2, 3, k).astype(np.int32),
        "quality": rng.integers(0, 16, k).astype(np.int32),
    }), count)


def sums(seed: int) -> ak.Array:
    """Energy sums of types 0 to 4 in the crossings -1, 0 and 1, in every event."""
    rng = np.random.default_rng(seed)
    kind, bx = (np.tile(x.ravel(), N) for x in np.meshgrid(np.arange(5), [-1, 0, 1]))
    return ak.from_regular(ak.unflatten(ak.zip({
        "pt": rng.exponential(20, len(kind)).astype(np.float32) + 600 * (kind != 2),
        "phi": rng.uniform(-3, 3, len(kind)).astype(np.float32), "kind": kind.astype(np.int32),
        "bx": bx.astype(np.int32),
    }), 15))


def expected(met: ak.Array | None, **collections: ak.Array) -> Any:
    """The objects of these collections, hardest first, written independently of the reader."""
    out = np.zeros((N, 19, 3))
    if met is not None:
        out[:, MET.first, 0], out[:, MET.first, 2] = ak.flatten(met.pt), ak.flatten(met.phi)
    for kind in (EGAMMA, MUON, JET):
        objects = collections[kind.name]
        objects = objects[ak.argsort(-objects.pt, axis=1, stable=True)][:, : kind.count]
        for place, feature in enumerate(("pt", "eta", "phi")):
            filled = ak.fill_none(ak.pad_none(objects[feature], kind.count, clip=True), 0.0)
            out[:, kind.rows, place] = ak.to_numpy(filled)
    return to_hardware(out)


def write(file: Any, tree: str, columns: dict[str, Any]) -> None:
    arrays = {name: ak.Array(values) for name, values in columns.items()}
    file.mktree(tree, {name: array.type.content for name, array in arrays.items()})
    file[tree].extend(arrays)


COLLECTIONS = {"egamma": collection(1), "muon": collection(2, 3), "jet": collection(3, 9)}
SUMS = sums(4)
NUMBERS = {"run": np.full(N, 3, np.uint32), "event": np.arange(N, dtype=np.uint64)}


def level_one(quality: bool) -> Any:
    """What the trigger of CMS sent in the crossing itself."""
    kept = {n: c[(c.bx == 0) & (c.quality >= 12 if quality and n == "muon" else True)] for n, c in COLLECTIONS.items()}
    return expected(SUMS[(SUMS.kind == 2) & (SUMS.bx == 0)], **kept)


def write_nano(path: Path) -> None:
    columns: dict[str, Any] = {**NUMBERS, "luminosityBlock": np.full(N, 1, np.uint32)}
    for prefix, name in (("L1EG", "egamma"), ("L1Mu", "muon"), ("L1Jet", "jet"), ("L1Tau", "egamma")):
        columns |= {f"{prefix}_{f}": COLLECTIONS[name][f] for f in ("pt", "eta", "phi", "bx")}
    columns |= {"L1Mu_hwQual": COLLECTIONS["muon"].quality}
    columns |= {f"L1EtSum_{n}": SUMS[f] for n, f in (("pt", "pt"), ("phi", "phi"), ("bx", "bx"), ("etSumType", "kind"))}
    with uproot.recreate(path) as f:
        write(f, "Events", columns)
        write(f, "Runs", {"run": np.array([3], np.uint32)})


def test_level_1_nanoaod(tmp_path: Path) -> None:
    write_nano(tmp_path / "nano.root")
    data, sample = load(tmp_path, "nano.root")
    assert np.array_equal(sample.events.inputs, level_one(quality=True))
    assert sum(len(np.unique(p.row)) for p in (data.train, data.validation, data.test)) == N
    met = data.test.inputs[:, 0, 0].mean() / 2
    assert 15 < met < 25  # sums of all types and crossings would give more than 600 GeV


@pytest.mark.parametrize("prefix", ["L1EtSum", "L1EG", "L1Mu", "L1Jet"])
def test_level_1_nanoaod_without_a_choice_of_crossings_is_refused(tmp_path: Path, prefix: str) -> None:
    write_nano(tmp_path / "nano.root")
    columns = yaml.safe_load(yaml.safe_dump(mapping("nano.root")["columns"]))
    for given in columns.values():
        if isinstance(given, dict) and given["pt"].startswith(prefix):
            given["where"] = ["L1EtSum_etSumType == 2"] if prefix == "L1EtSum" else []
    with pytest.raises(DataError, match=f"'{prefix}_bx' says that objects of event .*write where: {prefix}_bx == 0"):
        load(tmp_path, "nano.root", columns=columns)


def test_level_1_ntuples(tmp_path: Path) -> None:
    columns: dict[str, Any] = {}
    for prefix, name in (("eg", "egamma"), ("muon", "muon"), ("jet", "jet")):
        columns |= {f"{prefix}{n}": COLLECTIONS[name][f]
                    for n, f in (("Et", "pt"), ("Eta", "eta"), ("Phi", "phi"), ("Bx", "bx"))}
    columns |= {f"sum{n}": SUMS[f] for n, f in (("Et", "pt"), ("Phi", "phi"), ("Bx", "bx"), ("Type", "kind"))}
    with uproot.recreate(tmp_path / "l1ntuple.root") as f:
        write(f, "l1UpgradeEmuTree/L1UpgradeTree", columns)
        write(f, "l1EventTree/L1EventTree", {**NUMBERS, "lumi": np.arange(N, dtype=np.uint32) // 50})
    data, sample = load(tmp_path, "l1ntuple.root")
    assert np.array_equal(sample.events.inputs, level_one(quality=False))
    assert sum(len(np.unique(p.row)) for p in (data.train, data.validation, data.test)) == N


def test_physlite(tmp_path: Path) -> None:
    names = {"Electrons": "egamma", "Muons": "muon", "Jets": "jet"}
    columns: dict[str, Any] = {
        f"Analysis{n}AuxDyn.{f}": COLLECTIONS[c][f] * np.float32(1e3 if f == "pt" else 1) for n, c in names.items()
        for f in ("pt", "eta", "phi")
    }
    columns |= {"EventInfoAuxDyn.eventNumber": NUMBERS["event"],
                "EventInfoAuxDyn.mcEventWeights": ak.unflatten(np.arange(2.0 * N) + 1, 2)}
    with uproot.recreate(tmp_path / "physlite.root") as f:
        write(f, "CollectionTree", columns)
    _, sample = load(tmp_path, "physlite.root")
    difference = np.abs(sample.events.inputs.astype(int) - expected(None, **COLLECTIONS))
    assert difference.max() <= 1 and (difference > 0).mean() < 1e-3  # MeV of single precision round otherwise
    weight = np.arange(0, 2 * N, 2) + 1.0
    assert np.allclose(sample.events.weight, weight / weight.sum(), rtol=1e-12)


def test_flat_trees(tmp_path: Path) -> None:
    """Components of momenta, MeV, degrees, numbers for nothing, processes with cross sections."""
    (found,) = [b for b in blocks("yaml") if "luminosity_inverse_pb" in b.text]
    given = yaml.load(found.text, design._Loader)["data"]
    for k, name in enumerate(("qcd_1", "qcd_2", "minbias")):
        rng = np.random.default_rng(k)
        pt = np.where(rng.random((N, 4)) < 0.5, rng.uniform(2e3, 2e5, (N, 4)), -999.0)
        columns: dict[str, Any] = {"met_x": rng.normal(0, 2e4, N), "met_y": rng.normal(0, 2e4, N), "weight": np.ones(N)}
        for prefix in ("mu", "jet"):
            columns |= {f"{prefix}_pt": pt, f"{prefix}_eta": np.where(pt > 0, rng.uniform(-2, 2, (N, 4)), -999.0),
                        f"{prefix}_phi": np.where(pt > 0, rng.uniform(-179, 179, (N, 4)), -999.0)}
        with uproot.recreate(tmp_path / f"{name}.root") as f:
            write(f, "t", columns)
    given = design.with_paths({"data": given}, tmp_path)["data"]
    test = Table(design._validated(TableOptions, given, None, "data")).load().test
    largest, smallest = test.weight.max(), test.weight.min()
    assert largest / smallest == pytest.approx((1.8e9 / (2 * N)) / (1 / 2e-4))
    assert 0 < test.inputs[:, JET.first, 0].max() <= 400 and (test.inputs[:, JET.rows, 0] == 0).any()
