"""Work in threads and on clusters: every job once, the same results, clear ends."""

import os
import signal
import stat
import threading
import time

import pytest

from l1trigger import farm
from l1trigger.data import parallel
from l1trigger.errors import ClusterError, MissingExtraError
from l1trigger.farm import ClusterFile, Farm


def square(x):
    return x * x


def slow_square(x):
    time.sleep(0.3)
    return x * x


def marks_process(folder_and_x):
    """Says which process works, and takes a while."""
    folder, x = folder_and_x
    (folder / f"pid-{os.getpid()}").touch()
    time.sleep(0.5)
    return x * x


def fails(x):
    if x == 3:
        raise ValueError("three")
    return x


@pytest.mark.parametrize("where", [Farm(1), Farm(3), Farm()])
def test_threads_do_every_job_once(where):
    assert dict(where.map(square, range(50))) == {x: x * x for x in range(50)}
    assert list(where.map(square, [])) == []


def test_an_error_ends_what_has_not_begun():
    begun = []

    def job(x):
        begun.append(x)
        time.sleep(0.01)
        return fails(x)

    with pytest.raises(ValueError, match="three"):
        list(Farm(1).map(job, range(200)))
    time.sleep(0.1)
    assert len(begun) < 100


def test_a_caller_that_wants_no_more_ends_the_rest():
    begun = []

    def job(x):
        begun.append(x)
        time.sleep(0.01)
        return x

    for _ in Farm(1).map(job, range(200)):
        break
    time.sleep(0.1)
    assert len(begun) < 100


def test_local_cluster_gives_the_results_of_threads():
    assert dict(Farm(2, "local").map(square, range(20))) == dict(Farm(2).map(square, range(20)))
    assert list(Farm(2, "local").map(square, [])) == []
    with pytest.raises(ValueError, match="three"):
        list(Farm(1, "local").map(fails, range(6)))


def test_killed_workers_lose_nothing(tmp_path):
    jobs = [(tmp_path, x) for x in range(12)]

    def kill_one():
        for _ in range(600):
            if seen := list(tmp_path.glob("pid-*")):
                os.kill(int(seen[0].name.removeprefix("pid-")), signal.SIGKILL)
                return
            time.sleep(0.05)

    killer = threading.Thread(target=kill_one)
    killer.start()
    found = dict(Farm(2, "local").map(marks_process, jobs))
    killer.join()
    assert found == {(tmp_path, x): x * x for x in range(12)}
    assert len(list(tmp_path.glob("pid-*"))) > 2  # another worker took the place of the killed one


def touch(folder, name):
    (folder / name).touch()


def test_jobs_of_processes_run_on_a_cluster(tmp_path):
    told = []
    jobs = [(tmp_path, str(i)) for i in range(5)]
    workers = parallel.Workers(1, cluster="local")
    parallel.run(touch, jobs, 7, workers, lambda done, total: told.append((done, total)))
    assert sorted(p.name for p in tmp_path.iterdir()) == list("01234")
    assert told == [(n, 7) for n in range(2, 8)]


def test_scheduler_at_an_address():
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        assert dict(Farm(cluster=cluster.scheduler_address).map(square, range(5))) == {x: x * x for x in range(5)}


def test_scheduler_that_does_not_answer(monkeypatch):
    monkeypatch.setattr(farm, "_PATIENCE_S", 1)
    with pytest.raises(ClusterError, match=r"scheduler at tcp://127.0.0.1:1 does not answer.*dask scheduler"):
        list(Farm(cluster="tcp://127.0.0.1:1").map(square, [1]))


def test_batch_system(tmp_path, monkeypatch):
    """A stand-in for sbatch starts the workers that it is told to."""
    programs = tmp_path / "bin"
    programs.mkdir()
    # As sbatch does, it keeps a copy of the script, which is gone when the call returns.
    submit = f'cp "$1" {tmp_path}/script\nbash {tmp_path}/script >/dev/null 2>&1 &\necho "Submitted batch job $!"'
    for name, text in {"sbatch": submit, "scancel": 'kill "$1"'}.items():
        (programs / name).write_text(f"#!/bin/bash\n{text}\n")
        (programs / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    path = tmp_path / "farm.yaml"
    path.write_text("kind: slurm\njobs: 1\nmemory: 1GB\noptions: {walltime: '00:10:00', interface: lo}\n")
    assert dict(Farm(cluster=str(path)).map(square, range(6))) == {x: x * x for x in range(6)}


@pytest.mark.parametrize(("text", "problem"), [
    ("kind: slurm\n", "jobs: Field required"),
    ("kind: pbs\njobs: 2\n", "kind: Input should be 'slurm' or 'htcondor'"),
    ("kind: slurm\njobs: 2\nworkers: 3\n", "workers: Extra inputs are not permitted.*the keys are kind, jobs"),
    ("kind: [\n", "is not YAML"),
    ("- 1\n", "file: Input should be"),
])
def test_wrong_cluster_files(tmp_path, text, problem):
    path = tmp_path / "farm.yaml"
    path.write_text(text)
    with pytest.raises(ClusterError, match=f"farm.yaml.*{problem}"):
        ClusterFile.read(path)
    with pytest.raises(ClusterError, match="nowhere.yaml: cannot be read"):
        ClusterFile.read(tmp_path / "nowhere.yaml")


def test_without_dask(monkeypatch):
    import builtins

    real = builtins.__import__

    def without(name, *rest, **more):
        if name.startswith("distributed"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match="l1trigger\\[farm\\]"):
        list(Farm(cluster="local").map(square, [1]))
