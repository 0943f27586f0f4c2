"""Sentinels, units, selections, momenta and missing values in users' files: right, or refused by name."""

from __future__ import annotations

import awkward as ak
import h5py
import numpy as np
import pytest
import uproot

from l1trigger import design
from l1trigger.data.doubts import doubts
from l1trigger.data.objects import JET, MET, to_hardware
from l1trigger.data.sources.adc2021 import read_events as read_adc2021
from l1trigger.data.sources.table import Columns, Table, TableOptions, read_events
from l1trigger.errors import DataError, DesignError

FLT_MAX = float(np.finfo(np.float32).max)
JETS = {"jet": {"pt": "pt", "eta": "eta", "phi": "phi"}}


def write(path, **columns):
    with h5py.File(path, "w") as f:
        for name, values in columns.items():
            f[name] = values
    return path


def write_root(path, tree="Events", **columns):
    with uproot.recreate(path) as f:
        f.mktree(tree, {name: ak.type(ak.Array(values)).content for name, values in columns.items()})
        f[tree].extend({name: ak.Array(values) for name, values in columns.items()})
    return path


def jets(path, columns=None, **options):
    """The first jets of the events in a file."""
    return read_events(path, Columns.model_validate(columns or JETS), **options).events.inputs[:, JET.first]


def problem(**data):
    """What a design with these settings is refused for."""
    with pytest.raises(DesignError) as e:
        options(background="a.h5", **data)
    return str(e.value)


def options(**data):
    return design._validated(TableOptions, {"source": "table", "columns": JETS, **data}, None, "data")


# Sentinels, and values that cannot be

@pytest.mark.parametrize("pt", [3000.0, 1e9, 1e30, FLT_MAX, np.finfo(np.float64).max])
def test_a_pt_beyond_the_range_saturates(pt):
    objects = np.zeros((1, 19, 3))
    objects[0, :, 0] = pt
    made = to_hardware(objects)
    assert made[0, MET.first, 0] == 4095 and made[0, 5, 0] == 511 and made[0, JET.first, 0] == 4095
    objects[0, :, 1] = -1e30
    assert to_hardware(objects)[0, JET.first, 1] == -115


def test_sentinels_are_declared(tmp_path):
    """Fixed arrays of two places, the second of which holds what the writer had for nothing."""
    for sentinel in (-99.0, -999.0, FLT_MAX, np.nan):
        pt = np.array([[30.0, sentinel], [sentinel, sentinel]], np.float32)
        path = write(tmp_path / "a.h5", pt=pt, eta=np.full((2, 2), -9.0), phi=np.full((2, 2), -99.0))
        path = write(tmp_path / "a.h5", pt=pt, eta=np.where(pt == 30, 1, sentinel), phi=np.where(pt == 30, 1, sentinel))
        declared = (-99, -999, 3.4028235e38, "nan")
        assert jets(path, missing=declared).tolist() == [[60, 23, 23], [0, 0, 0]]
        with pytest.raises(DataError, match=r"pt .*'pt' is .* in event [01].*data\.missing"):
            jets(path)


def test_missing_whole_events(tmp_path):
    whole = np.zeros((2, 19, 3))
    whole[:, JET.first] = [30, 1, 1]
    whole[0, JET.first + 1 :] = -999
    path = write(tmp_path / "a.h5", x=whole)
    made = read_events(path, Columns(objects="x"), missing=(-999,)).events.inputs
    assert np.array_equal(made[0], made[1])
    with pytest.raises(DataError, match=r"pT in dataset 'x' is negative \(-999\.0\)"):
        read_events(path, Columns(objects="x"))


