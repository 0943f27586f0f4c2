import numpy as np
import pytest

from l1trigger.data.objects import maximum_table, to_hardware, to_physical
from l1trigger.data.scaling import FeatureScaling, InputScaling, ObjectInputs, ObjectScaling, pixels


def random_objects(n=2000, seed=0):
    limit = maximum_table()
    rng = np.random.default_rng(seed)
    objects = rng.integers(-limit, limit + 1, (n, *limit.shape))
    objects[..., 0] = np.abs(objects[..., 0])
    return objects.astype(np.int16)


def test_firmware_inputs_are_values_of_their_types():
    scaling = ObjectInputs().scaling()
    x = scaling.firmware(random_objects())
    for i, t in enumerate(scaling.types):
        assert t.represents(x[:, i])
    assert scaling.network_type.represents(x)


def test_firmware_equals_real_where_nothing_is_dropped_or_clipped():
    one = ObjectScaling(**{f: FeatureScaling(shift=4, bits=14) for f in ("pt", "eta", "phi")})
    scaling = ObjectInputs(met=one, egamma=one, muon=one, jet=one).scaling()
    objects = random_objects()
    np.testing.assert_array_equal(scaling.firmware(objects), scaling.real(objects))


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (1, 0), (7, 4), (127, 60), (-1, -4), (-5, -8), (-300, -64)])
def test_drop_and_saturation(value, expected):
    scaling = InputScaling((0,), (0,), (2,), (4,), (True,))
    assert scaling.firmware(np.array([[value]]))[0, 0] == expected


def test_offset_comes_first():
    scaling = InputScaling((-72,), (3,), (0,), (7,), (True,))
    assert scaling.real(np.array([[80]]))[0, 0] == 1.0
    assert scaling.firmware(np.array([[80]]))[0, 0] == 1.0


@pytest.mark.parametrize(
    ("value", "expected"), [(0, 0), (9, 2), (-1, 0), (-5, 1), (-9, 2), (-32768, 31), (32767, 31)]
)
def test_a_folded_input_has_the_bits_of_what_is_negative_inverted(value, expected):
    scaling = InputScaling((0,), (2,), (2,), (5,), (True,)).folded([True])
    assert scaling.types[0].signed is False
    assert scaling.firmware(np.array([[value]]))[0, 0] == expected
    assert scaling.real(np.array([[value]]))[0, 0] == (value if value >= 0 else -value - 1) / 4


def test_an_input_that_is_never_negative_needs_no_folding():
    scaling = InputScaling((0, 0), (0, 0), (0, 0), (6, 6), (False, True)).folded([True, True])
    assert scaling.fold == (False, True) and scaling.signed == (False, False)


def test_folding_comes_after_the_offset_and_is_kept_in_plain_values():
    scaling = InputScaling((-10,), (0,), (0,), (6,), (True,)).folded([True])
    assert scaling.firmware(np.array([[7]]))[0, 0] == 2
    assert InputScaling.from_dict(scaling.as_dict()) == scaling
    assert "fold" not in ObjectInputs().scaling().as_dict()


def test_round_trip_of_plain_values():
    scaling = ObjectInputs().scaling()
    assert InputScaling.from_dict(scaling.as_dict()) == scaling


def test_hardware_integers_survive_physical_units():
    objects = random_objects()
    objects[..., 2] = np.where(objects[..., 2] == maximum_table()[:, 2], 0, objects[..., 2])  # +pi is -pi
    objects[objects[..., 0] == 0] = 0
    np.testing.assert_array_equal(to_hardware(to_physical(objects)), objects)


def test_pixels_follow_rows_columns_and_channels():
    edge = FeatureScaling(shift=5, offset=-40, bits=6, drop=3)
    scaling = pixels(FeatureScaling(shift=4, offset=-16, bits=6, drop=2), (2, 3, 2), {2: edge})
    assert scaling.offset == (-16, -16, -16, -16, -40, -40) * 2
    assert scaling.shift == (4, 4, 4, 4, 5, 5) * 2
    image = np.full((1, 2, 3, 2), 1000)
    image[0, 0, 0] = 17, 37  # one above the offset, and 21, of which the two low bits are dropped
    assert scaling.firmware(image)[0, :6].tolist() == [0, 20 / 16, 252 / 16, 252 / 16, 504 / 32, 504 / 32]
    assert scaling.firmware(np.zeros((1, 12))).tolist() == [[0.0] * 12]
