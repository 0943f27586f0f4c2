"""A run folder up to csim, of a trigger function that was not made by any stage."""

import numpy as np
import tiny

from l1trigger import design, train
from l1trigger.bit_exact import compare
from l1trigger.compress.result import CompressResult
from l1trigger.csim.result import CsimResult
from l1trigger.data.events import DataSet
from l1trigger.engine import Engine
from l1trigger.results import Results
from l1trigger.run_folder import RunFolder, StageInputs, StageRecord


def finished(path, data, function, proven=True, engine=True, zero_bias=True):
    """A run folder with the results of data, train, compress and csim."""
    folder = RunFolder(path)
    asked = design.from_mapping(tiny.raw_design())
    data = DataSet(data.train, data.validation, data.test, data.signals, zero_bias, data.colliding_bunches)
    quick = asked.train.model_copy(update={"epochs": 1})
    trained = train.run(asked.model_copy(update={"train": quick}), Results(data=data), path.with_name("train"))
    program = Engine.of(function)
    score = program.scores(data.test.inputs)
    seen = compare(score, score + (not proven), ("csim", "engine"), "score of zerobias")
    scores = {level: {e.name: function.value(program.scores(e.inputs)) for e in data.evaluated} for level in
              ("quantized", "csim")}
    simulated = CsimResult(
        scores, {n: s > 0 for n, s in scores["csim"].items()}, (seen,), 1.0, {}, 1, "g++", engine="avx2, g++",
        program=program if engine else None, no_engine=None if engine else "it has a layer that is not known",
    )
    float_threshold = float(np.quantile(trained.float_score(data.test.inputs), 0.9))
    results = {"data": data, "train": trained, "compress": CompressResult(function, (), {}, float_threshold),
               "csim": simulated}
    with folder.locked():
        for name, result in results.items():
            work, _ = folder.begin(name, name)
            result.save(work)
            folder.commit(name, StageRecord(StageInputs({}, {}, {}, {"made for": str(path)}), 1.0))
    return folder
