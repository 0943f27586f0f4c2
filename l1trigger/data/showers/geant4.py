"""Showers in the calorimeter of ``geometry``, simulated by Geant4 through its Python package (extra ``calo``).

Energy is summed per cell by Geant4's own scorer; a Python function called at every step in silicon (54 000 of them in
an electron shower of 55 GeV) would take as long as the physics itself. One process holds one simulation: Geant4 has
a single run manager, and reads its variables when the module is imported.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.data.showers import geometry
from l1trigger.errors import MissingExtraError, ToolNotFoundError

CUT_MM = 1.0
"""Range below which electrons and photons are not produced."""
NEUTRON_NS = 50.0
"""Neutrons are dropped at this age: what they deposit later belongs to another bunch crossing."""
KEPT_MEV = 0.005
"""Energy in silicon [MeV] below which a cell is left out, a seventeenth of what a fast muon leaves."""
APPROXIMATIONS = (
    "silicon only sums deposited energy: no noise, no digitization, no dead cells, no magnetic field",
    f"neutrons are dropped {NEUTRON_NS:g} ns after the primary particle; no other time window",
    "particles enter at right angles, without material in front of the calorimeter",
)
PHYSICS = "G4EmStandardPhysics, G4DecayPhysics, G4HadronElasticPhysics, G4HadronPhysicsFTFP_BERT, G4NeutronTrackingCut"

LIBRARIES = "install what it draws with, on Debian and Ubuntu: apt install libgl1 libxext6 libice6 libsm6 libx11-6"
"""Its wheel brings everything but these."""

_IN_FRONT_MM = 10.0
NEUTRAL_PION = 111
NEUTRAL_PION_MM = 1300.0
"""Neutral pions start so far in front of the calorimeter, about the inner radius of the CMS barrel: they decay at
once, and their photons need the way to part (35 mm at least at 10 GeV, 3.5 mm at 100 GeV)."""


@dataclass(frozen=True)
class Primaries:
    """Particles that enter the calorimeter, one per event.

    Attributes:
        pdg: code of the particle.
        energy: kinetic energy [GeV].
        x: impact from the centre of the middle cell [mm].
        y: likewise.
    """

    pdg: NDArray[np.int32]
    energy: NDArray[np.float64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.pdg)


@dataclass(frozen=True)
class Deposits:
    """Energy in silicon: event i owns the entries ``start[i]`` to ``start[i + 1]``.

    Attributes:
        start: (n + 1,).
        cell: number of the cell, see ``geometry.cell_index``.
        energy: in silicon [MeV].
    """

    start: NDArray[np.int64]
    cell: NDArray[np.uint32]
    energy: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.start) - 1


def versions() -> dict[str, str]:
    """Versions of the packages behind the simulation."""
    by_package = {}
    for package in ("geant4-pybind", "xraylib"):
        try:
            by_package[package] = version(package)
        except PackageNotFoundError:
            by_package[package] = "not installed"
    return by_package


class Simulation:
    """Geant4, initialized; ``run`` gives the deposits of particles.

    Args:
        environment: variables that Geant4 reads, see ``geant4_tables.environment``.

    Raises:
        MissingExtraError: geant4-pybind is not installed.
        ToolNotFoundError: a library of the system, which its drawing part needs, is not installed.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        os.environ.update(environment)
        try:
            import geant4_pybind as g4
        except ModuleNotFoundError as e:
            raise MissingExtraError("geant4-pybind", "calo") from e
        except ImportError as e:
            raise ToolNotFoundError(f"geant4-pybind does not load: {e}. Remedy: {LIBRARIES}") from e
        self._beam = _Beam()
        self._manager: Any = g4.G4RunManagerFactory.CreateRunManager(g4.G4RunManagerType.Serial)
        self._kept = (_detector(g4), _physics(g4), _actions(g4, self._beam))  # C++ does not own them
        for part in self._kept:
            self._manager.SetUserInitialization(part)
        self._random = g4.G4Random
        self._manager.Initialize()
        self.version = str(self._manager.GetVersionString()).strip().removeprefix("Geant4 version Name:").strip()

    def run(self, primaries: Primaries, seed: int) -> Deposits:
        """The deposits of some particles; in a fresh process they follow from the seed."""
        self._random.setTheSeed(seed)
        self._beam.load(primaries)
        self._manager.BeamOn(len(primaries))
        sizes = [len(c) for c in self._beam.cells]
        return Deposits(
            np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            np.concatenate([*self._beam.cells, np.zeros(0, np.uint32)]).astype(np.uint32),
            np.concatenate([*self._beam.energies, np.zeros(0, np.float32)]).astype(np.float32),
        )


