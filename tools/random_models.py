"""Random Keras networks of any graph: read exactly or refused in words, none wrong without a word, none a traceback.

    python tools/random_models.py --networks 500
    python tools/random_models.py --networks 60 --logic

Every network is saved by the Keras that made it (every second one by Keras 3), read, and held against its own outputs
in float64; with ``--logic`` it is quantized, too, and the logic of its RTL is held against the quantized network,
integer by integer. A third of them may have layers and options that firmware cannot have.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from importlib.metadata import version
from pathlib import Path

from rich.progress import track

from l1trigger.errors import L1TriggerError

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "helpers"))
import random_keras


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--networks", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0, help="of the first network; the others count up")
    parser.add_argument("--logic", action="store_true", help="also quantize, and compare the logic of the RTL")
    options = parser.parse_args()
    outcomes: Counter[str] = Counter()
    layers: Counter[str] = Counter()
    for seed in track(range(options.seed, options.seed + options.networks), "networks"):
        with tempfile.TemporaryDirectory() as folder:
            try:
                tried = random_keras.tried(seed, folder, odd=seed % 3 == 0, logic=options.logic)
            except L1TriggerError as e:
                outcomes["refused"] += 1
                print(f"{seed}: {e}")
            except Exception as e:  # noqa: BLE001 (whatever it is, it must not be)
                outcomes["WRONG"] += 1
                print(f"{seed}: WRONG: {type(e).__name__}: {e}")
            else:
                outcomes["exact"] += 1
                layers.update(tried.kinds)
    packages = ", ".join(f"{p} {version(p)}" for p in ("tf-keras", "keras", "tensorflow"))
    print(f"{options.networks} networks from seed {options.seed}, {packages}")
    print(", ".join(f"{count} {what}" for what, count in sorted(outcomes.items())))
    print("layers of those that are exact: " + ", ".join(f"{k} {n}" for k, n in layers.most_common()))
    return int(bool(outcomes["WRONG"]))


if __name__ == "__main__":
    sys.exit(main())