@pytest.mark.parametrize(("column", "value", "said"), [
    ("eta", -99.0, r"eta of dataset 'eta' is -99 in event 1, and so are 0 more of the 2 objects"),
    ("eta", -999.0, "eta of dataset 'eta' is -999 in event 1"),
    ("phi", -99.0, r"phi of dataset 'phi' is -99 rad in event 1.*set data\.units to \{phi: degrees\}"),
    ("phi", 90.0, "phi of dataset 'phi' is 90 rad in event 1.*no object has more than 6.283"),
    ("pt", 1.2e5, r"pt of dataset 'pt' is 120000 GeV in event 1.*set data\.units to \{pt: MeV\}"),
])
def test_what_no_object_has_is_refused(tmp_path, column, value, said):
    values = {"pt": np.array([30.0, 30.0]), "eta": np.ones(2), "phi": np.ones(2)}
    values[column][1] = value
    with pytest.raises(DataError, match=said):
        jets(write(tmp_path / "a.h5", **values))


def test_directions_of_places_without_an_object_do_not_matter(tmp_path):
    path = write(tmp_path / "a.h5", pt=np.array([30.0, 0.0]), eta=np.array([1.0, -99.0]), phi=np.array([1.0, 400.0]))
    assert jets(path).tolist() == [[60, 23, 23], [0, 0, 0]]


def test_adc2021_knows_what_no_object_has(tmp_path):
    rows = np.zeros((3, 19, 4))
    rows[:, JET.first] = [30, 1, 1, 4]
    rows[2, JET.first, 2] = -99
    with pytest.raises(DataError, match="phi in dataset 'Particles' is -99 rad in event 2"):
        read_adc2021(write(tmp_path / "a.h5", Particles=rows))


def test_missing_takes_numbers_and_nan():
    assert options(background="a.h5", missing=[-99, "nan"]).missing == (-99, "nan")
    assert options(background="a.h5", missing=-999).missing == (-999,)
    assert "data.missing" in problem(missing=["none"])


@pytest.mark.parametrize("sentinel", [-99.0, -999.0, FLT_MAX])
def test_weights_and_numbers_of_events_that_are_not_there_are_refused(tmp_path, sentinel):
    """They are no negative weights, and no generator event that all of them share."""
    columns = {n: np.full(3, 2.0) for n in ("pt", "eta", "phi")}
    path = write(tmp_path / "a.h5", **columns, w=np.array([1.0, sentinel, 1.0], np.float32), n=[1, -999, -7])
    with pytest.raises(DataError, match=r"weight in dataset 'w' is .* in event 1, which stands for no value"):
        jets(path, JETS | {"weight": "w"})
    with pytest.raises(DataError, match=r"event id in dataset 'n' is -999 in event 1, which stands for no value"):
        jets(path, JETS | {"event_id": "n"})
    with pytest.raises(DataError, match=r"event id in dataset 'n' is -7 in event 2"):
        jets(write(tmp_path / "b.h5", **columns, n=[1, 2, -7]), JETS | {"event_id": "n"}, missing=(-7,))


# Units

def test_units(tmp_path):
    expected = jets(write(tmp_path / "a.h5", pt=np.array([30.0]), eta=np.ones(1), phi=np.array([2.0])))
    other = write(tmp_path / "b.h5", pt=np.array([30e3]), eta=np.ones(1), phi=np.array([np.degrees(2.0)]))
    units = options(background="a.h5", units={"pt": "MeV", "phi": "degrees"}).units
    assert np.array_equal(jets(other, units=units), expected)
    assert expected.tolist() == [[60, 23, 46]]
    whole = np.zeros((1, 19, 3))
    whole[0, JET.first] = [30e3, 1, np.degrees(2.0)]
    path = write(tmp_path / "c.h5", x=whole)
    made = read_events(path, Columns(objects="x"), units=units).events.inputs[:, JET.first]
    assert np.array_equal(made, expected)


def test_unknown_units_are_refused():
    assert "data.units" in problem(units={"pt": "keV"})
    assert "eta" in problem(units={"eta": "degrees"})


def data_set(folder, n=2000, pt=20.0, eta=2.0, phi=3.0):
    rng = np.random.default_rng(1)
    write(folder / "a.h5", pt=rng.exponential(pt, (n, 4)) + pt / 10, eta=rng.uniform(-eta, eta, (n, 4)),
          phi=rng.uniform(-phi, phi, (n, 4)), event=np.arange(n))
    return Table(options(background=str(folder / "a.h5"), columns=JETS | {"event_id": "event"})).load()


