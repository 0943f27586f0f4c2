"""A network and data that do not fit each other."""

import numpy as np
import pytest
import toy_garnet as toy

from l1trigger import design, train
from l1trigger.data.events import DataSet
from l1trigger.errors import DesignError
from l1trigger.results import Results


@pytest.mark.parametrize("places", [4, 16])
def test_hits_of_data_and_network_differ(places, tmp_path):
    n = 40
    events = toy.with_truth(toy.clusters(n, vertices=places, extreme=0), np.arange(n) % 2.0, np.full(n, 20.0))
    data = DataSet(events, events, events, (events,), False, 2760)
    asked = design.from_mapping({
        "name": "sizes", "data": {"source": "showers"}, "compress": {"score": "classifier"},
        "model": {"architecture": "garnet", "hits": toy.V, "aggregators": [2], "propagate": [2], "filters": [2]},
        "synth": {"vertices_per_clock": 4},
    })
    says = f"model: garnet takes 32 numbers per event, but the data have {places} x 4.*model.hits.*data.max_hits"
    with pytest.raises(DesignError, match=says) as caught:
        train.run(asked, Results(data=data), tmp_path)
    assert caught.value.exit_code == 2
