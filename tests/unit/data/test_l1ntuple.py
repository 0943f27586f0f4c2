import awkward as ak
import numpy as np
import pytest
import uproot

from l1trigger.data.sources.l1ntuple import EMULATED, L1Ntuple, L1NtupleOptions, TowerBranches, read_events
from l1trigger.errors import DataError

ONE = [(10, 1, 1), (7, -28, 71), (5, 28, 70), (3, -1, 72), (4, 29, 5), (900, 4, 2), (200, 1, 71)]
"""Towers (iet, ieta, iphi) of an event."""


def write(path, events, tree=EMULATED, names=("iet", "ieta", "iphi"), types=(np.int16,) * 3):
    """A file with one jagged branch per quantity; ``events`` are lists of towers."""
    jagged = {
        name: ak.Array([np.array([t[k] for t in e], of) for e in events])
        for k, (name, of) in enumerate(zip(names, types, strict=True))
    }
    with uproot.recreate(path) as f:
        f.mktree(tree, {n: f"var * {np.dtype(of).name}" for n, of in zip(names, types, strict=True)})
        f[tree].extend(jagged)
    return path


def nonzero(image):
    return {(int(phi), int(eta)): int(image[phi, eta]) for phi, eta in np.argwhere(image)}


def many(n, seed):
    """Events with 300 different towers each."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(n):
        place = rng.choice(56 * 72, 300, replace=False)
        ieta = place // 72 - 28
        out.append(list(zip(rng.integers(1, 20, 300), ieta + (ieta >= 0), place % 72 + 1, strict=True)))
    return out


def test_towers_of_a_region_add_up_and_saturate(tmp_path):
    events = read_events(write(tmp_path / "a.root", [ONE, [], [(1, 12, 38)]])).events
    assert events.inputs.shape == (3, 18, 14)
    assert events.inputs.dtype == np.int16
    # Region 0 in phi has the towers 71, 72, 1, 2; the tower at ieta 29 is forward.
    assert nonzero(events.inputs[0]) == {(0, 7): 1023, (0, 0): 7, (17, 13): 5, (0, 6): 3}
    assert nonzero(events.inputs[1]) == {}
    assert nonzero(events.inputs[2]) == {(9, 9): 1}
    assert len(read_events(tmp_path / "a.root", first=2).events) == 2


def test_every_tower_goes_where_its_numbers_say(tmp_path):
    """Each tower by itself, against the boundaries of regions written out."""
    etas = [*range(-28, 0), *range(1, 29)]
    events = [[(1, ieta, iphi)] for ieta in etas for iphi in (71, 72, 1, 2, 3, 6, 7, 70)]
    images = read_events(write(tmp_path / "a.root", events)).events.inputs
    found = [next(iter(nonzero(i))) for i in images]
    phi = [0, 0, 0, 0, 1, 1, 2, 17]
    assert found == [(p, k // 4) for k in range(56) for p in phi]


def test_the_data_set_of_ntuples(tmp_path):
    background = [write(tmp_path / f"{i}.root", many(40, i)) for i in range(2)]
    signal = write(tmp_path / "s.root", many(20, 5))
    options = L1NtupleOptions(background=background, signal_files={"VBF": signal}, zero_bias=True)
    data = L1Ntuple(options).load()
    assert data.zero_bias
    assert sum(len(e) for e in (data.train, data.validation, data.test)) == 80
    assert data.signals[0].name == "VBF"
    assert data.signals[0].inputs.sum(axis=(1, 2)).tolist() == [sum(t[0] for t in e) for e in many(20, 5)]
    assert options.files() == (*background, signal)


def test_names_are_options(tmp_path):
    path = write(tmp_path / "a.root", [ONE], "towers", ("et", "eta", "phi"))
    with pytest.raises(DataError, match=f"has no tree '{EMULATED}'.*set the key tree to one of: towers"):
        read_events(path)
    with pytest.raises(DataError, match="has no branch 'L1CaloTower/iet'.*Known: .*et, eta"):
        read_events(path, tree=None)
    made = read_events(path, tree="towers", branches=TowerBranches(et="et", ieta="eta", iphi="phi")).events
    assert np.array_equal(made.inputs, read_events(write(tmp_path / "b.root", [ONE])).events.inputs)


@pytest.mark.parametrize(("towers", "message"), [
    ([(-1, 1, 1)], "branch 'iet' is -1 for tower 0 of event 1.*et has to be 0 or more"),
    ([(1, 1, 1), (1, 0, 1)], "branch 'ieta' is 0 for tower 1 of event 1.*ieta has to be within -41 to 41, not 0"),
    ([(1, 42, 1)], "branch 'ieta' is 42 for tower 0"),
    ([(1, 1, 73)], "branch 'iphi' is 73 for tower 0 of event 1.*iphi has to be within 1 to 72"),
    ([(1, 1, 0)], "branch 'iphi' is 0"),
    ([(1, 5, 9), (2, 4, 9), (3, 5, 9)], "branch 'iet' gives a tower of event 1 twice.*one bunch crossing"),
])
def test_towers_that_cannot_be_are_refused(tmp_path, towers, message):
    with pytest.raises(DataError, match=r"a.root: .*" + message):
        read_events(write(tmp_path / "a.root", [ONE, towers]))


def test_energies_in_gev_and_flat_branches_are_refused(tmp_path):
    types = (np.float32, np.int16, np.int16)
    path = write(tmp_path / "a.root", [ONE, [(0.5, 1, 1)]], types=types)
    with pytest.raises(DataError, match="branch 'iet' is 0.5 for tower 0 of event 1.*such as L1CaloTower/iet"):
        read_events(path)
    assert read_events(write(tmp_path / "b.root", [ONE], types=types)).events.inputs.sum() == 1023 + 7 + 5 + 3
    with uproot.recreate(tmp_path / "c.root") as f:
        f[EMULATED] = {"iet": np.arange(3), "ieta": np.ones(3, int), "iphi": np.ones(3, int)}
    with pytest.raises(DataError, match="branch 'iet' has one number per event"):
        read_events(tmp_path / "c.root")


def test_branches_of_unequal_length_are_refused(tmp_path):
    with uproot.recreate(tmp_path / "a.root") as f:
        f.mktree(EMULATED, dict.fromkeys(("iet", "ieta", "iphi"), "var * int16"))
        f[EMULATED].extend({
            "iet": ak.Array([[1, 2], [3]]), "ieta": ak.Array([[1, 2], [3]]), "iphi": ak.Array([[1, 2], [3, 4]]),
        })
    with pytest.raises(DataError, match="branch 'iphi' has 2 entries in event 1, but 'iet' has 1"):
        read_events(tmp_path / "a.root")


def test_a_truncated_file_is_refused(tmp_path):
    path = write(tmp_path / "a.root", many(50, 1))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match="damaged or truncated"):
        read_events(path)
