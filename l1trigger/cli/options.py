"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

Cluster = Annotated[str | None, typer.Option(
    "--cluster", metavar="WHERE", help="Dask workers do the work: local, the address of a scheduler, or a file with "
    "kind (slurm or htcondor), jobs, cores, memory and options of dask-jobqueue; needs the extra farm.",
)]
