"""Fixed-point types and exact quantization, with the semantics of the vendor's ``ap_fixed``.

A value of type ``ap_fixed<W,I,Q,O>`` is an integer of W bits times 2^-(W-I); I counts the sign bit. Quantizing here
is exact for every finite float64, into types of at most 53 bits; ``raw`` gives the integers themselves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import core_schema


class Rounding(StrEnum):
    """What happens to bits below the last.

    ``TRN`` floors, ``TRN_ZERO`` cuts towards zero; all others take the nearest, and of two that are as near ``RND`` the
    upper one, ``RND_MIN_INF`` the lower, ``RND_ZERO`` the one nearer to zero, ``RND_INF`` the one farther from it, and
    ``RND_CONV`` the even one.
    """

    TRN = "TRN"
    TRN_ZERO = "TRN_ZERO"
    RND = "RND"
    RND_MIN_INF = "RND_MIN_INF"
    RND_ZERO = "RND_ZERO"
    RND_INF = "RND_INF"
    RND_CONV = "RND_CONV"


class Overflow(StrEnum):
    """What happens to values out of range.

    ``WRAP`` drops high bits, ``SAT`` clips, ``SAT_SYM`` clips to +-max, ``SAT_ZERO`` gives 0.
    """

    WRAP = "WRAP"
    SAT = "SAT"
    SAT_ZERO = "SAT_ZERO"
    SAT_SYM = "SAT_SYM"


_MODES = r"(?:,\s*(?:AP_)?([A-Z]\w*)\s*)?(?:,\s*(?:AP_)?([A-Z]\w*)\s*)?(?:,\s*\d+\s*)?"
_PATTERN = re.compile(
    rf"\s*(?:ap_)?(u?)(?:fixed\s*<\s*(-?\d+)\s*,\s*(-?\d+)\s*{_MODES}|int\s*<\s*(-?\d+)\s*)>\s*"
)
_EXACT_BITS = 53  # of a float64


@dataclass(frozen=True)
class FixedPoint:
    """A fixed-point type; rounding and overflow are always part of it.

    Args:
        width: bits in all, 1 to 64.
        integer: bits left of the binary point, sign included.
        signed: two's complement or unsigned.
        rounding, overflow: how values are brought into the type.

    Raises:
        ValueError: width or integer bits make no sense, e.g. ``ap_fixed<6,16>``.
    """

    width: int
    integer: int
    signed: bool = True
    rounding: Rounding = Rounding.TRN
    overflow: Overflow = Overflow.WRAP

    def __post_init__(self) -> None:
        if not 1 <= self.width <= 64:
            raise ValueError(f"{self} has a width of {self.width} bits; 1 to 64 are possible")
        if self.integer > self.width:
            raise ValueError(
                f"{self} has more integer bits ({self.integer}) than bits in all ({self.width}); "
                f"write the total width first, e.g. ap_fixed<{self.integer},{self.width}>"
            )

    @classmethod
    def parse(cls, text: str) -> FixedPoint:
        """The type that a string such as ``ap_ufixed<8,3,AP_RND_CONV,AP_SAT>`` names.

        Raises:
            ValueError: the string does not name a possible type.
        """
        m = _PATTERN.fullmatch(text)
        if not m:
            raise ValueError(f"'{text}' is not a fixed-point type; write e.g. ap_fixed<16,6,RND_CONV,SAT>")
        unsigned, width, integer, rounding, overflow, int_width = m.groups()
        width, integer = (width, integer) if width else (int_width, int_width)
        try:
            q, o = Rounding(rounding or "TRN"), Overflow(overflow or "WRAP")
        except ValueError as e:
            raise ValueError(
                f"'{text}': {e}; rounding is {_listed(Rounding)}, overflow {_listed(Overflow)}"
            ) from e
        return cls(int(width), int(integer), not unsigned, q, o)

    @classmethod
    def from_quantized_bits(cls, bits: int, integer: int, keep_negative: bool = True) -> FixedPoint:
        """The type of QKeras' ``quantized_bits(bits, integer, alpha=1)``; QKeras does not count the sign bit."""
        return cls(bits, integer + int(keep_negative), keep_negative, Rounding.RND_CONV, Overflow.SAT)

    @classmethod
    def from_kif(cls, k: int, i: int, f: int) -> FixedPoint:
        """The type with k sign bits, i integer bits without sign and f fractional bits."""
        return cls(k + i + f, k + i, bool(k))

    @property
    def fraction(self) -> int:
        """Bits right of the binary point."""
        return self.width - self.integer

    @property
    def lsb(self) -> float:
        """Value of the last bit."""
        return 2.0**-self.fraction

    @property
    def raw_range(self) -> tuple[int, int]:
        """Smallest and largest integer that the type holds."""
        if not self.signed:
            return 0, 2**self.width - 1
        top = 2 ** (self.width - 1) - 1
        return (-top if self.overflow is Overflow.SAT_SYM else -top - 1), top

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest value of the type."""
        low, high = self.raw_range
        return low * self.lsb, high * self.lsb

    def raw(self, x: ArrayLike) -> NDArray[np.int64]:
        """Integers that represent ``x`` brought into the type.

        Raises:
            ValueError: ``x`` holds NaN or infinity, or the type is wider than 53 bits.
        """
        if self.width > _EXACT_BITS:
            raise ValueError(f"{self} is wider than the {_EXACT_BITS} bits that a float64 holds exactly")
        scaled = np.asarray(x, np.float64) * 2.0**self.fraction
        if not np.isfinite(scaled).all():
            raise ValueError(f"only finite values can be brought into {self}")
        whole = _rounded(scaled, self.rounding)
        low, high = self.raw_range
        if self.overflow is Overflow.WRAP:
            span = 2.0**self.width
            whole = np.fmod(whole, span)
            whole = np.where(whole < low, whole + span, np.where(whole > high, whole - span, whole))
        elif self.overflow is Overflow.SAT_ZERO:
            whole = np.where((whole < low) | (whole > high), 0, whole)
        else:
            whole = np.clip(whole, low, high)
        return whole.astype(np.int64)

    def value(self, raw: NDArray[np.int64]) -> NDArray[np.float64]:
        """Values that integers stand for."""
        return np.asarray(raw * self.lsb, np.float64)

    def quantize(self, x: ArrayLike) -> NDArray[np.float64]:
        """``x`` brought into the type."""
        return self.value(self.raw(x))

    def represents(self, x: ArrayLike) -> bool:
        """Whether every element of ``x`` is exactly a value of the type."""
        return bool(np.array_equal(self.quantize(x), np.asarray(x, np.float64)))

    def cpp(self) -> str:
        """The C++ type name with rounding and overflow written out."""
        kind = "ap_fixed" if self.signed else "ap_ufixed"
        return f"{kind}<{self.width},{self.integer},AP_{self.rounding},AP_{self.overflow}>"

    def __str__(self) -> str:
        kind = "ap_fixed" if self.signed else "ap_ufixed"
        return f"{kind}<{self.width},{self.integer},{self.rounding},{self.overflow}>"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Design files write the type as a string."""
        from_text = core_schema.no_info_after_validator_function(cls.parse, core_schema.str_schema())
        return core_schema.json_or_python_schema(
            json_schema=from_text,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), from_text]),
            serialization=core_schema.to_string_ser_schema(),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> Any:
        """A string in the JSON schema, with an example."""
        return {"type": "string", "examples": ["ap_fixed<16,6,RND_CONV,SAT>"]}


def _rounded(x: NDArray[np.float64], rounding: Rounding) -> NDArray[np.float64]:
    """Whole numbers in place of ``x``, exactly: x + 0.5 would itself be rounded, e.g. just below one half."""
    below = np.floor(x)
    part = x - below
    match rounding:
        case Rounding.TRN:
            return below
        case Rounding.TRN_ZERO:
            return np.trunc(x)
        case Rounding.RND_CONV:
            return np.rint(x)
        case Rounding.RND:
            up = part >= 0.5
        case Rounding.RND_MIN_INF:
            up = part > 0.5
        case Rounding.RND_ZERO:
            up = (part > 0.5) | ((part == 0.5) & (x < 0))
        case Rounding.RND_INF:
            up = (part > 0.5) | ((part == 0.5) & (x > 0))
    return np.asarray(below + up, np.float64)


def _listed(modes: type[StrEnum]) -> str:
    *first, last = modes
    return f"{', '.join(first)} or {last}"
