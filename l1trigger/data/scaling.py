"""From hardware integers to network inputs: an offset and a shift per input, the only place where this is defined.

Training, the C++ and the RTL all take their numbers from an ``InputScaling``:

    float level       x = (hw + offset) * 2^-shift
    firmware levels   v = clip((hw + offset) >> drop, range of `bits`) << drop,   x = v * 2^-shift

An input may be folded: where hw + offset is negative, the network sees it with its bits inverted, -(hw + offset) - 1.
That is an absolute value without an adder, for inputs whose sign says nothing, such as angles in an anomaly score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from l1trigger.data.objects import class_of_row
from l1trigger.design import Section
from l1trigger.fixed_point import FixedPoint, Overflow, Rounding


class FeatureScaling(Section):
    """Scaling of one feature of one object class.

    Attributes:
        shift: the network sees the integer times 2^-shift.
        offset: added to the integer first.
        bits: width that the firmware keeps, saturating; pT is unsigned, angles are signed.
        drop: low bits that the firmware drops.
    """

    shift: int = Field(ge=-8, le=16)
    offset: int = 0
    bits: int = Field(10, ge=1, le=16)
    drop: int = Field(0, ge=0, le=8)


class ObjectScaling(Section):
    """Scaling of the three features of one object class.

    Attributes:
        pt, eta, phi: of each feature.
    """

    pt: FeatureScaling
    eta: FeatureScaling
    phi: FeatureScaling


def _angle(shift: int, drop: int) -> FeatureScaling:
    return FeatureScaling(shift=shift, bits=5, drop=drop)


_CALO_ANGLES = {"eta": _angle(9, 3), "phi": _angle(9, 3)}
_MUON_ANGLES = {"eta": _angle(11, 5), "phi": _angle(11, 5)}


class ObjectInputs(Section):
    """Scaling of the 19 trigger objects.

    The defaults are for zero bias at pile-up 50. One unit of pT is 64 GeV of missing ET, 8 GeV of e/gamma, 2 GeV of
    muon and 32 GeV of jet, so that a rare muon counts although nine crossings in ten have none. The angles are kept
    small: their distributions are nearly the same for everything, and at order one their reconstruction error is
    noise that hides the rest. With one seed and 54 000 training crossings, A->4l at a false positive rate of 1e-3 was
    0.08 with angles at order one, 0.23 with small angles, and 0.31 with the muon unit of 2 GeV as well. These units
    were chosen with the signals in view.

    Attributes:
        met, egamma, muon, jet: of each class of objects.
    """

    met: ObjectScaling = ObjectScaling(
        pt=FeatureScaling(shift=7, bits=9, drop=1), eta=_angle(9, 3), phi=_angle(9, 3)
    )
    egamma: ObjectScaling = ObjectScaling(pt=FeatureScaling(shift=4, bits=8), **_CALO_ANGLES)
    muon: ObjectScaling = ObjectScaling(pt=FeatureScaling(shift=2, bits=7), **_MUON_ANGLES)
    jet: ObjectScaling = ObjectScaling(pt=FeatureScaling(shift=6, bits=10), **_CALO_ANGLES)

    def scaling(self) -> InputScaling:
        """The scaling of the 57 inputs in the order of an event (19, 3)."""
        features = [getattr(getattr(self, c.name), f) for c in class_of_row() for f in ("pt", "eta", "phi")]
        return InputScaling(
            tuple(f.offset for f in features), tuple(f.shift for f in features), tuple(f.drop for f in features),
            tuple(f.bits - (1 if k % 3 else 0) for k, f in enumerate(features)),
            tuple(bool(k % 3) for k in range(len(features))),
        )


def uniform(feature: FeatureScaling, inputs: int, signed: bool = False) -> InputScaling:
    """The same scaling of all inputs, such as the pixels of an image.

    Args:
        feature: of each.
        inputs: how many.
        signed: whether they can be negative.
    """
    return InputScaling(
        (feature.offset,) * inputs, (feature.shift,) * inputs, (feature.drop,) * inputs,
        (feature.bits - int(signed),) * inputs, (signed,) * inputs,
    )


def pixels(
    pixel: FeatureScaling, image: Sequence[int], columns: Mapping[int, FeatureScaling] | None = None
) -> InputScaling:
    """Unsigned scaling of the pixels of an image, in the order of rows, columns and channels.

    Args:
        pixel: of every pixel.
        image: height, width, channels.
        columns: of all pixels of single columns instead, by index.
    """
    height, width, channels = image
    row = [(columns or {}).get(c, pixel) for c in range(width) for _ in range(channels)]
    n = height * len(row)
    return InputScaling(
        tuple(f.offset for f in row) * height, tuple(f.shift for f in row) * height,
        tuple(f.drop for f in row) * height, tuple(f.bits for f in row) * height, (False,) * n,
    )


@dataclass(frozen=True)
class InputScaling:
    """Scaling of each network input.

    Attributes:
        offset, shift, drop: see the module.
        magnitude_bits: bits that the firmware keeps after dropping, without the sign.
        signed: whether the network's input can be negative.
        fold: whether the input is folded, so that it is never negative; nothing given folds none.
    """

    offset: tuple[int, ...]
    shift: tuple[int, ...]
    drop: tuple[int, ...]
    magnitude_bits: tuple[int, ...]
    signed: tuple[bool, ...]
    fold: tuple[bool, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "fold", self.fold or (False,) * len(self.shift))

    def __len__(self) -> int:
        return len(self.shift)

    def __add__(self, other: InputScaling) -> InputScaling:
        """The scaling of further inputs behind these."""
        return InputScaling(*(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))

    @property
    def types(self) -> tuple[FixedPoint, ...]:
        """Fixed-point type of each input in firmware."""
        return tuple(
            FixedPoint(m + s, m + s + d - sh, s, Rounding.TRN, Overflow.SAT)
            for m, s, d, sh in zip(self.magnitude_bits, self.signed, self.drop, self.shift, strict=True)
        )

    @property
    def network_type(self) -> FixedPoint:
        """The one signed type that holds every input exactly: the network's input type."""
        fraction = max(t.fraction for t in self.types)
        integer = max(t.integer + (0 if t.signed else 1) for t in self.types)
        return FixedPoint(fraction + integer, integer, True, Rounding.RND_CONV, Overflow.SAT)

    def folded(self, which: Sequence[bool]) -> InputScaling:
        """The scaling with some inputs folded (inputs,); those that are never negative need no folding."""
        signed = tuple(s and not w for s, w in zip(self.signed, which, strict=True))
        new = zip(self.fold, self.signed, which, strict=True)
        return replace(self, signed=signed, fold=tuple(f or (s and w) for f, s, w in new))

    def _flat(self, inputs: NDArray[Any]) -> NDArray[np.float64]:
        v = inputs.reshape(len(inputs), len(self)).astype(np.float64) + np.array(self.offset, np.float64)
        return np.where(np.array(self.fold) & (v < 0), -v - 1, v)

    def real(self, inputs: NDArray[Any]) -> NDArray[np.float64]:
        """Inputs of the full-precision reference, shape (events, inputs)."""
        return self._flat(inputs) * 2.0 ** -np.array(self.shift, np.float64)

    def firmware(self, inputs: NDArray[Any]) -> NDArray[np.float64]:
        """Inputs of the quantized network, exact multiples of each input's last bit, shape (events, inputs)."""
        drop = 2.0 ** np.array(self.drop, np.float64)
        high = 2.0 ** np.array(self.magnitude_bits, np.float64) - 1
        low = np.where(self.signed, -high - 1, 0)
        v = np.clip(np.floor(self._flat(inputs) / drop), low, high) * drop
        return v * 2.0 ** -np.array(self.shift, np.float64)

    def as_dict(self) -> dict[str, list[int]]:
        """Plain values; those of ``fold`` only where an input is folded."""
        return {k: [int(x) for x in v] for k, v in vars(self).items() if k != "fold" or any(v)}

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> InputScaling:
        """What ``as_dict`` gave."""
        return cls(
            tuple(d["offset"]), tuple(d["shift"]), tuple(d["drop"]), tuple(d["magnitude_bits"]),
            tuple(bool(s) for s in d["signed"]), tuple(bool(f) for f in d.get("fold", ())),
        )