def test_a_share_of_objects_at_the_end_of_a_range_is_told(tmp_path):
    assert doubts(data_set(tmp_path)) == []
    (pt,) = doubts(data_set(tmp_path, pt=5e3))
    assert "of class jet have the largest pT there is, 2047.5 GeV" in pt.message
    assert pt.remedy == "where pT is in MeV, set data.units to {pt: MeV}"
    (eta,) = doubts(data_set(tmp_path, eta=6.0))
    assert "lie at the largest |eta| there is, 5" in eta.message
    (phi,) = doubts(data_set(tmp_path, phi=0.5))  # turns in place of radians
    assert "100.0% of the objects of class jet have |phi| below pi / 2" in phi.message
    (empty,) = doubts(data_set(tmp_path, pt=2e-2))
    assert "of the events hold no object above 0.5 GeV" in empty.message


# Selections

def test_objects_are_selected(tmp_path):
    """Energy sums of types and bunch crossings, jets of crossings, as the level-1 trigger of CMS writes them."""
    path = write_root(
        tmp_path / "a.root",
        L1EtSum_pt=[[500.0, 20.0, 30.0], [600.0, 40.0, 50.0]], L1EtSum_phi=[[0.0, 1.0, 2.0], [0.0, -1.0, 2.0]],
        L1EtSum_etSumType=[[1, 2, 2], [1, 2, 2]], L1EtSum_bx=[[0, 0, 1], [0, 0, -1]],
        L1Jet_pt=[[90.0, 30.0], [10.0]], L1Jet_eta=[[1.0, 1.0], [1.0]], L1Jet_phi=[[1.0, 1.0], [1.0]],
        L1Jet_bx=[[-1, 0], [2]],
    )
    met = {"pt": "L1EtSum_pt", "phi": "L1EtSum_phi", "where": ["L1EtSum_etSumType == 2", "L1EtSum_bx == 0"]}
    jet = {"pt": "L1Jet_pt", "eta": "L1Jet_eta", "phi": "L1Jet_phi", "where": "L1Jet_bx == 0"}
    made = read_events(path, Columns.model_validate({"met": met, "jet": jet})).events.inputs
    assert made[:, 0].tolist() == [[40, 0, 23], [80, 0, -23]]
    assert made[:, JET.first].tolist() == [[60, 23, 23], [0, 0, 0]]
    assert not made[:, JET.first + 1 :].any()
    with pytest.raises(DataError, match=r"branch 'L1EtSum_pt' has 2 entries in event 0, .*one met.*where"):
        read_events(path, Columns.model_validate({"met": met | {"where": "L1EtSum_bx == 0"}}))
    with pytest.raises(DataError, match=r"'L1EtSum_bx' says that objects of event 0 .*write where: L1EtSum_bx == 0"):
        read_events(path, Columns.model_validate({"met": met | {"where": "L1EtSum_etSumType == 2"}}))
    with pytest.raises(DataError, match=r"'L1Jet_bx' says that objects of event 0 .* another bunch crossing"):
        read_events(path, Columns.model_validate({"jet": jet | {"where": []}}))


@pytest.mark.parametrize(("condition", "kept"), [
    ("q == 2", [2]), ("q != 2", [1, 3]), ("q < 2", [1]), ("q <= 2", [1, 2]), ("q > 2", [3]), ("q >= 1.5", [2, 3]),
])
def test_comparisons(tmp_path, condition, kept):
    n = np.array([[1, 2, 3]])
    path = write(tmp_path / "a.h5", pt=10.0 * n, eta=0.0 * n, phi=0.0 * n, q=n)
    columns = Columns.model_validate({"jet": JETS["jet"] | {"where": condition}})
    made = read_events(path, columns).events.inputs[0, JET.rows, 0]
    assert sorted(made[made > 0]) == [20 * k for k in kept]


