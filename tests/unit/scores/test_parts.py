"""What a score needs of the reference, and what happens where the reference does not give it."""

from types import SimpleNamespace

import pytest

from l1trigger.contracts.architecture import ARCHITECTURES, Part
from l1trigger.contracts.score import SCORES
from l1trigger.errors import DesignError
from l1trigger.models.keras_model import KerasModel
from l1trigger.scores import base

PARTS = {
    "student": None, "classifier": Part.OUTPUTS, "class_margin": Part.OUTPUTS, "latent_norm": Part.LATENT,
    "reconstruction_error": Part.RECONSTRUCTION, "image_error": Part.RECONSTRUCTION,
}


def test_every_score_says_what_it_needs():
    assert {name: SCORES.get(name).part for name in SCORES.names()} == PARTS
    assert {n for n in PARTS if SCORES.get(n).kernel.of_objects} == {"reconstruction_error"}


@pytest.mark.parametrize("name", [n for n, part in PARTS.items() if part])
def test_an_architecture_that_does_not_give_it_is_named(name):
    trained = SimpleNamespace(
        network=SimpleNamespace(layers=lambda weights, part: None), architecture="gravnet",
        trainings=[SimpleNamespace(weights={})],
    )
    score = SCORES.get(name)(SCORES.get(name).Options())
    with pytest.raises(DesignError, match=f"compress.score: {name} needs an architecture .*e.g. .*, not gravnet"):
        base.firmware_layers(trained, 0, score)


@pytest.mark.parametrize(("output", "score", "fitting"), [
    ("latent", "reconstruction_error", "latent_norm or student"),
    ("score", "latent_norm", "class_margin or classifier or student"),
    ("reconstruction", "classifier", "image_error or reconstruction_error or student"),
])
def test_a_model_of_another_output_is_refused_with_the_scores_that_fit(output, score, fitting):
    design = SimpleNamespace(compress=SimpleNamespace(score=score))
    model = SimpleNamespace(options=SimpleNamespace(output=output, file="a.keras"))
    with pytest.raises(DesignError, match=f"{score} means nothing for a model whose output is a {output}.*{fitting}"):
        KerasModel._check_score(model, design, SimpleNamespace(outputs=57), 57)
    for name, part in PARTS.items():
        if name == "student" or part == {"latent": Part.LATENT, "score": Part.OUTPUTS}.get(output, Part.RECONSTRUCTION):
            KerasModel._check_score(model, SimpleNamespace(compress=SimpleNamespace(score=name)),
                                    SimpleNamespace(outputs=57), 57)


@pytest.mark.parametrize("name", ARCHITECTURES.names())
def test_no_architecture_knows_a_score_by_name(name):
    """A new score that needs a known part takes part without a change of any architecture."""
    import inspect

    source = inspect.getsource(inspect.getmodule(ARCHITECTURES.get(name)))
    assert not [s for s in PARTS if f'"{s}"' in source]
