"""Words and numbers as the page prints them."""

from __future__ import annotations

import math
import re

from l1trigger.catalogue import Format
from l1trigger.figures import Figure

_SYMBOLS = {
    r"\to": "→", r"\ell": "ℓ", r"\tau": "τ", r"\nu": "ν", r"\pi": "π", r"^\pm": "±", "^0": "⁰", "^+": "⁺", "^-": "⁻",
    r"\bar{\mathrm{t}}": "t̄", r"\mu": "μ", r"\gamma": "γ", r"\phi": "φ", r"\eta": "η",
}
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def plain_title(mathtext: str) -> str:
    """A title in matplotlib's mathtext as plain characters."""
    text = mathtext
    for tex, character in sorted(_SYMBOLS.items(), key=lambda kv: -len(kv[0])):
        text = text.replace(tex, character)
    text = re.sub(r"\\mathrm\{(\w+)\}", r"\1", text)
    return re.sub(r"\s+", " ", text.replace("$", "").replace("{", "").replace("}", "")).strip()


def number(value: float, digits: int = 4) -> str:
    """A number with so many significant digits, thousands set apart by thin spaces, exponents as powers of ten."""
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1e7 or size < 1e-4:
        mantissa, exponent = f"{value:.{max(digits - 2, 0)}e}".split("e")
        power = str(int(exponent)).translate(_RAISED)
        mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        return f"10{power}" if mantissa == "1" else f"{mantissa}·10{power}"
    if size >= 1000 or float(value).is_integer():
        return f"{value:,.0f}".replace(",", "\u2009")
    return f"{value:.{digits}g}"


def power_of_ten(value: float) -> str:
    """A number that is a power of ten as one."""
    exponent = round(math.log10(value)) if value > 0 else 0
    if value <= 0 or not math.isclose(value, 10.0**exponent, rel_tol=1e-9):
        return number(value)
    return "10" + str(exponent).translate(_RAISED)


def fixed(value: float, decimals: int) -> str:
    """A number with so many decimals, with a true minus sign."""
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", "−")


def formatted(value: float, how: Format) -> str:
    """A number as the catalogue prints it, with a true minus sign."""
    if how.decimals is None:
        return number(value, how.digits) if value >= 0 else "−" + number(-value, how.digits)
    return fixed(value, how.small if how.small is not None and abs(value) < 0.01 else how.decimals)


def as_precise(error: float, text: str) -> str:
    """An error with as many decimals as the printed value that it belongs to."""
    decimals = text.partition(".")[2]
    return fixed(error, len(decimals)) if decimals.isdigit() else number(error, 2)


def span(interval: tuple[float, float]) -> str:
    """An interval by its ends, for errors that are factors."""
    return f"{number(interval[0], 3)} to {number(interval[1], 3)}"


def half_width(figure: Figure) -> float | None:
    """Half the interval of a figure, for ±; None where there is none."""
    return None if figure.interval is None else 0.5 * (figure.interval[1] - figure.interval[0])