def test_conditions_that_are_none_are_refused(tmp_path):
    for text in ("L1Jet_bx", "L1Jet_bx = 0", "L1Jet_bx == zero", "__import__('os') == 0 or 1"):
        said = problem(columns={"jet": JETS["jet"] | {"where": text}})
        assert "data.columns.jet" in said and "is no condition; write a column, one of ==" in said
    path = write(tmp_path / "a.h5", pt=np.ones((2, 3)), eta=np.ones((2, 3)), phi=np.ones((2, 3)), q=np.ones(2))
    with pytest.raises(DataError, match="the condition in dataset 'q' has 1 entries in event 0, but 'pt' has 3"):
        jets(path, {"jet": JETS["jet"] | {"where": "q == 1"}})
    with pytest.raises(DataError, match="has no dataset 'p'"):
        jets(path, {"jet": JETS["jet"] | {"where": "p == 1"}})


def test_momenta_become_pt_eta_and_phi(tmp_path):
    objects = np.zeros((500, 19, 3))
    rng = np.random.default_rng(2)
    for row, pt in ((MET.first, 60.0), (JET.first, 40.0)):
        objects[:, row] = np.stack([rng.exponential(pt, 500), rng.uniform(-4, 4, 500), rng.uniform(-3, 3, 500)], 1)
    objects[:, MET.first, 1] = 0
    objects[:50, JET.first] = 0
    x, y = (objects[..., 0] * f(objects[..., 2]) for f in (np.cos, np.sin))
    z = objects[..., 0] * np.sinh(objects[..., 1])
    path = write(tmp_path / "a.h5", mpx=x[:, 0] * 1e3, mpy=y[:, 0] * 1e3, px=x[:, JET.first] * 1e3,
                 py=y[:, JET.first] * 1e3, pz=z[:, JET.first] * 1e3)
    columns = Columns.model_validate({
        "met": {"px": "mpx", "py": "mpy"}, "jet": {"px": "px", "py": "py", "pz": "pz"},
    })
    units = options(background="a.h5", units={"pt": "MeV"}).units
    made, expected = read_events(path, columns, units=units).events.inputs, to_hardware(objects)
    # Where a value lies at the border of two codes, rounding decides; nowhere is it off by more.
    assert np.abs(made.astype(int) - expected).max() <= 1
    assert (made != expected).any(axis=(1, 2)).sum() <= 1
    assert "px, py and pz, not some of both" in problem(columns={"jet": {"pt": "a", "px": "b", "py": "c", "eta": "d"}})
    assert "name the column jet.pz" in problem(columns={"jet": {"px": "a", "py": "b"}})
    assert "name the column py" in problem(columns={"met": {"px": "a"}})


# Trees, files, missing values

def test_several_trees_are_joined(tmp_path):
    with uproot.recreate(tmp_path / "a.root") as f:
        f["a/Objects"] = {"pt": ak.Array([[30.0], []]), "eta": ak.Array([[1.0], []]), "phi": ak.Array([[1.0], []]),
                          "event": np.array([5, 6])}
        f["b/Header"] = {"event": np.array([7, 8]), "w": np.array([1.0, 2.0])}
        f["b/Short"] = {"n": np.array([7])}
    columns = Columns.model_validate(JETS | {"weight": "w", "event_id": "b/Header:event"})
    sample = read_events(tmp_path / "a.root", columns, tree=("a/Objects", "b/Header"))
    assert sample.ids.tolist() == [7, 8] and sample.events.weight.tolist() == [1 / 3, 2 / 3]
    assert sample.events.inputs[:, JET.first, 0].tolist() == [60, 0]
    for tree, columns, said in (
        (("a/Objects", "b/Header"), {"event_id": "event"}, "has the branch 'event' in 2 trees.*name a/Objects:event"),
        (("a/Objects", "b/Short"), {}, "its trees differ in length .a/Objects: 2, b/Short: 1."),
        (("a/Objects", "b/Heder"), {}, "has no tree 'b/Heder'.*b/Header"),
        ((), {}, "holds 3 trees"),
    ):
        with pytest.raises(DataError, match=said):
            read_events(tmp_path / "a.root", Columns.model_validate(JETS | columns), tree=tree)


