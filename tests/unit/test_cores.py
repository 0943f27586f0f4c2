"""Cores are counted by one function, which heeds what a process may use."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from l1trigger import doctor
from l1trigger.cores import cores
from l1trigger.csim.simulate import processes
from l1trigger.sections import CsimSection

PACKAGE = Path(doctor.__file__).parent
COUNTS = re.compile(r"sched_getaffinity|cpu_count|min\(\d, *(cores|len)")


def test_affinity_is_heeded() -> None:
    """In a process of its own: an affinity outlives a test."""
    one = min(os.sched_getaffinity(0))
    code = f"import os; os.sched_setaffinity(0, {{{one}}}); from l1trigger.cores import cores; print(cores())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "1\n"


def test_a_limit_is_heeded_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    assert cores() == 1
    assert processes(CsimSection()) == 1
    assert processes(CsimSection(processes=3)) == 3
    assert doctor.gather().cores == 1


def test_nothing_else_counts_cores() -> None:
    found = [p.name for p in sorted(PACKAGE.rglob("*.py")) if COUNTS.search(p.read_text())]
    assert found == ["cores.py"]
