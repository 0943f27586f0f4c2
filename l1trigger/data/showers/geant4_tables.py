"""Tables that Geant4 reads at start, made from closed formulas and xraylib for machines without its data sets.

Geant4's data sets are on no package index. The physics lists used here need few of them, and stand-ins of known
accuracy take their place:

- bremsstrahlung below 1 GeV: screened Bethe-Heitler cross sections with the electron-electron term Z(Z + 1), and with
  the Coulomb correction above 50 MeV, in place of the tables of Seltzer and Berger; they go with the radiation length
  within 1 % at 1 GeV, and are in Born's approximation, so too low in heavy elements, at a few MeV; above 1 GeV,
  Geant4 has its own model;
- photoelectric effect and Rayleigh scattering: total cross sections of xraylib, with no shells and no fluorescence;
- neutrons below 20 MeV: schematic; above, Geant4 has its own Glauber model, scaled to the value at 20 MeV;
- no excited nuclear states, thus no lines of nuclear gamma rays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.errors import DataError, MissingExtraError

NAME = "generated-v2"
"""What a card calls these tables; another content needs another number."""
NEEDED = ("G4LEDATA", "G4PARTICLEXSDATA", "G4ENSDFSTATEDATA", "G4LEVELGAMMADATA")
"""Variables of the data sets that the physics lists in use read."""
UNUSED = (
    "G4NEUTRONHPDATA", "G4RADIOACTIVEDATA", "G4PIIDATA", "G4REALSURFACEDATA", "G4SAIDXSDATA", "G4ABLADATA",
    "G4INCLDATA", "G4CHANNELINGDATA", "G4PARTICLEHPDATA", "GEANT4_DATA_DIR",
)
"""Variables that must be set as well. Without the last one geant4_pybind, when it is imported, asks on the terminal
whether to download data sets, and where ``CI=true`` looks for them in a folder that need not exist."""

_ELEMENTS = range(1, 93)
_ALPHA = 1 / 137.036
_ELECTRON_MEV = 0.51099895
_RADIUS2_MB = 79.4078
"""Classical electron radius squared [mb]."""
_BARN_MM2 = 1e-22
_RYDBERG_FREE = 0.8
"""Highest energy [MeV] at which xraylib has photoelectric and Rayleigh cross sections."""
_DONE = "complete"


def environment(cache: Path, given: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """The variables that Geant4 needs, and the name of the tables behind them.

    Args:
        cache: folder for generated tables, used when none are given.
        given: variables of the process; official data sets are used where all of ``NEEDED`` are set.

    Raises:
        DataError: only some of them are set, or one names no folder.
        MissingExtraError: tables must be made and xraylib is not installed.
    """
    there = [v for v in NEEDED if given.get(v)]
    if not there:
        return dict.fromkeys((*NEEDED, *UNUSED), str(tables(cache))), NAME
    missing = [v for v in NEEDED if v not in there]
    if missing:
        raise DataError(
            given[there[0]], f"is named by {there[0]}, but {', '.join(missing)} is not set",
            f"set {', '.join(NEEDED)} to Geant4's data sets, or none of them to use generated tables",
        )
    for v in NEEDED:
        if not Path(given[v]).is_dir():
            raise DataError(given[v], f"is named by {v}, but is no folder", "name the folder of Geant4's data set")
    return {v: given.get(v) or given[NEEDED[0]] for v in (*NEEDED, *UNUSED)}, "official"


def tables(folder: Path) -> Path:
    """A folder with the tables, which are made unless they are there (0.7 s, 7 MB).

    Raises:
        MissingExtraError: xraylib is not installed.
    """
    if (folder / _DONE).exists():
        return folder
    try:
        import xraylib
    except ImportError as e:
        raise MissingExtraError("xraylib", "calo") from e
    for sub in ("brem_SB", "epics2017/phot", "epics2017/rayl", "neutron"):
        (folder / sub).mkdir(parents=True, exist_ok=True)
    (folder / "ENSDFSTATE.dat").write_text("")
    for z in _ELEMENTS:
        _write_bremsstrahlung(folder / "brem_SB" / f"br{z}", z)
        _write_photons(folder / "epics2017", z, xraylib)
        _write_neutrons(folder / "neutron", z)
    (folder / _DONE).write_text(NAME)
    return folder


def bremsstrahlung(z: int, kinetic: float, fraction: NDArray[np.float64]) -> NDArray[np.float64]:
    """(beta/Z)^2 k dsigma/dk [mb] of electrons on an element (J. C. Butcher and H. Messel, Nucl. Phys. 20 (1960) 15).

    Args:
        z: atomic number.
        kinetic: energy of the electron [MeV].
        fraction: energy of the photon over that of the electron.
    """
    total = kinetic + _ELECTRON_MEV
    y = np.minimum(fraction, 1 - 1e-8) * kinetic / total
    delta = 136 * z ** (-1 / 3) * _ELECTRON_MEV / total * y / (1 - y)
    far = 21.12 - 4.184 * np.log(delta + 0.952)
    screen1 = np.where(delta <= 1, 20.867 + delta * (0.625 * delta - 3.242), far)
    screen2 = np.where(delta <= 1, 20.209 - delta * (0.086 * delta + 1.93), far)
    shift = np.log(z) / 3 + (_coulomb(z) if kinetic > 50 else 0.0)
    shape = (1 + (1 - y) ** 2) * (screen1 / 4 - shift) - 2 / 3 * (1 - y) * (screen2 / 4 - shift)
    beta2 = kinetic * (kinetic + 2 * _ELECTRON_MEV) / total**2
    electrons = (z + 1) / z
    # At the tip of the spectrum the formula goes to zero or below; measured cross sections stay at about this floor.
    return np.asarray(np.maximum(4 * _ALPHA * _RADIUS2_MB * np.maximum(shape, 0.02) * electrons * beta2, 0.3))


def _coulomb(z: int) -> float:
    """Coulomb correction (H. Davies, H. A. Bethe and L. C. Maximon, Phys. Rev. 93 (1954) 788)."""
    a2 = (_ALPHA * z) ** 2
    return a2 * (1 / (1 + a2) + 0.20206 - 0.0369 * a2 + 0.0083 * a2**2 - 0.002 * a2**3)


def _write_bremsstrahlung(path: Path, z: int) -> None:
    ends = [0.925, 0.95, 0.97, 0.99, 0.995, 0.999, 0.9995, 0.9999, 0.99995, 0.99999, 1.0]
    fraction = np.array([1e-12, 0.025, 0.05, 0.075, *np.arange(0.1, 0.91, 0.05), *ends])
    kinetic = np.geomspace(1e-3, 1e4, 57)
    rows = [fraction, np.log(kinetic), *(bremsstrahlung(z, float(t), fraction) for t in kinetic)]
    text = [f"0 {len(fraction)} {len(kinetic)}", *(_numbers(r) for r in rows)]
    path.write_text("\n".join(text) + "\n")


def _write_photons(folder: Path, z: int, xraylib: Any) -> None:
    """Photoelectric effect [barn], and Rayleigh scattering, of which Geant4 wants E^2 sigma [MeV^2 mm^2]."""
    low, high = np.geomspace(1e-4, _RYDBERG_FREE, 400), np.geomspace(0.9, 1e5, 60)
    energy = np.concatenate([low, high])

    def cross_section(of: Callable[[int, float], float], power: float) -> NDArray[np.float64]:
        values: list[float] = []
        for e in low:
            try:
                values.append(of(z, max(float(e) * 1e3, 0.1)))
            except ValueError:  # xraylib has no value there
                values.append(values[-1] if values else 0.0)
        return np.concatenate([values, values[-1] * (_RYDBERG_FREE / high) ** power])

    _write_vector(folder / "phot" / f"pe-cs-{z}.dat", energy, cross_section(xraylib.CSb_Photo, 1.2))
    for part in ("high", "low"):  # one shell, which takes everything
        (folder / "phot" / f"pe-{part}-{z}.dat").write_text("1 1 1e9\n1e-4 0 0 0 0 0 0\n")
    rayleigh = cross_section(xraylib.CSb_Rayl, 2.0) * energy**2 * _BARN_MM2
    _write_vector(folder / "rayl" / f"re-cs-{z}.dat", energy, rayleigh)


def _write_neutrons(folder: Path, z: int) -> None:
    """Cross sections [mm^2] up to 20 MeV: geometric, with 1/v capture and a falling elastic part."""
    energy = np.geomspace(1e-10, 20.0, 240)
    mass = 1.0 if z == 1 else 2 * z * (1 + 0.0073 * z**0.9)
    area = np.pi * (1.25e-12 * mass ** (1 / 3)) ** 2
    capture = np.minimum(_BARN_MM2 * np.sqrt(2.5e-8 / energy), 10 * _BARN_MM2)
    if z == 1:
        inelastic, elastic, capture = 0 * energy, 20 * _BARN_MM2 / (1 + energy), 0.33 * capture
    else:
        inelastic = 1.1 * area * np.clip(1 - np.exp((1 - energy) / 2), 0, None)
        elastic = 4 * area / (1 + energy / 6) + 0.8 * area
    for name, values in (("inel", inelastic), ("cap", capture), ("el", elastic)):
        _write_vector(folder / f"{name}{z}", energy, values)


def _write_vector(path: Path, energy: NDArray[np.float64], values: NDArray[np.float64]) -> None:
    """A table of pairs as Geant4's physics vectors read it."""
    head = [f"{energy[0]:.10g} {energy[-1]:.10g} {len(energy)}", str(len(energy))]
    pairs = [f"{e:.10g} {v:.8g}" for e, v in zip(energy, values, strict=True)]
    path.write_text("\n".join([*head, *pairs]) + "\n")


def _numbers(values: Iterable[float]) -> str:
    return " ".join(f"{v:.8g}" for v in values)