def test_one_entry_of_a_column_is_named_by_its_place(tmp_path):
    path = write_root(tmp_path / "a.root", pt=[[30.0], []], eta=[[1.0], []], phi=[[1.0], []],
                      weights=[[2.0, 9.0], [6.0, 9.0]])
    sample = read_events(path, Columns.model_validate(JETS | {"weight": "weights[0]"}))
    assert sample.events.weight.tolist() == [0.25, 0.75]
    with pytest.raises(DataError, match=r"branch 'weights\[2\]' is not there: event 0 has 2 entries"):
        read_events(path, Columns.model_validate(JETS | {"weight": "weights[2]"}))


def test_generator_events_are_known_by_file_and_number(tmp_path):
    """Two files with the same numbers, two events each: four hundred generator events."""
    for k in range(2):
        columns = {n: np.random.default_rng(k).uniform(1, 3, (400, 3)) for n in ("pt", "eta", "phi")}
        write(tmp_path / f"{k}.h5", **columns, run=np.ones(400, int), event=np.arange(400) // 2)
    files = [str(tmp_path / f"{k}.h5") for k in range(2)]
    data = Table(options(background=files, columns=JETS | {"event_id": "event"})).load()
    parts = (data.train, data.validation, data.test)
    assert sum(len(np.unique(p.row)) for p in parts) == 400
    assert all((np.unique(p.row, return_counts=True)[1] == 2).all() for p in parts)
    both = Table(options(background=files, columns=JETS | {"event_id": ["run", "event"]})).load()
    assert sum(len(np.unique(p.row)) for p in (both.train, both.validation, both.test)) == 400
    one = Table(options(background=files[0], columns=JETS | {"event_id": "event"})).load()
    assert sum(len(np.unique(p.row)) for p in (one.train, one.validation, one.test)) == 200


def test_numbers_of_several_columns_tell_events_apart(tmp_path):
    n = 1000
    lumi, event = np.arange(n) // 10, np.arange(n) % 10
    path = write(tmp_path / "a.h5", pt=np.ones(n), eta=np.ones(n), phi=np.ones(n), run=np.ones(n, int), lumi=lumi,
                 event=event)
    three = read_events(path, Columns.model_validate(JETS | {"event_id": ["run", "lumi", "event"]})).ids
    assert len(np.unique(three)) == n
    assert len(np.unique(read_events(path, Columns.model_validate(JETS | {"event_id": ["run", "event"]})).ids)) == 10


JAGGED = ak.Array([[30.0, 20.0], [], [10.0]])


@pytest.mark.parametrize("made", [
    ak.firsts(JAGGED), ak.mask(np.arange(3.0), [True, False, True]), ak.mask(np.arange(3), [True, False, True]),
    ak.Array([[1.0, None], [], [2.0]]),
], ids=["firsts", "mask", "mask of integers", "inside"])
@pytest.mark.parametrize("role", ["met", "phi", "weight", "event_id"])
def test_missing_values_of_rntuples_are_refused(tmp_path, made, role):
    """As those of Parquet are; uproot gives masked arrays for them, which once passed for numbers."""
    with uproot.recreate(tmp_path / "a.root") as f:
        f.mkrntuple("t", {"x": made, "good": np.arange(3.0), "n": np.arange(3)})
    ak.to_parquet(ak.Array({"x": made, "good": np.arange(3.0), "n": np.arange(3)}), tmp_path / "a.parquet")
    columns = {"met": {"pt": "good", "phi": "good"}}
    columns |= {"met": {"pt": "x", "phi": "good"}} if role == "met" else {}
    columns |= {"met": {"pt": "good", "phi": "x"}} if role == "phi" else {}
    columns |= {role: "x"} if role in ("weight", "event_id") else {}
    for name, where in (("a.root", "branch"), ("a.parquet", "column")):
        with pytest.raises(DataError, match=rf"{name}: {where} 'x' has missing values \(null\)"):
            read_events(tmp_path / name, Columns.model_validate(columns))


def test_rntuples_without_missing_values_are_read(tmp_path):
    with uproot.recreate(tmp_path / "a.root") as f:
        f.mkrntuple("t", {"pt": JAGGED, "eta": JAGGED / 10, "phi": JAGGED / 10})
    assert jets(tmp_path / "a.root")[:, 0].tolist() == [60, 0, 20]
    # An optional column in which nothing is missing is complete.
    with uproot.recreate(tmp_path / "b.root") as f:
        f.mkrntuple("t", {n: ak.mask(np.full(3, 2.0), [True] * 3) for n in ("pt", "eta", "phi")})
    assert jets(tmp_path / "b.root")[:, 0].tolist() == [4, 4, 4]


@pytest.mark.parametrize("optional", [False, True])
def test_parquet_that_awkward_writes(tmp_path, optional):
    array = ak.Array({"pt": JAGGED, "eta": JAGGED / 10, "phi": JAGGED / 10})
    if optional:
        array = ak.Array({n: ak.mask(array[n], [True] * 3) for n in array.fields})
    ak.to_parquet(array, tmp_path / "a.parquet")
    assert jets(tmp_path / "a.parquet")[:, 0].tolist() == [60, 0, 20]
    record = ak.zip({n: array[n] for n in array.fields})
    ak.to_parquet(ak.Array({"jet": record, "met": [1.0, 2.0, 3.0]}), tmp_path / "c.parquet")
    named = {"jet": {"pt": "jet.pt", "eta": "jet.eta", "phi": "jet.phi"}}
    assert jets(tmp_path / "c.parquet", named)[:, 0].tolist() == [60, 0, 20]
    ak.to_parquet(record, tmp_path / "d.parquet")
    assert jets(tmp_path / "d.parquet")[:, 0].tolist() == [60, 0, 20]
    ak.to_parquet(ak.to_regular(ak.Array({n: np.full((3, 2), 2.0) for n in ("pt", "eta", "phi")}), axis=None),
                  tmp_path / "b.parquet")
    assert jets(tmp_path / "b.parquet")[:, 0].tolist() == [4, 4, 4]


def test_columns_of_objects_are_named_not_called_damage(tmp_path):
    with uproot.recreate(tmp_path / "a.root") as f:
        f.mktree("t", {"pt": "var * float64", "eta": "var * float64", "phi": "var * float64"})
        f["t"].extend({"pt": JAGGED, "eta": JAGGED / 10, "phi": JAGGED / 10})
        f.mktree("names", {"s": "string"})
        f["names"].extend({"s": ["a", "bc", "d"]})
    assert jets(tmp_path / "a.root", tree="t")[:, 0].tolist() == [60, 0, 20]
    with pytest.raises(DataError, match=r"branch 's' is not numeric \(its C\+\+ type is char\*\)"):
        read_events(tmp_path / "a.root", Columns.model_validate(JETS | {"weight": "s"}), tree=("t", "names"))




def test_branches_that_uproot_cannot_interpret_are_named_not_called_damage(tmp_path, monkeypatch):
    """As branches of vectors of C++ objects in files of TreeMaker; others of the same file are read."""
    from uproot.behaviors.TBranch import TBranch
    from uproot.interpretation.identify import UnknownInterpretation

    path = write_root(tmp_path / "a.root", pt=JAGGED, eta=JAGGED / 10, phi=JAGGED / 10, Jets=JAGGED)
    plain = TBranch.interpretation.fget
    unknown = UnknownInterpretation("none", str(path), "Jets")
    monkeypatch.setattr(TBranch, "interpretation", property(lambda b: unknown if b.name == "Jets" else plain(b)))
    assert jets(path)[:, 0].tolist() == [60, 0, 20]
    with pytest.raises(DataError, match=r"a\.root: branch 'Jets' is not numeric \(its C\+\+ type is"):
        jets(path, {"jet": JETS["jet"] | {"pt": "Jets"}})
