import h5py
import numpy as np
import pytest

from l1trigger import load_design
from l1trigger.data.sources.cicada import Cicada, CicadaOptions, read_events
from l1trigger.errors import DataError, DesignError


def images(n=300, seed=1):
    return np.random.default_rng(seed).poisson(2.0, (n, 18, 14)).astype(np.int16)


def write(path, **datasets):
    with h5py.File(path, "w") as f:
        for name, values in datasets.items():
            f[name] = values
    return path


def test_regions_are_taken_as_they_are(tmp_path):
    known = images()
    known[5, 17, 13] = 1023
    events, ids, _ = read_events(write(tmp_path / "a.h5", CaloRegions=known))
    assert np.array_equal(events.inputs, known)
    assert events.inputs.dtype == np.int16
    assert events.equally_weighted
    assert ids is None
    assert np.array_equal(read_events(tmp_path / "a.h5", first=7)[0].inputs, known[:7])


@pytest.mark.parametrize("values", [images().astype(np.float32), images().astype(np.uint16), images()[..., None]])
def test_whole_numbers_of_any_type_are_taken(tmp_path, values):
    events, _, _ = read_events(write(tmp_path / "a.h5", CaloRegions=values))
    assert np.array_equal(events.inputs, images())


def test_the_flag_drops_events_of_signals_only_unless_told_otherwise(tmp_path):
    flag = np.arange(300) % 3 == 0
    background = write(tmp_path / "b.h5", CaloRegions=images(300, 1), AcceptanceFlag=flag)
    signal = write(tmp_path / "s.h5", CaloRegions=images(300, 2), AcceptanceFlag=flag)
    sizes = {}
    for accepted in ("signals", "all", "none"):
        options = CicadaOptions(background=background, signal_files={"SUEP": signal}, accepted=accepted)
        data = Cicada(options).load()
        sizes[accepted] = (sum(len(e) for e in (data.train, data.validation, data.test)), len(data.signals[0]))
        if accepted != "none":
            assert np.array_equal(data.signals[0].inputs, images(300, 2)[flag])
    assert sizes == {"signals": (300, 100), "all": (100, 100), "none": (300, 300)}
    assert options.files() == (background, signal)


def test_zero_bias_and_names_of_datasets_are_options(tmp_path):
    background = write(tmp_path / "b.h5", et=images(300), number=np.arange(300) // 2, good=np.zeros(0))
    options = CicadaOptions(background=background, regions="et", flag="good", accepted="all", event_id="number")
    data = Cicada(options).load()
    assert not data.zero_bias
    assert sum(len(e) for e in (data.train, data.validation, data.test)) == 300  # an empty flag is none
    # Both events of a number lie on the same side.
    rows = [set(e.row) for e in (data.train, data.validation, data.test)]
    assert sum(len(r) for r in rows) == len(set.union(*rows)) == 150
    assert Cicada(options.model_copy(update={"zero_bias": True})).load().zero_bias
    with pytest.raises(DesignError, match="there is no signal 'SUEP'"):
        Cicada(options.model_copy(update={"signals": ("SUEP",)})).load()


@pytest.mark.parametrize("source", ["cicada", "l1ntuple", "adc2021"])
def test_a_design_may_name_one_file_or_several(tmp_path, source):
    (tmp_path / "a.yaml").write_text(
        f"name: a\ndata: {{source: {source}, background: [a.h5, b.h5], test_background: c.h5}}\n"
        "model: {architecture: autoencoder, hidden: [8], latent: 2}\n"
        "compress: {score: reconstruction_error, threshold: {false_positive_rate: 0.01}}\n"
    )
    options = load_design(tmp_path / "a.yaml").data
    assert [p.name for p in options.background] == ["a.h5", "b.h5"]
    assert [p.name for p in options.test_background] == ["c.h5"]
    with pytest.raises(DesignError, match="data.background"):
        load_design(tmp_path / "a.yaml", ["data.background=3"])


def changed(at, value, of=float):
    values = images().astype(of)
    values[at] = value
    return values


@pytest.mark.parametrize(("values", "message"), [
    (np.swapaxes(images(), 1, 2), r"'CaloRegions' has the shape \(n, 14, 18\).*phi before eta.*np.swapaxes\(x, 1, 2\)"),
    (images().reshape(-1, 252), r"'CaloRegions' has the shape \(n, 252\).*x.reshape\(-1, 18, 14\)"),
    (images()[:, :, :13], r"'CaloRegions' has the shape \(n, 18, 13\). Remedy: regions have to be \(n, 18, 14\)"),
    (images()[:, 0, 0], r"'CaloRegions' has the shape \(n\)"),
    (changed((7, 3, 2), np.nan), r"is not finite \(nan\) in event 7 at phi 3, eta 2, and 0 more"),
    (changed((7, 3, 2), 1.5), r"is not whole \(1.5\) in event 7 at phi 3, eta 2.*steps of 0.5 GeV"),
    (changed((9, 0), 1024, int), r"outside the hardware range 0 to 1023 \(1024\) in event 9 at phi 0, eta 0, and 13"),
    (changed((9, 1, 1), -1, int), r"outside the hardware range 0 to 1023 \(-1\) in event 9"),
    (np.zeros((0, 18, 14)), "holds no events"),
])
def test_other_values_are_refused(tmp_path, values, message):
    path = write(tmp_path / "a.h5", CaloRegions=values)
    with pytest.raises(DataError, match="a.h5: .*" + message):
        read_events(path)


@pytest.mark.parametrize(("datasets", "message"), [
    ({"Regions": images()}, "has no dataset 'CaloRegions'; did you mean 'Regions'"),
    ({"CaloRegions": images(), "AcceptanceFlag": np.ones(299)}, "datasets differ in length.*AcceptanceFlag: 299"),
    ({"CaloRegions": images(), "AcceptanceFlag": np.arange(300)}, "'AcceptanceFlag' is no flag, 0 or 1"),
    ({"CaloRegions": images(), "AcceptanceFlag": np.zeros(300)}, "has no event with AcceptanceFlag.*data.accepted"),
])
def test_other_datasets_are_refused(tmp_path, datasets, message):
    with pytest.raises(DataError, match="a.h5: .*" + message):
        read_events(write(tmp_path / "a.h5", **datasets))


def test_truncated_files_and_missing_files_are_refused(tmp_path):
    path = write(tmp_path / "a.h5", CaloRegions=images())
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(DataError, match="damaged or truncated"):
        read_events(path)
    with pytest.raises(DataError, match="does not exist"):
        read_events(tmp_path / "b.h5")
    with pytest.raises(ValueError, match="at least one file under background"):
        CicadaOptions()
    events = write(tmp_path / "c.h5", CaloRegions=images(), event=np.ones(300) / 3)
    with pytest.raises(DataError, match="'event' is no whole number for each event"):
        read_events(events, event_id="event")
