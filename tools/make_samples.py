"""Makes the shipped samples again: ``tools/make_samples.py [zerobias adc2021] [--pool DIR] [--events DIR]``.

Needs the extra ``gen``, about two core-hours and 1 GB for the pool, which is kept and used again. Same versions and
seeds give the same files.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from l1trigger.cli.display import bar
from l1trigger.data import adc2021
from l1trigger.data.pool import make_pool
from l1trigger.data.zerobias import make_samples, specs
from l1trigger.package_files import samples_folder

# Sizes of the shipped samples: as much as fits into 25 MB together with what other designs ship.
NATURAL, WEIGHTED, SIGNAL, REGIONS = 210_000, 120_000, 5000, 16_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", choices=["zerobias", "adc2021"], default=["zerobias", "adc2021"])
    parser.add_argument("--pool", type=Path, default=Path("runs/pool"))
    parser.add_argument("--events", type=Path, default=Path("runs/adc2021"))
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    out = samples_folder()
    out.mkdir(exist_ok=True)
    if "zerobias" in args.what:
        with bar("pool") as progress:
            make_pool(args.pool, workers=args.workers, progress=progress)
        with bar("crossings") as progress:
            wanted = specs(NATURAL, WEIGHTED, SIGNAL, REGIONS)
            make_samples(out, args.pool, wanted, workers=args.workers, progress=progress)
    if "adc2021" in args.what:
        with bar("cocktail") as progress:
            adc2021.make_samples(out, args.events, workers=args.workers, progress=progress)
    total = 0
    for f in sorted(out.glob("*.h5")):
        total += f.stat().st_size
        print(f"{f.name:28s} {f.stat().st_size / 1e6:6.2f} MB")
    print(f"{'together':28s} {total / 1e6:6.2f} MB")


if __name__ == "__main__":
    main()
