"""Collisions from Pythia8: the settings of every process by name, and batches of final particles.

Needs the extra ``gen`` (pythia8mc, awkward). Settings that look redundant are needed: every HiggsBSM process fails
without ``Higgs:useBSM``, and A -> ZZ needs ``23:mMin`` because the Z bosons are far off shell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.errors import DataError, L1TriggerError, MissingExtraError, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMMON = ("Beams:eCM = 13000.", "Print:quiet = on", "Random:setSeed = on")
_QCD = ("HardQCD:all = on", "PromptPhoton:all = on")
_BSM = ("Higgs:useBSM = on",)
_TAU60 = ("37:m0 = 60.", "37:mMin = 50.", "37:onMode = off", "37:onIfMatch = 15 16")
_LEPTONIC = "onIfAny = 11 13 15"


def _pthat(low: float, high: float | None = None) -> tuple[str, ...]:
    upper = () if high is None else (f"PhaseSpace:pTHatMax = {high}",)
    return (f"PhaseSpace:pTHatMin = {low}", *upper)


SETTINGS: dict[str, tuple[str, ...]] = {
    # Minimum bias in slices of the hardest parton scattering, and weak bosons.
    "soft": ("SoftQCD:inelastic = on",),
    "q020": (*_QCD, *_pthat(20, 30)),
    "q030": (*_QCD, *_pthat(30, 50)),
    "q050": (*_QCD, *_pthat(50, 80)),
    "q080": (*_QCD, *_pthat(80, 120)),
    "q120": (*_QCD, *_pthat(120, 200)),
    "q200": (*_QCD, *_pthat(200)),
    "ew_w": ("WeakSingleBoson:ffbar2W = on",),
    "ew_z": ("WeakSingleBoson:ffbar2gmZ = on", "PhaseSpace:mHatMin = 50."),
    # Signals.
    "ttbar": ("Top:gg2ttbar = on", "Top:qqbar2ttbar = on"),
    "A4l": (
        "HiggsSM:gg2H = on", "25:m0 = 50.", "25:mMin = 40.", "25:mMax = 60.", "23:mMin = 1.",
        "25:onMode = off", "25:onIfMatch = 23 23", "23:onMode = off", f"23:{_LEPTONIC}",
    ),
    "LQ": (
        "LeptoQuark:gg2LQLQbar = on", "LeptoQuark:qqbar2LQLQbar = on", "LeptoQuark:kCoup = 0.01",
        "42:m0 = 80.", "42:mMin = 20.", "42:mMax = 200.", "42:0:products = 5 15",
    ),
    "h0tt": (*_BSM, "HiggsBSM:gg2H1 = on", "25:m0 = 60.", "25:mMin = 50.", "25:onMode = off", "25:onIfMatch = 15 15"),
    # The public production mode of the charged Higgs boson is not stated; the one with a top quark is the default.
    "hctn": (*_BSM, "HiggsBSM:bg2H+-t = on", *_TAU60),
    "hctn_s": (*_BSM, "HiggsBSM:ffbar2H+- = on", *_TAU60),
    "hctn_pair": (*_BSM, "HiggsBSM:ffbar2H+H- = on", *_TAU60),
    # Lepton-filtered cocktail.
    "W": ("WeakSingleBoson:ffbar2W = on", "24:onMode = off", f"24:{_LEPTONIC}"),
    "Z": ("WeakSingleBoson:ffbar2gmZ = on", "PhaseSpace:mHatMin = 50.", "23:onMode = off", f"23:{_LEPTONIC}"),
    "heavy_flavour": ("HardQCD:hardbbbar = on", "HardQCD:hardccbar = on", *_pthat(25)),
}
SIGNALS = ("A4l", "LQ", "h0tt", "hctn", "ttbar")
_INVISIBLE = (12, 14, 16, 1000022)
_HARDEST, _FURTHER = 23, 33  # status codes of partons out of the hardest and out of further scatterings


@dataclass(frozen=True)
class Particles:
    """Visible final particles of a batch of collisions as flat columns.

    Attributes:
        pid: PDG ids.
        px, py, pz, energy: four-momenta [GeV].
        event: collision of each particle.
        events: number of collisions.
        pthat: hardest parton scattering of each collision [GeV]; of diffractive collisions the one inside the
            diffractive system, which Pythia8's own pTHat leaves out.
    """

    pid: NDArray[np.int64]
    px: NDArray[np.float64]
    py: NDArray[np.float64]
    pz: NDArray[np.float64]
    energy: NDArray[np.float64]
    event: NDArray[np.int64]
    events: int
    pthat: NDArray[np.float64]


class Generator:
    """A seeded Pythia8 run of one process.

    Args:
        process: a key of ``SETTINGS``.
        seed: random seed, 1 to 900 000 000.
        extra: further setting strings.

    Raises:
        MissingExtraError: pythia8mc is not installed.
        DataError: the process is unknown.
        L1TriggerError: Pythia8 refused a setting or did not start.
    """

    def __init__(self, process: str, seed: int, extra: Sequence[str] = ()) -> None:
        if process not in SETTINGS:
            raise DataError("pythia", f"unknown process '{process}'", nearest(process, SETTINGS))
        try:
            import pythia8mc
        except ImportError as e:
            raise MissingExtraError("pythia8mc", "gen") from e
        self.process = process
        self.pythia: Any = pythia8mc.Pythia("", False)
        for line in (*_COMMON, f"Random:seed = {seed}", *SETTINGS[process], *extra):
            if not self.pythia.readString(line):
                raise L1TriggerError(f"Pythia8 refuses the setting '{line}' of {process}")
        if not self.pythia.init():
            raise L1TriggerError(f"Pythia8 did not start for {process}")

    def batch(self, n: int) -> Particles:
        """The visible final particles of the next ``n`` collisions (a few less when Pythia8 rejects some)."""
        import awkward as ak

        b = self.pythia.nextBatch(n)
        visible = b.prt.status > 0
        for pid in _INVISIBLE:
            visible = visible & (abs(b.prt.id) != pid)
        count = ak.to_numpy(ak.sum(visible, axis=1))

        def flat(column: Any) -> NDArray[np.float64]:
            return np.asarray(ak.to_numpy(ak.flatten(column[visible])))

        p = b.prt.p
        status = abs(b.prt.status)
        partons = (status == _HARDEST) | (status == _FURTHER)
        pt = np.sqrt(p.px**2 + p.py**2)
        scattered = ak.to_numpy(ak.fill_none(ak.max(pt[partons], axis=1), 0.0))
        return Particles(
            flat(b.prt.id).astype(np.int64), flat(p.px), flat(p.py), flat(p.pz), flat(p.e),
            np.repeat(np.arange(len(count)), count), len(count),
            np.maximum(np.sqrt(np.maximum(ak.to_numpy(b.info.pT2Hat), 0.0)), scattered),
        )

    def sigma_mb(self) -> float:
        """Cross section [mb] as estimated from the collisions generated so far."""
        return float(self.pythia.infoPython().sigmaGen())


def version() -> str:
    """Version of pythia8mc."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as of

    try:
        return of("pythia8mc")
    except PackageNotFoundError:
        return "not installed"
