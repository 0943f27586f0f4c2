"""A run up to csim whose trigger function is random, and a pool without Pythia8."""

import numpy as np
import pytest
import synthetic_pool
import tiny
import toy_trigger as toy
from made_run import finished

from l1trigger.data.crossings import generate, natural
from l1trigger.data.events import DataSet, Events
from l1trigger.data.pool_rows import TEST_BLOCKS, Pool

PILEUP = 5.0
"""Of the data set, as its card has it."""


@pytest.fixture(scope="session")
def pool(tmp_path_factory):
    """Folder of a pool whose hard processes are common."""
    return synthetic_pool.make(tmp_path_factory.mktemp("pool"), scale=50.0)


@pytest.fixture(scope="session")
def data(pool):
    """Crossings of the pool as a data set."""
    loaded, rng = Pool.load(pool), np.random.default_rng(0)
    made = [generate(loaded, PILEUP, natural(loaded.strata(PILEUP), 200, rng), b, rng) for b in TEST_BLOCKS]
    inputs = np.concatenate([m.objects for m in made])
    block = np.repeat(np.array(TEST_BLOCKS, np.int16), 200)
    card = {"pileup": PILEUP}
    events = Events("zerobias", inputs, np.full(len(inputs), 1 / len(inputs)), block, np.arange(len(inputs)), card)
    return DataSet(events, events, events, (tiny.events("A4l", 300, 4),), True, 2760)


@pytest.fixture(scope="session")
def function():
    """A trigger function of 19 objects."""
    return toy.trigger((6, 1), scaling=toy.small_scaling(19))


@pytest.fixture(scope="session")
def template(tmp_path_factory, data, function):
    """A run folder to copy."""
    return finished(tmp_path_factory.mktemp("run") / "tiny", data, function)
