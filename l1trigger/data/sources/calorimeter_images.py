"""Images of calorimeter showers, 32 x 32 pixels in three slices of depth: to classify particles or measure energies.

For example::

    data:
      source: calorimeter_images
      classes: {egamma: [electron, photon], pi0: pi0, pion: pion}   # default: each species by itself
      wanted: egamma
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from l1trigger.contracts.source import Source
from l1trigger.data import classes, hits
from l1trigger.data.events import DataSet, Events
from l1trigger.data.showers import geometry, images, packed
from l1trigger.data.showers.make import EXTRA_FILE, FILE
from l1trigger.data.sources.files import Sample, joined
from l1trigger.data.sources.showers import TEST_BLOCKS, VALIDATION_BLOCKS, as_dataset
from l1trigger.errors import DataError, nearest
from l1trigger.package_files import samples_folder

SPECIES = {"electron": (11,), "photon": (22,), "pi0": (111,), "pion": (211, -211), "muon": (13,)}
"""Codes of each species."""
IN_EXTRA_FILE = ("pi0", "muon")
ENERGY_SPECIES = ("electron", "photon", "pion")


class CalorimeterImagesOptions(classes.WantedOptions):
    """Options of the source ``calorimeter_images``.

    Attributes:
        folder: where ``showers.h5`` and ``showers_extra.h5`` lie; None takes the shipped ones.
        target: ``class`` for the task classification; ``energy`` for the task calorimeter, e/gamma against charged
            pions as the source ``showers`` has them.
        classes: species of each class: electron, photon, pi0, pion, muon; others are left out. None makes each
            species a class.
        size: pixels along x, and along y.
        slices: first layer of each slice in depth, one channel each.
        pixel_bits: width of a pixel, which saturates.
        pixel_drop: low bits of a pixel that are dropped; its unit is 0.02 GeV times 2 to this power.
        features: whether three numbers per slice follow the pixels of each image, which makes it one vector: sum of
            pixels / 16, pixels above zero, largest pixel / 8. For networks with a second input.
        limit_events: most clusters of each file; None takes all.
    """

    source: str = "calorimeter_images"
    folder: Path | None = None
    target: Literal["class", "energy"] = "class"
    classes: dict[str, tuple[str, ...]] | None = None
    size: int = Field(images.SIZE, ge=4, le=images.MOST)
    slices: tuple[int, ...] = images.SLICES
    pixel_bits: int = Field(12, ge=1, le=15)
    pixel_drop: int = Field(0, ge=0, le=12)
    features: bool = False
    limit_events: int | None = Field(None, ge=100)

    @field_validator("classes", mode="before")
    @classmethod
    def _one_or_more(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {
            name: (species,) if isinstance(species, str) else tuple(species) if isinstance(species, list) else species
            for name, species in value.items()
        }

    @field_validator("classes")
    @classmethod
    def _known(cls, value: dict[str, tuple[str, ...]] | None) -> dict[str, tuple[str, ...]] | None:
        seen: set[str] = set()
        for species in (s for group in (value or {}).values() for s in group):
            if species not in SPECIES:
                raise ValueError(f"there is no species '{species}'; {nearest(species, SPECIES)}")
            if species in seen:
                raise ValueError(f"{species} belongs to two classes; name it once")
            seen.add(species)
        if value is not None and (len(value) < 2 or not all(value.values())):
            raise ValueError("name at least two classes, each with at least one species")
        return value

    @field_validator("slices")
    @classmethod
    def _rising(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or list(value) != sorted(set(value)) or not 0 <= value[0] <= value[-1] < hits.LAYERS:
            raise ValueError(f"name the first layer of each slice, rising, within 0 to {hits.LAYERS - 1}")
        return value

    @model_validator(mode="after")
    def _one_target(self) -> CalorimeterImagesOptions:
        if self.target == "energy" and (self.classes is not None or self.wanted is not None):
            raise ValueError("target energy has the classes egamma and pion; leave out classes and wanted")
        return self

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """Species of each class."""
        if self.target == "energy":
            return {s: (s,) for s in ENERGY_SPECIES}
        return self.classes if self.classes is not None else {s: (s,) for s in SPECIES}

    @property
    def cluster_files(self) -> tuple[Path, ...]:
        """Files of clusters: the second only where a class needs it."""
        needed = {s for group in self.groups.values() for s in group}
        folder = self.folder or samples_folder()
        both = ((FILE, needed - set(IN_EXTRA_FILE)), (EXTRA_FILE, needed & set(IN_EXTRA_FILE)))
        return tuple(folder / name for name, some in both if some)

    def files(self) -> tuple[Path, ...]:
        """Files of clusters."""
        return (*super().files(), *self.cluster_files)


class CalorimeterImages(Source[CalorimeterImagesOptions]):
    """Data source: images (size, size, slices) of single particles with soft showers, and their class and energy.

    Training, validation and test images are made of blocks of their own, which share neither showers nor soft showers.
    """

    Options = CalorimeterImagesOptions

    def load(self) -> DataSet:
        """The images of the clusters in the files.

        Raises:
            DataError: a file is missing or damaged, or a sample would lack a class.
            DesignError: there is no such class or signal.
        """
        options, paths = self.options, self.options.cluster_files
        names = classes.order(tuple(options.groups), options.wanted)
        if paths[-1].name == EXTRA_FILE and not paths[-1].exists():
            raise DataError(
                paths[-1], "does not exist", "make it with `l1trigger data make showers --extra 3200`, or leave "
                f"{' and '.join(IN_EXTRA_FILE)} out of data.classes",
            )
        parts = [packed.load(p, options.limit_events) for p in paths]
        clusters = joined([Sample(e, None, len(e)) for e in parts], "images").events
        group = _group(clusters.truth["pdg"], options)
        # Mixed order, so that any first part holds clusters of all files.
        some = np.random.default_rng(len(group)).permutation(np.flatnonzero(group >= 0))
        events, group = as_images(clusters.select(some), options), group[some]
        test, validation = (np.isin(events.block, blocks) for blocks in (TEST_BLOCKS, VALIDATION_BLOCKS))
        which = (~test & ~validation, validation, test)
        if options.target == "energy":
            train, valid, tested = (events.select(w) for w in which)
            return as_dataset(paths[0], train, valid, tested, options)
        events = classes.labelled(events, tuple(options.groups), group, names)
        train, valid, tested = (events.select(w) for w in which)
        return classes.as_dataset(paths[0], train, valid, tested, names, options)


def as_images(clusters: Events, options: CalorimeterImagesOptions) -> Events:
    """Clusters as images, and in the card how they were made."""
    pixels, saturated = images.to_images(
        clusters.inputs, options.size, options.slices, options.pixel_bits, options.pixel_drop
    )
    last = [*options.slices[1:], geometry.LAYERS]
    how: dict[str, Any] = {
        "layout": "images", "shape": list(pixels.shape[1:]), "axes": "x, y, depth",
        "layers": [[a, b - 1] for a, b in zip(options.slices, last, strict=True)],
        "pixel_gev": hits.ENERGY_GEV * 2**options.pixel_drop, "pixel_bits": options.pixel_bits,
        "saturated_pixels": saturated, "of": "the hits of a cluster, at most 128",
    }
    inputs = pixels
    if options.features:
        behind = images.features(pixels)
        inputs = np.concatenate([pixels.reshape(len(pixels), -1), behind], axis=1)
        how |= {"features": behind.shape[1], "features_of_each_slice": list(images.FEATURES)}
    return replace(clusters, inputs=inputs, card={**_card(clusters.card), "images": how})


def _card(card: Mapping[str, Any]) -> Mapping[str, Any]:
    """The card of one file, or of several with what they have in common in front."""
    files: list[dict[str, Any]] = card.get("files", [])
    if not files:
        return card
    same = {k: v for k, v in files[0].items() if all(f.get(k) == v for f in files)}
    notes = dict.fromkeys(a for f in files for a in f.get("approximations", ()))
    differing = [{k: v for k, v in f.items() if k not in same and k != "approximations"} for f in files]
    return {"title": "calorimeter images", **same, "approximations": list(notes), "files": differing}


def _group(pdg: NDArray[np.float64], options: CalorimeterImagesOptions) -> NDArray[np.int64]:
    """Index of the class of each event, -1 where it belongs to none."""
    out = np.full(len(pdg), -1, np.int64)
    for k, species in enumerate(options.groups.values()):
        out[np.isin(pdg, [code for s in species for code in SPECIES[s]])] = k
    return out
