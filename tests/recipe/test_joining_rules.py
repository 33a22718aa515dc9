"""Rules that join several sections, told even where another section is broken."""

from __future__ import annotations

import pytest
from small_recipes import minimal

import robustkit
from robustkit.errors import RecipeError

STOP_AFTER = "To train only the first epochs of a longer run, use --stop-after."


def messages(**changes) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        robustkit.load_recipe(minimal(**changes))
    return [str(problem) for problem in caught.value.problems]


def sgd(lr) -> dict:
    return {"strategy": "natural", "optimizer": {"use": "sgd", "lr": lr}}


PAIR = {"natural": sgd(0.1), "robust": sgd(0.1)}
GENERALIST = {"use": "generalist", "mix": {"robust": 0.5}}

RULES = {
    "a schedule past the run": (
        {"learners": {"only": sgd({0: 0.1, 5: 0.01})}},
        "learners.only.optimizer.lr: the schedule runs to epoch 5, the run has 4 epochs. " + STOP_AFTER,
    ),
    "a schedule inside a list": (
        {"learners": PAIR, "aggregator": {"use": "generalist", "mix": {"robust": {0: 1, 9: 0.5}}}},
        "aggregator.mix.robust: the schedule runs to epoch 9, the run has 4 epochs. " + STOP_AFTER,
    ),
    "no learner": ({"learners": {}}, "learners: expected at least one learner, got none."),
    "a learner named global": (
        {"learners": {"global": sgd(0.1)}},
        "learners.global: 'global' is what results call the merged network: choose another name.",
    ),
    "a learner whose name is a path": (
        {"learners": {"../up": sgd(0.1)}},
        "learners.../up: expected a name of letters, digits, '-', '_' and '.', got '../up'.",
    ),
    "a run whose name is a path": ({"name": "a/b"}, "name: expected letters, digits, '-', '_' and '.', got 'a/b'."),
    "single with two learners": ({"learners": PAIR}, "aggregator: expected one learner, got 2: natural, robust."),
    "a mix of an unknown learner": (
        {"learners": PAIR, "aggregator": {"use": "generalist", "mix": {"robst": 0.5}}},
        "aggregator.mix.robst: there is no learner 'robst'. Did you mean 'robust'? Known: natural, robust.",
    ),
    "a mix that does not sum to 1": (
        {"learners": PAIR, "aggregator": {"use": "generalist", "mix": {"robust": 0.5, "natural": 0.6}}},
        "aggregator.mix: expected shares that sum to 1, as every learner has one, got 1.1 in epoch 1",
    ),
    "selection without validation": (
        {"validation_examples": 0, "evaluation": {"select_by": "natural"}},
        "evaluation.select_by: 'natural' needs validation examples, but validation_examples is 0.",
    ),
    "selection by an unknown name": (
        {"evaluation": {"select_by": "naturl"}},
        "evaluation.select_by: expected last, natural or the name of one of evaluation.attacks, got 'naturl'. "
        "Did you mean 'natural'?",
    ),
    "an attack named natural": (
        {"evaluation": {"attacks": {"natural": {"use": "pgd", "eps": 0.1}}}},
        "evaluation.attacks.natural: expected a name of letters",
    ),
}


@pytest.mark.parametrize(("changes", "expected"), RULES.values(), ids=RULES)
def test_each_rule_is_told(changes, expected):
    (message,) = messages(**changes)
    assert message.startswith(expected)


@pytest.mark.parametrize(("changes", "expected"), RULES.values(), ids=RULES)
def test_each_rule_is_told_beside_a_problem_of_another_section(changes, expected):
    found = messages(**changes, batch_size=0, dataset="nowhere")
    assert len(found) == 3
    assert any(message.startswith(expected) for message in found)


def test_a_mix_is_checked_against_the_names_of_learners_that_are_themselves_broken():
    learners = {"natural": {"strategy": "natural"}, "robust": sgd(-1)}
    found = messages(learners=learners, aggregator={"use": "generalist", "mix": {"robst": 0.5}})
    assert "aggregator.mix.robst: there is no learner 'robst'. Did you mean 'robust'? Known: natural, robust." in found
    assert len(found) == 3


@pytest.mark.parametrize("broken", [{"use": "generalist", "mix": {"robst": 2}}, "generlist", 3, None])
def test_a_broken_aggregator_is_not_asked_and_is_told_once(broken):
    found = messages(learners=PAIR, aggregator=broken)
    assert len(found) == 1
    assert found[0].startswith("aggregator")


def test_rules_that_need_the_number_of_epochs_wait_for_it():
    found = messages(epochs="many", learners={"only": sgd({0: 0.1, 500: 0.01})})
    assert found == ["epochs: expected a whole number of at least 1, got 'many'."]


def test_a_section_that_is_no_section_is_told_once():
    assert messages(learners=["natural"]) == [
        "learners: expected a mapping of text to a mapping with the keys strategy, optimizer, averaging, augmentation, "
        "updates_per_batch, freeze, start_from, got ['natural']."
    ]
    assert len(messages(learners=None)) == 1
    assert len(messages(evaluation="often")) == 1
