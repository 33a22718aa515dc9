"""Measuring by hand: a network whose every answer is known, attacked by what moves images a known way."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from torch import nn

from robustkit import Accuracy, Attack, Budget, Measurement, TensorExamples, evaluate
from robustkit.components.fields import Share
from robustkit.errors import AttackError, InputError

PIXELS = [0.0, 0.1, 0.3, 0.45, 0.55, 0.7, 0.9, 1.0]
LABELS = [0, 0, 0, 0, 1, 1, 1, 0]  # the last is wrong: brighter than a half is class 1
BRIGHT = TensorExamples(torch.tensor(PIXELS).view(-1, 1, 1, 1), torch.tensor(LABELS), ("dark", "bright"))


class Threshold(nn.Module):
    """Class 1 where the only pixel is brighter than a half; in train mode it answers nonsense."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(1)
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, images):
        assert not self.training
        margin = (images.flatten(1) - 0.5) * self.scale
        return torch.cat([-margin, margin], 1)


SEEN = []


@dataclass(frozen=True)
class Towards(Attack):
    """Moves every pixel by `by`, away from its label, and writes down what it was given."""

    name = "towards"
    by: Share = 0.1
    promised: Share = 1.0

    @property
    def budget(self):
        return Budget("Linf", self.promised)

    def __call__(self, model, images, labels):
        SEEN.append((images.flatten().clone(), labels.clone()))
        sign = (1 - 2 * labels).view(-1, 1, 1, 1)
        return (images + sign * self.by).clamp(0, 1)


@dataclass(frozen=True)
class Random(Towards):
    """Moves every pixel by chance."""

    name = "random"

    def __call__(self, model, images, labels):
        return (images + (torch.rand_like(images) - 0.5) * 2 * self.by).clamp(0, 1)


@pytest.fixture(autouse=True)
def _nothing_seen():
    SEEN.clear()


def test_counts_by_hand():
    found = evaluate(Threshold(), BRIGHT, {"near": Towards(0.1), "far": Towards(0.3), "none": Towards(0.0)})
    assert found.natural.tolist() == [True] * 7 + [False]
    assert found.attacked["near"].tolist() == [True, True, True, False, False, True, True, False]
    assert found.attacked["far"].tolist() == [True, True, False, False, False, False, True, False]
    assert found.attacked["none"].tolist() == found.natural.tolist()
    correct = {name: accuracy.correct for name, accuracy in found.accuracies().items()}
    assert correct == {"natural": 7, "near": 5, "far": 3, "none": 7, "worst-case": 3}
    assert all(accuracy.examples == 8 for accuracy in found.accuracies().values())
    assert set(found.seconds) == {"natural", "near", "far", "none"}


@pytest.mark.parametrize("batch_size", [1, 3, 8, 500])
def test_examples_that_are_wrong_already_are_not_attacked(batch_size):
    evaluate(Threshold(), BRIGHT, {"far": Towards(0.3)}, batch_size=batch_size)
    images, labels = (torch.cat(parts).tolist() for parts in zip(*SEEN, strict=True))
    assert images == torch.tensor(PIXELS[:7]).tolist()
    assert labels == LABELS[:7]
    assert max(len(images) for images, _ in SEEN) == min(batch_size, 7)


def test_a_network_that_is_always_wrong_is_not_attacked():
    wrong = TensorExamples(torch.zeros(3, 1, 1, 1), torch.ones(3, dtype=torch.int64), ("dark", "bright"))
    found = evaluate(Threshold(), wrong, {"far": Towards(0.3), "near": Towards()})
    assert [accuracy.correct for accuracy in found.accuracies().values()] == [0, 0, 0, 0]
    assert SEEN == []


@pytest.mark.parametrize("batch_size", [1, 2, 5, 8])
def test_batches_do_not_matter_to_a_deterministic_attack(batch_size):
    whole = evaluate(Threshold(), BRIGHT, {"near": Towards()})
    parts = evaluate(Threshold(), BRIGHT, {"near": Towards()}, batch_size=batch_size)
    assert torch.equal(whole.attacked["near"], parts.attacked["near"])


def test_the_seed_decides_random_attacks_and_nothing_else():
    many = TensorExamples(torch.rand(200, 1, 1, 1), torch.arange(200) % 2, ("dark", "bright"))

    def measured(seed):
        return evaluate(Threshold(), many, {"random": Random(0.5)}, seed=seed).attacked["random"]

    state = torch.get_rng_state()
    first = measured(1)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(3)
    assert torch.equal(measured(1), first)
    assert not torch.equal(measured(2), first)


def test_an_attack_draws_apart_from_the_others():
    """Another attack before it, or another name, is no reason for other starts."""
    many = TensorExamples(torch.rand(200, 1, 1, 1), torch.arange(200) % 2, ("dark", "bright"))
    alone = evaluate(Threshold(), many, {"random": Random(0.5)})
    after = evaluate(Threshold(), many, {"first": Random(0.5), "random": Random(0.5)})
    assert torch.equal(alone.attacked["random"], after.attacked["random"])
    assert not torch.equal(after.attacked["first"], after.attacked["random"])


