import numpy as np
import pytest

from l1trigger.compress_sections import QuantizationSection
from l1trigger.errors import DesignError
from l1trigger.quantize.dense_layers import Behind, layer_types


def test_the_sign_of_activations_is_one_of_their_bits():
    section, values = QuantizationSection(activations=6, activations_integer=6), np.ones((5, 2))
    assert layer_types("hidden", section, values, Behind(relu=True)).activation.raw_range == (0, 63)
    with pytest.raises(DesignError, match=r"hidden.activations_integer: is 6, of 6 bits with a sign.* 5 or less"):
        layer_types("hidden", section, values, Behind())
