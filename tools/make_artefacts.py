"""Trains shipped designs and writes their committed artefacts: ``tools/make_artefacts.py [--from STAGE] [DESIGN ...]``.

``--from compress`` keeps the committed full-precision reference, and compresses it anew. Without designs, all of those
in ``models/``. Finished stages in the run folder are not redone; to train anew, remove ``runs/artefacts``. The result
goes to ``models/artefacts/<design>/`` with a card.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from l1trigger import pipeline
from l1trigger.artefacts import export
from l1trigger.cli.display import RichDisplay
from l1trigger.design import load

ROOT = Path(__file__).parent.parent


def main(designs: list[Path], start: str | None) -> None:
    console = Console()
    for path in designs:
        design = load(path)
        display = RichDisplay(console)
        console.print(f"[bold]{design.name}[/]")
        try:
            done = pipeline.run(design, ROOT / "runs" / "artefacts", start=start, display=display)
        finally:
            display.stop()
        pipeline.judge(done)
        card = export(done.folder, path.parent / "artefacts" / design.name)
        size = sum(f.stat().st_size for f in card.parent.rglob("*") if f.is_file())
        console.print(f"{card.relative_to(ROOT)}, {size / 1e3:.0f} kB in all", highlight=False)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("designs", nargs="*", type=Path, metavar="DESIGN")
    parser.add_argument("--from", dest="start", choices=("train", "compress"))
    given = parser.parse_args()
    main([d.resolve() for d in given.designs] or sorted((ROOT / "models").glob("*.yaml")), given.start)
