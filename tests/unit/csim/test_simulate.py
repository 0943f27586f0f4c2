import subprocess
from dataclasses import replace

import numpy as np
import pytest
import toy_trigger as toy

from l1trigger.csim import simulate
from l1trigger.errors import DataError, ToolFailedError


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(simulate, "CHUNK", 100)


def run(executable, inputs, folder, **values):
    return simulate.simulate(executable, inputs, 1, toy.design(csim=values).csim, folder)


def broken(folder, script):
    path = folder / "broken"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_any_number_of_processes_gives_the_same(executable, function, small_chunks, tmp_path):
    inputs = toy.events(950)
    one = run(executable, inputs, tmp_path / "1", processes=1)
    three = run(executable, inputs, tmp_path / "3", processes=3)
    expected = function.evaluate(inputs)
    for got in (one.outputs, three.outputs):
        np.testing.assert_array_equal(got.score, expected.score)
        np.testing.assert_array_equal(got.network, expected.network)
        np.testing.assert_array_equal(got.accept, expected.accept)
    assert one.events == three.events == 950


def test_goes_on_after_an_interruption(executable, function, small_chunks, tmp_path, monkeypatch):
    inputs = toy.events(950)
    real, calls = simulate.run_program, []

    def interrupted(program, arguments, work, limit):
        calls.append(arguments[1])
        if len(calls) > 4:
            raise KeyboardInterrupt
        real(program, arguments, work, limit)

    monkeypatch.setattr(simulate, "run_program", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(executable, inputs, tmp_path, processes=1)
    kept = list(tmp_path.rglob("[0-9]*.bin"))
    assert len(kept) == 4
    monkeypatch.setattr(simulate, "run_program", real)
    told = []
    result = simulate.simulate(
        executable, inputs, 1, toy.design().csim, tmp_path, lambda what, done, total: told.append((done, total))
    )
    assert result.events == 550
    assert told[0] == (400, 950) and told[-1] == (950, 950)
    np.testing.assert_array_equal(result.outputs.score, function.evaluate(inputs).score)


def test_a_chunk_that_was_cut_off_is_done_again(executable, function, small_chunks, tmp_path):
    inputs = toy.events(300)
    run(executable, inputs, tmp_path)
    chunk = next(tmp_path.rglob("100.bin"))
    chunk.write_bytes(chunk.read_bytes()[:-1])
    again = run(executable, inputs, tmp_path)
    assert again.events == 100
    np.testing.assert_array_equal(again.outputs.score, function.evaluate(inputs).score)


def test_other_events_take_no_old_chunks(executable, small_chunks, tmp_path):
    run(executable, toy.events(100, seed=1), tmp_path)
    assert run(executable, toy.events(100, seed=2), tmp_path).events == 100


def test_a_failing_program_is_an_error_with_log(executable, tmp_path):
    bad = replace(executable, path=broken(tmp_path, "echo 'no disk' >&2; exit 5"))
    with pytest.raises(ToolFailedError, match="csim failed with exit status 5.*\n.*no disk") as e:
        run(bad, toy.events(10), tmp_path / "work")
    assert "no disk" in e.value.log.read_text()


def test_a_program_that_hangs_is_stopped(executable, tmp_path):
    slow = replace(executable, path=broken(tmp_path, "exec sleep 30"))
    with pytest.raises(ToolFailedError, match="csim ran past its time limit"):
        run(slow, toy.events(10), tmp_path / "work", time_limit_s=0.3)


def test_inputs_beyond_16_bits_are_refused(executable, tmp_path):
    with pytest.raises(DataError, match="do not fit into 16 bits"):
        run(executable, np.full((2, 3, 3), 40_000), tmp_path)
    with pytest.raises(DataError, match="no events"):
        run(executable, toy.events(0), tmp_path)


@pytest.mark.parametrize("arguments", [[], ["inputs.bin", "0", "9", "out"], ["nowhere.bin", "0", "1", "out"],
                                       ["inputs.bin", "-1", "1", "out"], ["inputs.bin", "0", "1", "no/such/folder"]])
def test_the_program_refuses_what_it_cannot_do(executable, tmp_path, arguments):
    toy.events(3).tofile(tmp_path / "inputs.bin")
    command = [executable.path, *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.startswith("csim: ")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["inputs.bin"]
