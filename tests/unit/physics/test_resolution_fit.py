"""The curve through resolutions when a network has learned nothing."""

import numpy as np
import pytest

from l1trigger.figures import Estimate
from l1trigger.physics import response


def bins(values):
    return [response.Spread(100, 10.0 + 10 * i, Estimate(1, 0.1, ""), Estimate(v, 0.01, ""))
            for i, v in enumerate(values)]


def test_negative_widths_are_left_out():
    sane = [0.9 / np.sqrt(e) for e in (10, 20, 30, 40, 50)]
    found = response.fit(bins([*sane, -0.3]))
    assert found is not None
    assert found.a.value == pytest.approx(0.9, rel=1e-3)  # the fit stops short of the last digit
    assert response.fit(bins([-v for v in sane])) is None
