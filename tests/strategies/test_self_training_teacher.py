"""A teacher that does not go with the data set is refused when the run is built, whatever strategy is around it."""

from __future__ import annotations

import pytest
import torch
from robustkit_adversarial import AWP
from robustkit_architectures import SmallCNN
from robustkit_natural import Natural
from robustkit_selftraining import RST

from robustkit import make, run
from robustkit.errors import InputError, WeightsError
from robustkit.models.classifier import build_classifier
from robustkit.models.files import model_header, save_tensors

RECIPE = """\
name: labelled
epochs: 1
batch_size: 32
train_examples: 64
dataset: digits
architecture: {{use: small-cnn, width: 2}}
learners:
  only:
    strategy: {{use: rst, strategy: natural, unlabelled: digits, teacher: {teacher}}}
    optimizer: {{use: sgd, lr: 0.1}}
aggregator: single
"""


def teacher(folder, classes, shape=(1, 8, 8)):
    torch.manual_seed(0)
    architecture = SmallCNN(width=2)
    model = build_classifier(architecture, classes, shape)
    path = folder / f"{classes}.safetensors"
    save_tensors(path, model.weights(), model_header(architecture, model, tuple(map(str, range(classes))), shape))
    return str(path)


def test_more_classes_than_the_data_set_end_the_run_before_it_begins(tmp_path):
    recipe = tmp_path / "labelled.yaml"
    recipe.write_text(RECIPE.format(teacher=teacher(tmp_path, 12)), encoding="utf-8")
    with pytest.raises(
        InputError, match=r"the teacher .*12\.safetensors knows 12 classes, the data set has 10: .*Take"
    ):
        run(recipe, output=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    recipe.write_text(RECIPE.format(teacher=teacher(tmp_path, 10)), encoding="utf-8")
    assert run(recipe, output=tmp_path / "run").metrics[0]["learners"]["only"]["loss"] > 0


def test_the_question_goes_through_strategies_around_it(tmp_path):
    def checked(classes, shape=(1, 8, 8)):
        inner = RST(strategy=Natural(), unlabelled=make("dataset", "digits"), teacher=teacher(tmp_path, classes))
        AWP(strategy=RST(inner, make("dataset", "digits"), teacher(tmp_path, 2))).check_data(10, shape)

    with pytest.raises(InputError, match="knows 11 classes"):
        checked(11)
    with pytest.raises(InputError, match=r"cannot classify the data set's images of shape \(3, 8, 8\)"):
        checked(10, (3, 8, 8))
    before = torch.get_rng_state()
    checked(10)
    assert torch.equal(torch.get_rng_state(), before), "the check drew random numbers that training would miss"


def test_a_missing_teacher_is_named():
    strategy = RST(strategy=Natural(), unlabelled=make("dataset", "digits"), teacher="none.safetensors")
    with pytest.raises(WeightsError, match=r"none\.safetensors"):
        strategy.check_data(10, (1, 8, 8))
