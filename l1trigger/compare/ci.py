"""Workflows that check a design at each push: C-simulation, and its figures against the committed baseline."""

from __future__ import annotations

from pathlib import Path

from l1trigger.errors import ReportError, nearest

SERVICES = {"github": (".github/workflows/l1trigger.yml", "github.yml.j2"),
            "gitlab": (".gitlab-ci.yml", "gitlab.yml.j2")}
"""Where a service looks for its workflow, and the template of it."""


def workflow(
    service: str, design: Path, name: str, baseline: Path, tolerances: str, vendor: bool = False
) -> str:
    """The text of a workflow.

    Args:
        service: ``github`` or ``gitlab``.
        design: design file, relative to the repository.
        name: of the design.
        baseline: that is committed, relative to the repository.
        tolerances: as given to `l1trigger compare --tolerance`.
        vendor: whether a second stage builds the HLS project on a runner that has the vendor's tools.

    Raises:
        ReportError: no such service.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    if service not in SERVICES:
        raise ReportError(f"no workflow for {service!r}; {nearest(service, SERVICES)}")
    environment = Environment(
        loader=PackageLoader("l1trigger.compare"), undefined=StrictUndefined, autoescape=False,
        variable_start_string="<<", variable_end_string=">>", keep_trailing_newline=True,
        # Both services have braces of their own.
        block_start_string="<%", block_end_string="%>", trim_blocks=True,
    )
    return environment.get_template(SERVICES[service][1]).render(
        design=design.as_posix(), name=name, baseline=baseline.as_posix(), tolerances=tolerances,
        vendor=vendor,
    )
