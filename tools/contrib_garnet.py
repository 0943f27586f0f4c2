"""Reads a model made of hls4ml's own GarNet layers: what to write into a design, and how far its C-simulation is off.

    python tools/contrib_garnet.py my_model.h5 [--events 500]

The events are of the shipped sample, scaled as the architecture garnet does by default.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import yaml

from l1trigger import frameworks
from l1trigger.convert.contrib import deviation
from l1trigger.data.sources.showers import Showers, ShowersOptions
from l1trigger.models import garnet_contrib as contrib
from l1trigger.models.hits import HitInputs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--events", type=int, default=500)
    given = parser.parse_args()
    frameworks.prepare()
    description = contrib.read(given.file)
    options = {n: list(v) if isinstance(v, tuple) else v for n, v in description.options.items()}
    section = {"model": {"architecture": "garnet", "contrib_file": str(given.file), **options}}
    print(yaml.safe_dump(section, sort_keys=False, default_flow_style=None), end="")
    inputs = Showers(ShowersOptions(max_hits=description.vertices)).load().test.inputs[: given.events]
    x = HitInputs().scaling(description.vertices).real(inputs).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        off = deviation(given.file, x.reshape(-1, description.vertices, description.features), Path(folder))
    print(f"largest difference from hls4ml's Keras layer, {off.events} clusters, outputs up to {off.largest:.3g}:")
    print(f"  {off.simulated:.2g}  hls4ml's own C-simulation (rms {off.simulated_rms:.2g}), {off.precision} and "
          "types that it settles by itself")
    print(f"  {off.own:.2g}  l1trigger's float layer; `l1trigger run` quantizes it, and csim then equals bit for bit")


if __name__ == "__main__":
    main()
