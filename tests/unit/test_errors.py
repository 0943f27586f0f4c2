import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from l1trigger.errors import BudgetError, DataError, DesignError, MissingExtraError, ToolFailedError, ToolNotFoundError

ERRORS = [
    DesignError("a.yaml", "train.epochs", "expected a number", "write 3"),
    DataError(Path("a.h5"), "is damaged"),
    ToolFailedError("yosys", None, Path("yosys.log"), "the end"),
    ToolNotFoundError("g++ was not found"),
    BudgetError({"latency_ns": 60.0}),
    MissingExtraError("xraylib", "calo"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
def test_an_error_comes_out_of_another_process_as_it_was(error):
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), vars(again)) == (str(error), vars(error))


def fails():
    raise MissingExtraError("xraylib", "calo")


def test_a_pool_of_processes_hands_on_the_error():
    with (
        ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool,
        pytest.raises(MissingExtraError, match=r"xraylib.*l1trigger\[calo\]"),
    ):
        pool.submit(fails).result()
