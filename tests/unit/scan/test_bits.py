"""Accuracy against bits: points are made once, and survive an interruption."""

import csv
import json

import pytest
import toy_images

from l1trigger import design, train
from l1trigger.errors import ArgumentError
from l1trigger.results import Results
from l1trigger.scan import bits
from l1trigger.scan.bits_plot import draw


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        toy_images.install(patch)
        d, data = design.from_mapping(toy_images.raw_design()), toy_images.data_set(600)
        trained = train.run(d, Results(data=data), tmp_path_factory.mktemp("train"))
        yield d, Results(data=data, train=trained), "upstream"


def test_points_are_every_combination():
    found = bits.points([4, 2], ["ptq", "qat"], [0.0, 0.5])
    assert [(p.pruned, p.method, p.bits) for p in found] == [
        (0.0, "ptq", 2), (0.0, "ptq", 4), (0.0, "qat", 2), (0.0, "qat", 4),
        (0.5, "ptq", 2), (0.5, "ptq", 4), (0.5, "qat", 2), (0.5, "qat", 4),
    ]
    for wrong, key in (([1], "`widths=`"), ([17], "`widths=`")):
        with pytest.raises(ArgumentError, match=key):
            bits.points(wrong, ["qat"], [0.0])
    with pytest.raises(ArgumentError, match="no method 'qta'.*did you mean 'qat'"):
        bits.points([4], ["qta"], [0.0])
    with pytest.raises(ArgumentError, match="`pruned=`: 1 is no fraction"):
        bits.points([4], ["qat"], [1.0])


def test_more_bits_are_better_and_nothing_is_done_twice(start, tmp_path, monkeypatch):
    toy_images.install(monkeypatch)
    told = []

    def study(wanted, **more):
        told.clear()
        return bits.study(*start, bits.Plan(wanted, **more), tmp_path, told.append)

    wanted = bits.points([2, 6], ["qat", "ptq"], [0.0, 0.5])

    def interrupted(text):
        told.append(text)
        if "4/8" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bits.study(*start, bits.Plan(wanted, epochs=3), tmp_path, interrupted)
    assert len(json.loads((tmp_path / "bits.json").read_text())["points"]) == 3
    found = study(wanted, epochs=3)
    assert not any(t.startswith(("1/8", "2/8", "3/8")) for t in told) and any(t.startswith("4/8") for t in told)
    value = {(m.point.pruned, m.point.method, m.point.bits): found.value(m.figures).value for m in found.points}
    for pruned in (0.0, 0.5):
        for method in ("qat", "ptq"):
            assert value[pruned, method, 6] > value[pruned, method, 2]
    nonzero = {(m.point.pruned, m.point.method): m.nonzero for m in found.points if m.point.bits == 6}
    assert nonzero[0.5, "qat"] < 0.6 * nonzero[0.0, "qat"] and nonzero[0.5, "ptq"] < 0.6 * nonzero[0.0, "ptq"]
    assert study(wanted[:1], epochs=3).points == found.points[:1] and told == ["float reference"]
    assert len(json.loads((tmp_path / "bits.json").read_text())["points"]) == 8
    assert not (tmp_path / "checkpoints").exists()
    found.save(tmp_path)
    rows = list(csv.DictReader((tmp_path / "bits.csv").read_text().splitlines()))
    assert [float(r["accuracy"]) for r in rows] == [found.value(m.figures).value for m in found.points]
    assert draw(found, tmp_path).stat().st_size > 10_000
    with pytest.raises(ArgumentError, match="`figure=`: resolution is not measured.*accuracy, mean_auc"):
        study(wanted[:1], figure="resolution")
