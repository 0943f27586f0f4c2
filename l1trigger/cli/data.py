"""``l1trigger data``: make samples, look into files, or run a design's stage ``data``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from l1trigger.cli.errors import ClearErrors
from l1trigger.cli.options import Cluster
from l1trigger.cli.run import up_to
from l1trigger.cores import cores

Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the sample files.", show_default=False)]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Processes; all cores by default.")]
Scale = Annotated[float, typer.Option("--scale", min=0.001, help="Multiplies the number of generated collisions.")]
Part = Annotated[int, typer.Option(
    "--part", min=0, help="Which of the pools of this scale, in a folder of its own; no two of them share a collision.",
)]
Pool = Annotated[Path | None, typer.Option(
    "--pool", metavar="DIR", help="Generated collisions, which later calls use again; DIR/pool by default.",
)]


class StageOrCommand(ClearErrors):
    """Reads ``l1trigger data DESIGN.yaml`` as the stage, beside the commands ``make`` and ``info``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Puts the name of the command in front of a design file."""
        if args and args[0].endswith((".yaml", ".yml")):
            args = ["stage", *args]
        return super().parse_args(ctx, args)


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    data = typer.Typer(
        cls=StageOrCommand, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]},
        help="Makes samples, looks into files; `data DESIGN.yaml` runs the stage data of a design.",
    )
    make = typer.Typer(
        cls=ClearErrors, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]},
        help="Makes samples with Pythia8 (extra gen) or Geant4 (extra calo); an interrupted call goes on where it was.",
    )
    make.command("zerobias")(make_zerobias)
    make.command("pool")(make_pool)
    make.command("adc2021")(make_adc2021)
    make.command("showers")(make_showers)
    data.add_typer(make, name="make")
    data.command("info")(info)
    data.command("stage", hidden=True)(up_to("data"))
    app.add_typer(data, name="data")


def make_zerobias(
    out: Out, pool: Pool = None, scale: Scale = 1.0,
    natural: Annotated[int, typer.Option(min=0, help="Unweighted crossings to train on.")] = 240_000,
    weighted: Annotated[int, typer.Option(min=0, help="Weighted crossings to measure rates with.")] = 120_000,
    signal: Annotated[int, typer.Option(min=0, help="Events of each signal.")] = 6000,
    regions: Annotated[int, typer.Option(min=0, help="Crossings as 18 x 14 region images.")] = 0,
    pileup: Annotated[float, typer.Option(min=0, help="Mean collisions per crossing.")] = 50.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the random numbers.")] = 1,
    part: Part = 0, workers: Workers = None,
) -> None:
    """Makes zero-bias crossings with exact weights, and signals with the same pile-up."""
    from l1trigger.cli.display import bar
    from l1trigger.data.pool import make_pool
    from l1trigger.data.zerobias import make_samples, specs

    folder, processes = pool or out / "pool", workers or cores()
    with _writable(out):
        with bar("pool") as progress:
            make_pool(folder, scale=scale, workers=processes, progress=progress, part=part)
        with bar("crossings") as progress:
            wanted = specs(natural, weighted, signal, regions)
            files = make_samples(out, folder, wanted, pileup, seed, processes, progress)
    _tell(files)


def make_pool(
    out: Out, scale: Scale = 1.0, part: Part = 0, workers: Workers = None, cluster: Cluster = None,
) -> None:
    """Generates the collisions that zero-bias crossings and the rates of `l1trigger rate` are made from."""
    from l1trigger.cli.display import bar
    from l1trigger.data import pool

    with _writable(out), bar("pool") as progress:
        pool.make_pool(out, pool.PLAN, scale, workers or cores(), progress, part, cluster)
    chunks = sorted(out.glob("*/chunk_*.npz"))
    typer.echo(f"{out}  {len(chunks)} chunks, {sum(f.stat().st_size for f in chunks) / 1e6:.1f} MB")


def make_adc2021(
    out: Out, pool: Pool = None, scale: Scale = 1.0,
    pileup: Annotated[float, typer.Option(min=0, help="Mean collisions overlaid on each event.")] = 0.0,
    workers: Workers = None,
) -> None:
    """Makes the lepton-filtered cocktail and its signals in the layout of the public ADC2021 files."""
    from l1trigger.cli.display import bar
    from l1trigger.data.adc2021 import Settings, make_samples

    with _writable(out), bar("events") as progress:
        files = make_samples(
            out, pool or out / "pool", scale=scale, workers=workers or cores(),
            settings=Settings(mean_pileup=pileup), progress=progress,
        )
    _tell(files)


def make_showers(
    out: Out,
    pool: Annotated[Path | None, typer.Option(
        "--pool", metavar="DIR", help="Simulated showers, which later calls use again; DIR/pool by default.",
    )] = None,
    events: Annotated[int, typer.Option(min=1, help="Showers to simulate, about 5 per second and core.")] = 15_000,
    extra: Annotated[int, typer.Option(
        min=0, help="Neutral pions and muons to simulate besides, as showers_extra.h5; about 8 per second and core.",
    )] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Of the random numbers.")] = 1,
    threshold: Annotated[float, typer.Option(min=0.01, help="Least energy of a hit [GeV].")] = 0.06,
    soft: Annotated[float, typer.Option(min=0, help="Mean number of soft showers overlaid on a cluster.")] = 6.0,
    jobs: Annotated[int | None, typer.Option(
        "--jobs", "--workers", min=1, help="Processes; all cores by default.",
    )] = None,
) -> None:
    """Makes calorimeter clusters of e/gamma and charged pions, 10 to 100 GeV, with true class and energy."""
    from l1trigger.cli.display import bar
    from l1trigger.data.showers.clusters import ClusterSettings
    from l1trigger.data.showers.make import Samples, make_samples

    samples = Samples(events, extra, seed, ClusterSettings(threshold, soft))
    with _writable(out), bar("showers") as progress:
        files = make_samples(out, pool or out / "pool", samples, jobs or cores(), progress)
    _tell(files)


def info(
    file: Annotated[Path, typer.Argument(help="Any event file: HDF5, ROOT or Parquet.", show_default=False)],
    plot: Annotated[Path | None, typer.Option(metavar="PNG", help="Draws the distributions into this file.")] = None,
    tree: Annotated[str | None, typer.Option(help="Tree to read in a ROOT file.")] = None,
    events: Annotated[int | None, typer.Option(min=1, help="Most events to read of a large file.")] = None,
) -> None:
    """Says what is in an event file."""
    from rich.console import Console
    from rich.tree import Tree

    from l1trigger.data import describe

    description = describe.describe(file, events or describe.FIRST, tree=tree)
    root = Tree(str(file))
    _branch(root, description.summary)
    Console().print(root, highlight=False, soft_wrap=True)
    if plot is not None:
        typer.echo(f"picture {describe.plot(description, plot)}")


def _branch(at: Any, values: Any) -> None:
    """Adds nested values to a tree; long lists are cut short."""
    for key, value in values.items():
        if isinstance(value, dict):
            _branch(at.add(f"[bold]{key}"), value)
        else:
            text = str(value)
            at.add(f"{key}: {text if len(text) < 200 else text[:197] + '...'}")


def _writable(out: Path) -> Any:
    """Makes the folder; a full disk inside the block is a clear error."""
    from l1trigger.errors import RunFolderError
    from l1trigger.run_folder import disk_full_is_clear

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise RunFolderError(f"{out} cannot be made ({e.strerror}). Remedy: choose another folder with --out") from e
    return disk_full_is_clear(out)


def _tell(files: list[Path]) -> None:
    for f in files:
        typer.echo(f"{f}  {f.stat().st_size / 1e6:.1f} MB")
