"""Trigger objects of one class from the columns of a table: units, selections, momenta, values that mean nothing."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import field_validator, model_validator

from l1trigger.data import object_values, readers
from l1trigger.data.objects import FEATURES, ObjectClass
from l1trigger.data.readers import Column, Table
from l1trigger.data.sources.files import one_or_more
from l1trigger.design import Section
from l1trigger.errors import DataError

_COMPARISONS: dict[str, Callable[[Any, float], Any]] = {
    "==": operator.eq, "!=": operator.ne, "<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt,
}
_CONDITION = re.compile(rf"\s*(\S+)\s*({'|'.join(_COMPARISONS)})\s*(\S+)\s*")
_GEV = {"GeV": 1.0, "MeV": 1e-3, "TeV": 1e3}
_RADIANS = {"radians": 1.0, "degrees": np.pi / 180}


class ObjectUnits(Section):
    """Units of the columns.

    Attributes:
        pt: of transverse momenta, and of px, py and pz.
        phi: of azimuths.
    """

    pt: Literal["GeV", "MeV", "TeV"] = "GeV"
    phi: Literal["radians", "degrees"] = "radians"

    @property
    def factors(self) -> NDArray[np.float64]:
        """What pT, eta and phi are multiplied with to be in GeV and radians."""
        return np.array([_GEV[self.pt], 1.0, _RADIANS[self.phi]])


@dataclass(frozen=True)
class Condition:
    """What the entry of an object in one column has to be.

    Attributes:
        column: its name.
        holds: whether values do.
    """

    column: str
    holds: Callable[[NDArray[Any]], NDArray[np.bool_]]

    @classmethod
    def parse(cls, text: str) -> Condition:
        """The condition in a text such as ``L1Jet_bx == 0``.

        Raises:
            ValueError: it is none.
        """
        match = _CONDITION.fullmatch(text)
        try:
            name, compare, value = match.groups() if match else ("", "", "")
            number = float(value)
        except ValueError:
            known = ", ".join(_COMPARISONS)
            raise ValueError(f"'{text}' is no condition; write a column, one of {known}, and a number, with spaces "
                             "between") from None
        return cls(name, lambda values: _COMPARISONS[compare](values, number))


class ObjectColumns(Section):
    """Columns of one class of objects, each with one entry per object (jagged or of fixed length).

    Attributes:
        pt: transverse momentum, in any order.
        eta: pseudorapidity; missing ET has none.
        phi: azimuth.
        px, py, pz: momentum, in place of pt, eta and phi; missing ET has no pz.
        where: condition or conditions that an object has to fulfil, each a column with one entry per object, a
            comparison and a number: ``L1Jet_bx == 0``. Other objects do not exist.
    """

    pt: str | None = None
    eta: str | None = None
    phi: str | None = None
    px: str | None = None
    py: str | None = None
    pz: str | None = None
    where: tuple[str, ...] = ()

    _wrapped = field_validator("where", mode="before")(one_or_more)

    @model_validator(mode="after")
    def _complete(self) -> ObjectColumns:
        cartesian = self.px is not None or self.py is not None or self.pz is not None
        polar = self.pt is not None or self.eta is not None or self.phi is not None
        if cartesian and polar:
            raise ValueError("give pt, eta and phi, or px, py and pz, not some of both")
        for name in ("px", "py") if cartesian else ("pt", "phi"):
            if getattr(self, name) is None:
                raise ValueError(f"name the column {name}")
        for text in self.where:
            Condition.parse(text)
        return self

    @property
    def cartesian(self) -> bool:
        """Whether these are components of the momentum."""
        return self.px is not None

    @property
    def features(self) -> dict[str, str | None]:
        """Column of each of the three features or components."""
        names = ("px", "py", "pz") if self.cartesian else FEATURES
        return {name: getattr(self, name) for name in names}

    @property
    def columns(self) -> tuple[str | None, ...]:
        """Column of each feature or component."""
        return tuple(self.features.values())

    @property
    def conditions(self) -> list[Condition]:
        """What an object has to fulfil."""
        return [Condition.parse(text) for text in self.where]

    def names(self) -> list[str]:
        """Every column to read."""
        return [*(n for n in self.features.values() if n is not None), *(c.column for c in self.conditions)]


def crossing_column(columns: ObjectColumns, table: Table) -> str | None:
    """The column of a file with the bunch crossing of each object, where it has one that no condition asks for."""
    first = columns.names()[0]
    name = re.sub(r"(?:pt|et)$", "bx", re.sub(r"(?:Pt|Et)$", "Bx", first))
    asked = {c.column for c in columns.conditions}
    return name if name != first and name in table and name not in asked else None


@dataclass(frozen=True)
class ObjectReader:
    """Reads objects from chunks of a table, into GeV and radians.

    Attributes:
        table: of the file.
        units: of its columns; None leaves hardware integers as they are.
        missing: values that stand for no object.
    """

    table: Table
    units: ObjectUnits | None
    missing: tuple[float, ...] = ()

    def objects(
        self, kind: ObjectClass, columns: ObjectColumns, part: dict[str, Column], first: int
    ) -> NDArray[np.float64]:
        """All objects of one class (events, longest, 3), sorted by falling pT; places without one are zero.

        Args:
            kind: the class.
            columns: its columns.
            part: chunk of the table.
            first: number of the chunk's first event.

        Raises:
            DataError: columns differ in length, a value cannot be, or objects of several bunch crossings are mixed.
        """
        named = {f: n for f, n in columns.features.items() if n is not None}
        leading = next(iter(named.values()))
        there = self._there(columns, leading, part, first)
        values = {f: self._values(f, n, leading, part, first) for f, n in named.items()}
        there &= ~self.absent(next(iter(values.values())))
        values = {f: np.where(there, v.astype(np.float64), 0.0) for f, v in values.items()}
        self._require_one_crossing(columns, part, there, first)
        for feature, name in named.items():
            where = f"{feature} in {self.table.where} '{name}'"
            readers.check_values(
                self.table.path, where, values[feature], first, negative=feature != "pt",
                remedy=object_values.NOT_THERE,
            )
        three = [values.get(f, np.zeros(there.shape)) for f in columns.features]
        objects = np.stack(_polar(three) if columns.cartesian else three, axis=2)
        if self.units is not None:
            objects *= [self.units.factors[0], 1, 1] if columns.cartesian else self.units.factors
            names = [f"{f} of {self.table.where} '{n}'" for f, n in zip(FEATURES, columns.columns, strict=True)]
            object_values.check_physical(self.table.path, names, objects, first)
        if kind.count == 1:
            self._require_one(kind, leading, objects, first)
        order = np.argsort(-objects[..., 0], axis=1, kind="stable")
        return np.take_along_axis(objects, order[..., None], axis=1)

    def absent(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Which values stand for no object."""
        with np.errstate(over="ignore"):
            singles = np.array(self.missing, np.float32).astype(np.float64)  # what a column of floats makes of them
        absent = np.isin(values.astype(np.float64), [*self.missing, *singles])
        return absent | np.isnan(values) if np.isnan(singles).any() else absent

    def _there(
        self, columns: ObjectColumns, leading: str, part: dict[str, Column], first: int
    ) -> NDArray[np.bool_]:
        """Which places of the padded columns hold an object that fulfils all conditions."""
        shape = _per_object(part[leading]).shape
        there: NDArray[np.bool_] = np.arange(shape[1]) < part[leading].count[:, None]
        for condition in columns.conditions:
            there &= condition.holds(self._values("the condition", condition.column, leading, part, first))
        return there

    def _values(
        self, feature: str, name: str, leading: str, part: dict[str, Column], first: int
    ) -> NDArray[Any]:
        """Entries (events, longest) of a column, as many as the leading one has."""
        column, count = part[name], part[leading].count
        where = f"{feature} in {self.table.where} '{name}'"
        if column.values.ndim > 2:
            shape = ", ".join(str(s) for s in ("n", *column.values.shape[1:]))
            raise DataError(self.table.path, f"{where} has the shape ({shape})", "one number per object is needed")
        unequal = column.count != count
        if unequal.any():
            event = int(np.argmax(unequal))
            raise DataError(
                self.table.path, f"{where} has {column.count[event]} entries in event {first + event}, but '{leading}' "
                f"has {count[event]}", "name columns of the same objects",
            )
        return _per_object(column)

    def _require_one_crossing(
        self, columns: ObjectColumns, part: dict[str, Column], there: NDArray[np.bool_], first: int
    ) -> None:
        name = crossing_column(columns, self.table)
        if name is None:
            return
        other = there & (self._values("the bunch crossing", name, columns.names()[0], part, first) != 0)
        if other.any():
            event = int(np.argmax(other.any(axis=1)))
            raise DataError(
                self.table.path, f"{self.table.where} '{name}' says that objects of event {first + event} and others "
                "are of another bunch crossing", f"write where: {name} == 0 beside '{columns.names()[0]}'",
            )

    def _require_one(self, kind: ObjectClass, name: str, objects: NDArray[np.float64], first: int) -> None:
        several = (objects[..., 0] > 0).sum(axis=1)
        if (several > 1).any():
            event = int(np.argmax(several > 1))
            raise DataError(
                self.table.path, f"{self.table.where} '{name}' has {several[event]} entries in event {first + event}, "
                f"but an event has one {kind.name}",
                f"say which one it is with data.columns.{kind.name}.where, such as L1EtSum_etSumType == 2",
            )


def _per_object(column: Column) -> NDArray[Any]:
    return column.values if column.values.ndim != 1 else column.values[:, None]


def _polar(momenta: Sequence[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """pT, eta and phi of px, py and pz; all zero where there is no pT."""
    px, py, pz = momenta
    pt = np.hypot(px, py)
    slope = np.divide(pz, pt, out=np.zeros_like(pt), where=pt > 0)
    return [pt, np.arcsinh(slope), np.arctan2(py, px)]
