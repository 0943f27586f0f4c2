"""The algebra of graph layers as logic."""

import pytest

from l1trigger.errors import UnsupportedLayerError
from l1trigger.synth.streaming.graph_logic import Logic


@pytest.mark.parametrize(("operation", "arguments"), [
    ("total", (None,)), ("weighted_max", (None, None)), ("nearest", (None, None, 2, False)),
    ("square_distances", (None, None)),
])
def test_what_needs_all_vertices_at_once_is_refused_by_name(operation, arguments):
    with pytest.raises(UnsupportedLayerError, match=f"asks for '{operation}', which Logic does not have. Remedy: set"):
        getattr(Logic(8, {}), operation)(*arguments)
