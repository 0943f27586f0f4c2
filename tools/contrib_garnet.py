"""Reads a model made of hls4ml's own GarNet layers: what to write into a design, and how far its C-simulation is off.

    python tools/contrib_garnet.py my_model.h5 [--events 500]

The events are of the shipped sample, scaled as the architecture garnet does by default.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import yaml

from l1trigger import keras
from l1trigger.data.sources.showers import Showers, ShowersOptions
from l1trigger.garnet import contrib
from l1trigger.models.hits import HitInputs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--events", type=int, default=500)
    given = parser.parse_args()
    keras.prepare()
    found = contrib.read(given.file)
    options = {n: list(v) if isinstance(v, tuple) else v for n, v in found.options.items()}
    section = {"model": {"architecture": "garnet", "contrib_file": str(given.file), **options}}
    print(yaml.safe_dump(section, sort_keys=False, default_flow_style=None), end="")
    inputs = Showers().load(ShowersOptions(max_hits=found.vertices)).test.inputs[: given.events]
    x = HitInputs().scaling(found.vertices).real(inputs).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        told = contrib.deviation(given.file, x.reshape(-1, found.vertices, found.features), Path(folder))
    print(f"largest differences from hls4ml's Keras layer on {told.events} clusters, outputs up to {told.largest:.3g}:")
    print(f"  {told.simulated:.2g}  hls4ml's own C-simulation ({told.precision} and types that it settles by itself)")
    print(f"  {told.own:.2g}  l1trigger's float layer; from there `l1trigger run` quantizes, csim equals bit for bit")


if __name__ == "__main__":
    main()
