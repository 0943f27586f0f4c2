"""Names of FPGAs, which every tool writes in its own way: one normal form to compare them by.

``xc7z020-clg400-1``, ``xc7z020clg400-1`` and ``7z020clg400-1`` are one part. Some reports leave out what stands last:
temperature, speed grade, package.
"""

from __future__ import annotations

import re


def normal(part: str) -> tuple[str, ...]:
    """Device with package, then speed grade and whatever follows, as far as the name tells them."""
    whole = part.strip().lower()
    first, *rest = (whole if re.match(r"x[a-z]", whole) else f"xc{whole}").split("-")
    package = next((i for i, x in enumerate(rest) if x[:1].isdigit()), len(rest))
    return ("".join([first, *rest[:package]]), *rest[package:])


def same(one: str, other: str) -> bool:
    """Whether two names may be of the same part: they agree in all that both of them tell."""
    (body, *grades), (body_2, *grades_2) = normal(one), normal(other)
    cut = not grades or not grades_2
    alike = body == body_2 or (cut and (body.startswith(body_2) or body_2.startswith(body)))
    return alike and all(a == b for a, b in zip(grades, grades_2, strict=False))


def with_grades(device: str, speed: str, temperature: str) -> str:
    """A device as Vivado's reports name it, with the grades that stand in lines of their own.

    Args:
        device: e.g. ``7z020-clg400``.
        speed: of the line "Speed File", e.g. ``-1  PRODUCTION 1.12``.
        temperature: of the line "Temperature Grade", e.g. ``E``.
    """
    name = device if re.match(r"x[a-z]", device.lower()) else f"xc{device}"
    grade = re.match(r"-(\w+)", speed)
    if grade is None or len(normal(name)) > 1:
        return name
    return "-".join(x for x in (name, grade[1], temperature.lower()) if x)
