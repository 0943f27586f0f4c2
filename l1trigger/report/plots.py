"""Pictures of the report: their style, their files, and the order in which they are drawn."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from l1trigger.report.measurement import Measurement
from l1trigger.report.model import DataCard, Picture, Report
from l1trigger.report.style import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

Draw = Callable[["Axes"], None]


@dataclass(frozen=True)
class Drawing:
    """A picture that is yet to be drawn.

    Attributes:
        picture: name, section, title and caption.
        draw: draws it onto axes.
        label: the text at the upper right.
        simulated: whether the events are.
    """

    picture: Picture
    draw: Draw
    label: str
    simulated: bool = True


def drawings(measured: Measurement, report: Report) -> list[Drawing]:
    """All pictures of a report, in the order of the page."""
    from l1trigger.report import plots_classes, plots_energy, plots_network, plots_physics, plots_pileup, teacher

    label, energy = data_label(report.data), data_label(report.data, pileup=False)
    results = measured.results
    pictures: Iterable[tuple[Picture, Draw]] = (
        *plots_physics.roc_plots(measured),
        *plots_physics.efficiency_bars(report),
        *plots_physics.rate_plots(measured),
        *plots_physics.shift_plots(measured),
        *plots_physics.score_plots(measured),
        *plots_physics.correlation_plots(measured),
        *teacher.plots(measured, report),
        *plots_physics.turn_on_plots(measured),
        *plots_energy.energy_plots(measured),
        *plots_classes.class_plots(report),
        *plots_network.resource_plots(report),
        *plots_network.history_plots(results.train, results.compress),
        *plots_network.layer_plots(report),
    )
    simulated = bool(_test_card(report.data).get("simulated", True))
    at_pileups = [Drawing(p, draw, energy, simulated) for p, draw in plots_pileup.pileup_plots(measured, report)]
    return [*(Drawing(picture, draw, label, simulated) for picture, draw in pictures), *at_pileups]


def data_label(data: DataCard | None, pileup: bool = True) -> str:
    """What the events are: energy and, where it is one for all, pile-up, as far as the card says."""
    if data is None:
        return ""
    card = _test_card(data)
    energy = f"{card['energy_tev']:g} TeV" if isinstance(card.get("energy_tev"), int | float) else ""
    at = f"pile-up {data.pileup:g}" if pileup and data.pileup is not None else ""
    return ", ".join(x for x in (at, energy) if x)


def _test_card(data: DataCard | None) -> Mapping[str, str | float | int | bool]:
    """What is known about the test background."""
    return next((s.card for s in data.samples if s.role == "test"), {}) if data else {}


def render(drawing: Drawing) -> Canvas:
    """Draws one picture."""
    import mplhep
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(layout="constrained")
    FigureCanvasAgg(canvas)
    axes = canvas.subplots()
    drawing.draw(axes)
    mplhep.label.exp_label(
        exp="l1trigger", text="", rlabel=drawing.label, ax=canvas.axes[0], loc=0, fontsize=21,
        data=not drawing.simulated,
    )
    canvas.draw_without_rendering()
    canvas.set_layout_engine("none")  # the layout is settled; three files need not settle it again
    return canvas


def write(drawings: Iterable[Drawing], folder: Path) -> dict[str, tuple[str, bytes]]:
    """Writes every picture as PNG and PDF.

    Returns:
        Picture name to MIME type and content, for the page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    images = {}
    with style():
        for d in drawings:
            canvas = render(d)
            save = canvas.savefig
            save(folder / f"{d.picture.name}.png", dpi=110, metadata={"Software": "l1trigger"})
            save(folder / f"{d.picture.name}.pdf", metadata={"CreationDate": None, "Creator": "l1trigger"})
            buffer = io.BytesIO()
            save(buffer, format="svg", metadata={"Date": None, "Creator": "l1trigger"})
            images[d.picture.name] = ("image/svg+xml", buffer.getvalue())
    return images
