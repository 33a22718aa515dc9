"""Recipes made in Python, of components that no plugin has registered."""

from __future__ import annotations

import engine_parts as unregistered
import pytest
import torch

from robustkit import LearnerRecipe, Plugins, Recipe, load_model, make, run
from robustkit.errors import InputError, WeightsError


@pytest.fixture(scope="module")
def plain():
    """The installed plugins alone."""
    return Plugins()


@pytest.fixture
def recipe():
    learner = LearnerRecipe(strategy=unregistered.Watched(), optimizer=make("optimizer", "sgd", lr=0.1))
    return Recipe(
        name="python",
        epochs=1,
        batch_size=8,
        dataset=unregistered.Corners(),
        architecture=unregistered.Tiny(),
        learners={"only": learner},
        aggregator=make("aggregator", "single"),
    )


def test_they_run_to_the_end(recipe, plain, tmp_path):
    finished = run(recipe, output=tmp_path / "run", plugins=plain)
    assert finished.report["networks"]["only"]["natural"]["examples"] == 20
    assert "(defined in Python)" in (tmp_path / "run" / "lock.yaml").read_text()


def test_their_weights_need_their_architecture(recipe, plain, plugins, tmp_path):
    finished = run(recipe, output=tmp_path / "run", plugins=plain)
    with pytest.raises(WeightsError, match="unknown architecture 'tiny'"):
        finished.model()
    path = finished.folder.weights("global")
    assert load_model(path, registry=plugins.registry)(torch.zeros(1, 1, 6, 6)).shape == (1, 3)


def test_overrides_are_for_recipes_that_are_read(recipe, plain, tmp_path):
    with pytest.raises(InputError, match="use dataclasses.replace"):
        run(recipe, "epochs=2", output=tmp_path / "run", plugins=plain)