@pytest.mark.parametrize("attack", [Towards(0.1), Towards(0.3, promised=0.2)], ids=["fine", "raising"])
def test_modes_come_back_module_by_module(attack):
    model = Threshold().train()
    model.norm.eval()
    if attack.promised < attack.by:
        with pytest.raises(AttackError, match="its budget is eps 0.2"):
            evaluate(model, BRIGHT, {"attack": attack})
    else:
        evaluate(model, BRIGHT, {"attack": attack})
    assert [module.training for module in model.modules()] == [True, False]


def test_no_gradient_is_left_behind():
    model = Threshold()
    model.scale.grad = torch.tensor(7.0)
    evaluate(model, BRIGHT, {"near": Towards()})
    assert float(model.scale.grad) == 7.0
    assert model.scale.requires_grad


def test_images_come_in_the_models_precision():
    types = []

    class Typed(Threshold):
        def forward(self, images):
            types.append(images.dtype)
            return super().forward(images)

    evaluate(Typed().double(), BRIGHT, {"near": Towards()})
    assert set(types) == {torch.float64}


def test_a_model_without_parameters():
    class Plain(nn.Module):
        def forward(self, images):
            return torch.cat([0.5 - images.flatten(1), images.flatten(1) - 0.5], 1)

    assert evaluate(Plain(), BRIGHT).accuracies()["natural"].correct == 7


def test_progress_is_told_to_the_end():
    told = []
    evaluate(Threshold(), BRIGHT, {"near": Towards()}, batch_size=3, report=lambda *heard: told.append(heard))
    assert told == [
        *(("natural", done, 8) for done in (3, 6, 8)),
        *(("near", done, 7) for done in (3, 6, 7)),
    ]


class Answers(nn.Module):
    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, images):
        return self.answer(images)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (lambda images: torch.zeros(len(images), 1), r"expected logits \(8, 2\) from the model, got \(8, 1\)"),
        (lambda images: torch.zeros(2, 2), r"got \(2, 2\)"),
        (lambda images: torch.zeros(len(images)), r"got \(8,\)"),
        (lambda images: (images,), "got tuple"),
        (lambda images: torch.full((len(images), 2), torch.nan), "logits are not finite"),
    ],
)
def test_answers_that_are_no_logits(answer, text):
    with pytest.raises(InputError, match=text):
        evaluate(Answers(answer), BRIGHT)


def test_nothing_to_measure_on():
    with pytest.raises(InputError, match="expected examples to measure on, got none"):
        evaluate(Threshold(), BRIGHT.subset(torch.arange(0)))


@pytest.mark.parametrize("batch_size", [0, -1])
def test_batches_of_nothing(batch_size):
    with pytest.raises(InputError, match=f"expected a batch_size of at least 1, got {batch_size}"):
        evaluate(Threshold(), BRIGHT, batch_size=batch_size)


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_the_worst_case_is_counted_example_by_example(rows):
    natural, first, second = (torch.tensor(column) for column in zip(*rows, strict=True))
    found = Measurement(natural, {"first": natural & first, "second": natural & second}).accuracies()
    assert found["worst-case"].correct == sum(all(row) for row in rows)
    assert found["worst-case"].share <= min(found["first"].share, found["second"].share) <= found["natural"].share


def test_one_attack_alone_is_its_own_worst_case():
    assert list(Measurement(torch.tensor([True]), {"pgd": torch.tensor([True])}).accuracies()) == ["natural", "pgd"]


@pytest.mark.parametrize(
    ("correct", "examples", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (5, 10, 0.2366, 0.7634),
        (1, 1, 0.2065, 1.0),
        (81, 263, 0.2553, 0.3662),
    ],
)
def test_intervals_of_wilson_as_published(correct, examples, low, high):
    """The last is Newcombe's example (Two-sided confidence intervals for the single proportion, 1998)."""
    assert Accuracy(correct, examples).interval == pytest.approx((low, high), abs=5e-5)


@settings(deadline=None)
@given(st.integers(1, 100_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_intervals_of_wilson_as_scipy_has_them(counts):
    correct, examples = counts
    wanted = binomtest(correct, examples).proportion_ci(0.95, method="wilson")
    accuracy = Accuracy(correct, examples)
    assert accuracy.interval == pytest.approx((wanted.low, wanted.high), abs=1e-9)
    low, high = accuracy.interval
    assert 0.0 <= low <= accuracy.share <= high <= 1.0


def test_figures_as_they_are_read():
    accuracy = Accuracy(931, 1000)
    assert str(accuracy) == "93.1 % (91.4-94.5)"
    assert accuracy.plain() == {
        "accuracy": 0.931,
        "correct": 931,
        "examples": 1000,
        "interval": list(accuracy.interval),
    }
    found = Measurement(torch.tensor([True, False]))
    assert repr(found) == "Measurement of 2 examples\n  natural: 50.0 % (9.5-90.5)"
