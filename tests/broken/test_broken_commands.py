"""Broken overrides, options and sizes: exit code 2, what is wrong with which word, and no results folder."""

from __future__ import annotations

import pytest
from broken_input import BASE, assert_refused, write

OVERRIDES = {
    "no value": ("epochs", "override 'epochs': expected path=value, for example seed=2"),
    "no path": ("=2", "override '=2': expected path=value"),
    "a gap in the path": ("learners..lr=2", "override 'learners..lr=2': expected path=value"),
    "an unknown path": ("optimizer.lr=3", "override:1:1: optimizer: unknown key 'optimizer'."),
    "a misspelled path": ("learners.natural.optimizer.lrr=3", "unknown key 'lrr'. Did you mean 'lr'?"),
    "an unknown learner": ("learners.robst.optimizer.lr=3", "override:1:1: learners.robst: needs 'strategy'"),
    "a path through a number": ("epochs.more=3", "override 'epochs.more=3': epochs is 3, it has no key 'more'."),
    "a path through a list": (
        "evaluation.attacks=[1]",
        "override:1:20: evaluation.attacks: expected a mapping of text",
    ),
    "broken YAML": ("epochs=[3", "override 'epochs=[3': this is not YAML: while parsing a flow sequence"),
    "a Python object": (
        "name=!!python/object/apply:os.mkdir [results]",
        "the tag !!python/object/apply:os.mkdir is ref",
    ),
    "a wrong type": ("epochs=many", "override:1:8: epochs: expected a whole number of at least 1, got 'many'."),
    "a wrong range": ("seed=-1", "override:1:6: seed: expected a whole number of at least 0, got -1."),
    "an unknown name": (
        "architecture=resnet81",
        "override:1:14: architecture: unknown architecture 'resnet81'. Did you",
    ),
    "an unknown model of timm": (
        "architecture={use: timm, model: resnet999}",
        "timm has no model 'resnet999'. Did you mean",
    ),
    "an unknown attack of torchattacks": (
        "evaluation.attacks.t={use: torchattacks, attack: PGDD, eps: 0.1}",
        "torchattacks has no attack 'PGDD'. Did you mean 'PGD'?",
    ),
    "an unknown optimizer of timm": (
        "learners.natural.optimizer={use: timm, opt: sgdd, lr: 0.1}",
        "timm has no optimizer",
    ),
    "a shorter run than its schedules": (
        "epochs=1",
        "learners.robust.optimizer.lr: the schedule runs to epoch 3, the run",
    ),
    "two faults in one word": (
        "learners.natural.optimizer={use: sgd, lr: -1, momentun: 0.9}",
        "error: 2 problems in recip",
    ),
    "selection without validation": (
        "validation_examples=0 evaluation.select_by=natural",
        "'natural' needs validation",
    ),
    "the last learner removed": ("learners={}", "override:1:10: learners: expected at least one learner, got none."),
}
SIZES = {
    "all held out": (
        "validation_examples=1347",
        "validation_examples is 1347, which leaves none of the 1347 examples to",
    ),
    "more held out than there are": (
        "validation_examples=5000",
        "validation_examples is 5000, which leaves none of the ",
    ),
    "a batch of more than is left": ("batch_size=1300", "batch_size is 1300, but only 1213 training examples are left"),
    "a batch of more than is chosen": ("train_examples=16", "batch_size is 32, but only 16 training examples are left"),
    "colour normalization of grey images": (
        "normalization={mean: [0.5, 0.5, 0.5], std: [0.2, 0.2, 0.2]}",
        "normalization.mean has 3 values, images have 1 channels.",
    ),
    "a normalization of two lengths": (
        "normalization={mean: [0.5], std: [1, 1]}",
        "normalization.std has 2 values, ima",
    ),
    "an empty normalization": ("normalization={mean: [], std: []}", "normalization.mean has 0 values"),
    "an architecture for larger images": (
        "architecture={use: timm, model: vit_tiny_patch16_224}",
        "architecture 'timm' cannot take images of shape (1, 8, 8) and 10 classes: ",
    ),
    "a GPU that is not there": ("device=cuda:99", "device 'cuda:99': expected auto, cpu, or one of "),
    "data that is not there": ("dataset={use: arrays, train: no.npz, test: no.npz}", "no.npz"),
    "a folder that is not there": ("dataset={use: image-folder, root: nowhere, image_size: 8}", "nowhere"),
}
OPTIONS = {
    "no recipe": ((), "Missing argument 'RECIPE'"),
    "an unknown option": (("recipe.yaml", "--ouput", "results"), "No such option"),
    "nothing to disable": (
        ("recipe.yaml", "--disable", "atacks"),
        "--disable atacks: no such plugin. Did you mean 'attack",
    ),
    "nothing to load": (("recipe.yaml", "--plugin", "mine.py"), "--plugin mine.py: there is no such file."),
    "a plugin that is a recipe": (("recipe.yaml", "--plugin", "recipe.yaml"), "expected a Python file, NAME.py."),
    "what it needs disabled": (
        ("recipe.yaml", "--disable", "attacks"),
        "recipe.yaml:13:21: learners.robust.strategy.attac",
    ),
    "nothing to resume": (
        ("recipe.yaml", "--resume", "--output", "none"),
        "none: nothing to resume, it has no lock.yaml.",
    ),
    "no folder to resume": (("recipe.yaml", "--resume"), "to resume, name the results folder: robustkit run runs/NAME"),
    "output that is a file": (
        ("recipe.yaml", "--output", "recipe.yaml"),
        "recipe.yaml: is there already. Choose another",
    ),
    "output below a file": (
        ("recipe.yaml", "--output", "recipe.yaml/x"),
        "this folder cannot be made: Not a directory.",
    ),
    "output that is full": (
        ("recipe.yaml", "--output", "full"),
        "full: is there already. Choose another --output, or go o",
    ),
    "output whose name is too long": (("recipe.yaml", "--output", "n" * 300), "File name too long"),
}


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, {"recipe.yaml": BASE, "full/notes.txt": "mine"})


@pytest.mark.parametrize(("words", "expected"), OVERRIDES.values(), ids=OVERRIDES)
def test_a_broken_override(words, expected, tmp_path):
    word = [words] if "{" in words or "!" in words or "[" in words else words.split()
    assert_refused(tmp_path, ("run", "recipe.yaml", *word, "--output", "results"), expected)


@pytest.mark.parametrize(("word", "expected"), SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("option", [("--output", "results"), ("--dry-run",)], ids=["run", "dry run"])
def test_what_does_not_fit_the_data_or_the_machine(word, expected, option, tmp_path):
    assert_refused(tmp_path, ("run", "recipe.yaml", word, *option), expected)


@pytest.mark.parametrize(("arguments", "expected"), OPTIONS.values(), ids=OPTIONS)
def test_a_broken_command_line(arguments, expected, tmp_path):
    assert_refused(tmp_path, ("run", *arguments), expected)


def test_without_output_nothing_is_left_in_the_default_place_either(tmp_path):
    assert_refused(tmp_path, ("run", "recipe.yaml", "validation_examples=5000"), "validation_examples is 5000")
    assert_refused(tmp_path, ("run", "recipe.yaml", "device=cuda:99"), "device 'cuda:99'")