class _Beam:
    """What goes in and what comes out, shared with Geant4's actions."""

    def load(self, primaries: Primaries) -> None:
        self.primaries = primaries
        self.next = 0
        self.cells: list[NDArray[np.uint32]] = []
        self.energies: list[NDArray[np.float32]] = []

    def store(self, scored: Any) -> None:
        """Takes over the scorer's map of one event, cells in order."""
        pairs = sorted(scored)
        cells = np.array([c for c, _ in pairs], np.uint32)
        energies = np.array([e for _, e in pairs], np.float32)
        kept = energies >= KEPT_MEV
        self.cells.append(cells[kept])
        self.energies.append(energies[kept])


def _detector(g4: Any) -> Any:
    half = geometry.CELLS * geometry.CELL_MM / 2
    cell, thin = geometry.CELL_MM / 2, geometry.SILICON_MM / 2

    class Detector(g4.G4VUserDetectorConstruction):  # type: ignore[misc]
        def Construct(self) -> Any:
            self.kept: list[Any] = []
            material = g4.G4NistManager.Instance().FindOrBuildMaterial

            def volume(name: str, of: str, x: float, y: float, z: float) -> Any:
                self.kept.append(g4.G4LogicalVolume(g4.G4Box(name, x, y, z), material(of), name))
                return self.kept[-1]

            def place(what: Any, z: float, name: str, inside: Any, number: int) -> Any:
                at = g4.G4ThreeVector(0, 0, z)
                self.kept.append(g4.G4PVPlacement(None, at, what, name, inside, False, number, False))
                return self.kept[-1]

            world = volume("world", "G4_Galactic", 2 * half, 2 * half, 3000)
            placed = place(world, 0, "world", None, 0)
            silicon = volume("silicon", "G4_Si", half, half, thin)
            column = volume("column", "G4_Si", cell, half, thin)
            self.cell = volume("cell", "G4_Si", cell, cell, thin)
            n, width = geometry.CELLS, geometry.CELL_MM
            self.kept.append(g4.G4PVReplica("column", column, silicon, g4.EAxis.kXAxis, n, width))
            self.kept.append(g4.G4PVReplica("cell", self.cell, column, g4.EAxis.kYAxis, n, width))
            plates = {s.name: volume(s.name, s.material, half, half, s.absorber_mm / 2) for s in geometry.SECTIONS}
            for i, (section, z) in enumerate(zip(geometry.absorbers(), geometry.front_mm(), strict=True)):
                place(plates[section.name], z + section.absorber_mm / 2, section.name, world, i)
                place(silicon, z + section.absorber_mm + thin, "silicon", world, i)
            return placed

        def ConstructSDandField(self) -> None:
            sensitive = g4.G4MultiFunctionalDetector("silicon")
            g4.G4SDManager.GetSDMpointer().AddNewDetector(sensitive)
            n = geometry.CELLS  # layer, column and cell are the copy numbers two, one and no level up
            scorer = g4.G4PSEnergyDeposit3D("energy", "MeV", geometry.LAYERS, n, n, 2, 1, 0)
            sensitive.RegisterPrimitive(scorer)
            self.kept += [sensitive, scorer]
            self.SetSensitiveDetector(self.cell, sensitive)

    return Detector()


def _physics(g4: Any) -> Any:
    class Physics(g4.G4VModularPhysicsList):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            neutrons = g4.G4NeutronTrackingCut(0)
            neutrons.SetTimeLimit(NEUTRON_NS)
            self.kept = [
                g4.G4EmStandardPhysics(), g4.G4DecayPhysics(), g4.G4HadronElasticPhysics(),
                g4.G4HadronPhysicsFTFP_BERT(), neutrons,
            ]
            for part in self.kept:
                self.RegisterPhysics(part)

        def SetCuts(self) -> None:
            for particle in ("gamma", "e-", "e+", "proton"):
                self.SetCutValue(CUT_MM, particle)

    return Physics()


def _actions(g4: Any, beam: _Beam) -> Any:
    class Gun(g4.G4VUserPrimaryGeneratorAction):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.gun = g4.G4ParticleGun(1)
            self.gun.SetParticleMomentumDirection(g4.G4ThreeVector(0, 0, 1))

        def GeneratePrimaries(self, event: Any) -> None:
            p, i = beam.primaries, beam.next
            beam.next += 1
            self.gun.SetParticleDefinition(g4.G4ParticleTable.GetParticleTable().FindParticle(int(p.pdg[i])))
            self.gun.SetParticleEnergy(float(p.energy[i]) * 1000)
            in_front = NEUTRAL_PION_MM if p.pdg[i] == NEUTRAL_PION else _IN_FRONT_MM
            self.gun.SetParticlePosition(g4.G4ThreeVector(float(p.x[i]), float(p.y[i]), -in_front))
            self.gun.GeneratePrimaryVertex(event)

    class Collect(g4.G4UserEventAction):  # type: ignore[misc]
        def EndOfEventAction(self, event: Any) -> None:
            beam.store(event.GetHCofThisEvent().GetHC(0))

    class Actions(g4.G4VUserActionInitialization):  # type: ignore[misc]
        def Build(self) -> None:
            self.kept = [Gun(), Collect()]
            for action in self.kept:
                self.SetUserAction(action)

    return Actions()
