"""Corrections from Yosys to a vendor's counts: fitted, written, read, and quoted as error bars."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest

from l1trigger.errors import DesignError
from l1trigger.pipeline import _fingerprint
from l1trigger.report.build import hardware_figures
from l1trigger.sections import SynthSection
from l1trigger.synth import calibration
from l1trigger.synth.calibration import Correction, fit
from l1trigger.synth.result import SynthResult

CELLS = {"lut": 1000, "ff": 300, "srl": 0, "dsp": 0, "bram18": 0, "carry": 50, "mux": 0}


def test_corrections_are_geometric_means():
    made = fit([(100, 50), (100, 200), (10, 10), (0, 3), (3, 0)])
    assert made.designs == 3 and made.factor == pytest.approx(1)
    # Student's t for 68 % and two degrees of freedom is 1.32.
    assert made.sigma == pytest.approx(math.log(2) * math.sqrt(4 / 3) * 1.3116, rel=1e-3)
    assert fit([(0, 0)]) is None


def test_few_designs_keep_a_wide_error():
    made = fit([(100, 90)])
    assert made.factor == pytest.approx(0.9) and made.sigma == math.log(1.2) and "20 % is assumed" in made.method
    assert made.interval(1000) == pytest.approx((750, 1080))


def test_files_are_read_back(tmp_path):
    path = tmp_path / "c.json"
    calibration.save({"lut": Correction(0.9, 0.1, 4)}, path, tool="yosys 0.70")
    assert calibration.load(path) == {"lut": Correction(0.9, 0.1, 4)}


@pytest.mark.parametrize("text", [
    None, "{", "[]", '{"corrections": {"lut": {}}}',
    '{"corrections": {"glut": {"factor": 1, "sigma": 0, "designs": 1}}}',
    '{"corrections": {"lut": {"factor": -1, "sigma": 0, "designs": 1}}}',
])
def test_bad_files_name_key_and_remedy(tmp_path, text):
    path = tmp_path / "c.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DesignError, match=r"synth\.calibration.*c\.json"):
        calibration.load(path)


def test_figures_quote_the_error_bar_of_the_vendor(tmp_path):
    plain = SynthResult("xcvu9p-flga2104-2-e", 5.0, latency_cycles=1, initiation_interval=1, cells=CELLS)
    known = replace(plain, corrections={"lut": Correction(0.9, math.log(1.1), 4)})
    known.save(tmp_path)
    figures = {f.name: f for f in hardware_figures(SynthResult.load(tmp_path))}
    assert figures["lut"].value == 1000 and figures["lut"].interval == pytest.approx((900 / 1.1, 990))
    assert "Yosys x 0.9" in figures["lut"].interval_method and figures["ff"].interval is None
    assert all(f.interval is None for f in hardware_figures(plain) if f.source == "yosys")


def test_a_changed_file_makes_the_stage_run_again(tmp_path):
    path = tmp_path / "c.json"
    design = SimpleNamespace(synth=SynthSection(calibration=str(path)))
    seen = [_fingerprint(design, "synth")]
    for factor in (1.0, 1.1):
        calibration.save({"lut": Correction(factor, 0.1, 4)}, path)
        seen.append(_fingerprint(design, "synth"))
    assert len(set(seen)) == 3
    assert _fingerprint(SimpleNamespace(synth=SynthSection()), "synth") == ""
