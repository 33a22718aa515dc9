"""PGD with `keep: first`: the same examples are broken as by `keep: best`, and whoever is done costs nothing more."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from robustkit_attacks import PGD, Margin, pursuit
from robustkit_attacks.ascent import Worst
from robustkit_attacks.pursuit import Walk
from torch import nn

from robustkit import CrossEntropy, TensorExamples, evaluate, perturb
from robustkit.testing import tiny_batch, tiny_model

RADII = {"Linf": 0.12, "L2": 0.6, "L1": 1.5}
SETTINGS = {
    "a few steps": {"steps": 5},
    "restarts": {"steps": 5, "restarts": 4},
    "long, with circles": {"steps": 60, "restarts": 2},
    "from the images": {"steps": 20, "random_start": False},
    "margin": {"steps": 10, "restarts": 2, "loss": Margin()},
}


class Recorder(nn.Module):
    """A network that notes the images of every forward, and whether a gradient is wanted."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.seen, self.slopes = inner, [], []

    def forward(self, images):
        self.seen.append(images.detach().clone())
        self.slopes.append(images.requires_grad)
        return self.inner(images)

    @property
    def sizes(self):
        return [len(images) for images in self.seen]


@pytest.fixture(scope="module")
def digits64(digits):
    model, images, labels = digits
    return deepcopy(model).double(), images.double(), labels


def both(fields, model, images, labels, seed=0):
    """Attacked images and who is broken, by `best` and by `first`."""
    found = []
    for keep in ("best", "first"):
        adversarial = perturb(PGD(**fields, keep=keep), model, images, labels, seed=seed)
        with torch.no_grad():
            found.append((adversarial, model(adversarial).argmax(1) != labels))
    return found


def assert_equally_strong(fields, model, images, labels, seed=0):
    (best, broken), (first, broken_too) = both(fields, model, images, labels, seed)
    assert torch.equal(broken, broken_too)
    torch.testing.assert_close(first[~broken], best[~broken], rtol=0, atol=1e-9)
    return broken


@pytest.mark.parametrize("norm", RADII)
@pytest.mark.parametrize("fields", SETTINGS.values(), ids=SETTINGS)
def test_breaks_the_same_digits_as_best(digits64, norm, fields):
    eps = RADII[norm]
    fields = {"eps": eps, "norm": norm, "step_size": eps / 4, **fields}
    broken = assert_equally_strong(fields, *digits64)
    assert 0.2 < broken.double().mean() < 0.95


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 10**6),
    st.sampled_from(list(RADII)),
    st.floats(0.01, 3.0),
    st.floats(0.05, 2.0),
    st.integers(1, 40),
    st.integers(1, 3),
    st.booleans(),
)
def test_breaks_the_same_examples_of_random_networks(seed, norm, share, step, steps, restarts, random_start):
    model, (images, _) = tiny_model(seed=seed, dtype=torch.float64), tiny_batch(24, dtype=torch.float64, seed=seed)
    with torch.no_grad():
        labels = model.eval()(images).argmax(1)
    eps = min(RADII[norm] * share, 1.0)
    fields = {"eps": eps, "norm": norm, "step_size": eps * step, "steps": steps, "random_start": random_start}
    assert_equally_strong(fields | {"restarts": restarts if random_start else 1}, model, images, labels, seed)


def test_measures_the_same_robust_accuracy(digits):
    model, images, labels = digits
    examples = TensorExamples(images, labels, tuple("0123456789"))
    attacks = {keep: PGD(eps=0.12, step_size=0.03, steps=40, restarts=2, keep=keep) for keep in ("best", "first")}
    robust = [evaluate(model, examples, {"pgd": attack}, batch_size=64).attacked["pgd"] for attack in attacks.values()]
    assert torch.equal(*robust)
    assert 0.1 < robust[0].double().mean() < 0.8


def test_the_first_misclassified_image_is_kept(digits64):
    """Found again among all images that `best`, which goes on to the end, shows the network."""
    model, images, labels = digits64
    fields = {"eps": 0.12, "step_size": 0.03, "steps": 12, "restarts": 3}
    recorder = Recorder(model)
    perturb(PGD(**fields), recorder, images, labels, seed=2)
    first = perturb(PGD(**fields, keep="first"), model, images, labels, seed=2)
    with torch.no_grad():
        wrong = torch.stack([model(seen).argmax(1) != labels for seen in recorder.seen])
    broken, when = wrong.any(0), wrong.int().argmax(0)
    expected = torch.stack(recorder.seen)[when, torch.arange(len(images))]
    torch.testing.assert_close(first[broken], expected[broken], rtol=0, atol=1e-9)
    assert len(when[broken].unique()) > 5
    assert when.max() > 12, "nobody was broken by a later restart"


def test_the_first_of_the_worst_stays():
    labels = torch.zeros(3, dtype=torch.int64)
    worst = Worst(torch.zeros(3, 1), first=True)
    right, wrong = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    for image, logits, losses in [
        (1.0, [right, wrong, right], [5.0, 1.0, 1.0]),
        (2.0, [wrong, wrong, right], [1.0, 9.0, 3.0]),
        (3.0, [wrong, right, right], [9.0, 9.0, 2.0]),
    ]:
        worst.consider(torch.full((3, 1), image), torch.stack(logits), torch.tensor(losses), labels)
    assert worst.images.flatten().tolist() == [2.0, 1.0, 2.0]
    assert worst.wrong.tolist() == [True, True, False]
    worst.consider(torch.full((1, 1), 4.0), right.unsqueeze(0), torch.tensor([4.0]), labels[:1], torch.tensor([2]))
    assert worst.images.flatten().tolist() == [2.0, 1.0, 4.0]


class Slope(nn.Module):
    """Class 1 wins where an image's mean is above 0.5; of 16 images some begin so near that the first step does it."""

    def forward(self, images):
        score = images.flatten(1).mean(1) - 0.5
        return torch.stack([torch.zeros_like(score), score], 1)


def images_of(*means):
    return torch.tensor(means, dtype=torch.float64).reshape(-1, 1, 1, 1).expand(-1, 1, 2, 2).clone()


def forwards(images, **fields):
    model = Recorder(Slope())
    labels = torch.zeros(len(images), dtype=torch.int64)
    defaults = {"eps": 0.1, "step_size": 0.01, "steps": 4, "random_start": False, "keep": "first"}
    perturb(PGD(**defaults | fields), model, images, labels)
    return model


def test_the_broken_leave_the_batch():
    """Five steps away, two steps, none: each is missing from then on."""
    model = forwards(images_of(*[0.1] * 4, *[0.485] * 3, 0.6))
    assert model.sizes == [8, 7, 7, 4, 4]
    assert model.slopes == [True] * 4 + [False]


def test_only_an_eighth_of_the_batch_is_worth_a_new_one():
    model = forwards(images_of(*[0.1] * 15, 0.6))
    assert model.sizes == [16] * 5
    model = forwards(images_of(*[0.1] * 14, 0.495, 0.6))
    assert model.sizes == [16, 16, 14, 14, 14]


def test_when_all_are_broken_nothing_is_left_to_do():
    assert forwards(images_of(*[0.6] * 5), steps=100).sizes == [5]
    assert forwards(images_of(*[0.6] * 5), steps=100, random_start=True, restarts=7).sizes == [5]


def test_restarts_begin_with_those_who_stand_where_best_begins_with_them():
    means = torch.linspace(0.3, 0.52, 40, dtype=torch.float64)
    images, labels = means.reshape(-1, 1, 1, 1).expand(-1, 1, 2, 2).clone(), torch.zeros(40, dtype=torch.int64)
    attack = {"eps": 0.1, "step_size": 0.001, "steps": 1, "restarts": 4}
    all_the_way, recorder = Recorder(Slope()), Recorder(Slope())
    perturb(PGD(**attack), all_the_way, images, labels, seed=1)
    perturb(PGD(**attack, keep="first"), recorder, images, labels, seed=1)
    starts = [seen for seen, slope in zip(recorder.seen, recorder.slopes, strict=True) if slope]
    standing = torch.ones(40, dtype=torch.bool)
    for restart in range(4):
        assert torch.equal(starts[restart], all_the_way.seen[2 * restart][standing])
        for seen in all_the_way.seen[2 * restart :][:2]:
            standing &= seen.flatten(1).mean(1) <= 0.5
    assert 15 < standing.sum() < len(starts[3]) < len(starts[1]) < 40


def test_who_can_go_no_further_leaves_the_restart():
    """In the corner after ten steps; two more show that nothing moves."""
    images = images_of(*[0.1] * 9)
    model = forwards(images, steps=1000)
    assert model.sizes == [9] * 12 + [8, 8]
    assert all(model.slopes)
    model = forwards(images, steps=1000, restarts=3, random_start=True)
    assert len(model.sizes) < 3 * 40
    assert model.sizes.count(8) == 2, "the network is asked once in a call whether it answers alike"


@pytest.mark.parametrize("crowd", [1, 3, 10**6])
def test_when_leavers_are_taken_out_changes_nothing(digits64, crowd, monkeypatch):
    fields = {"eps": 0.12, "step_size": 0.03, "steps": 40, "restarts": 2, "keep": "first"}
    usual = perturb(PGD(**fields), *digits64, seed=3)
    monkeypatch.setattr(pursuit, "_CROWD", crowd)
    torch.testing.assert_close(perturb(PGD(**fields), *digits64, seed=3), usual, rtol=0, atol=1e-9)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 40)), min_size=1, max_size=6))
def test_circles_are_found_soon_and_nothing_else_is(circles):
    """Example by example: so many images on the way into the circle, so many in it."""

    def images_at(step):
        visited = [step if step < tail else tail + (step - tail) % around for tail, around in circles]
        return torch.tensor(visited, dtype=torch.float64).reshape(-1, 1, 1)

    places = torch.arange(len(circles))
    walk = Walk.begun(places, images_at(0), places, images_at(0))
    for step in range(1, 250):
        walk.move(images_at(step), step)
        for back, (tail, around) in zip(walk.circling.tolist(), circles, strict=True):
            assert not back or step >= tail + around, "nobody was there twice"
            assert back or step < 3 * (tail + around), "somebody was, long ago"
            assert back or around > 2 or step < tail + 2, "to and fro"


class Moody(Slope):
    """Another network at each forward, though from any image the way is up: noise on logits or on gradients."""

    def __init__(self, noise):
        super().__init__()
        self.noise = noise

    def forward(self, images):
        logits = super().forward(images)
        if self.noise == "logits":
            return logits + 1e-9 * torch.rand_like(logits)
        if images.requires_grad:
            factor = 1 + torch.rand(())
            images.register_hook(lambda gradient: gradient * factor)
        return logits


@pytest.mark.parametrize(
    ("noise", "loss"), [("logits", CrossEntropy()), ("logits", Margin()), ("gradients", CrossEntropy())]
)
def test_circles_mean_nothing_where_the_network_answers_otherwise_each_time(noise, loss):
    """With the margin, noise on the logits leaves gradients alone."""
    model = Recorder(Moody(noise))
    attack = PGD(eps=0.1, step_size=0.01, steps=60, restarts=2, keep="first", loss=loss)
    perturb(attack, model, images_of(*[0.1] * 9), torch.zeros(9, dtype=torch.int64))
    asked = model.sizes.index(8)
    assert model.sizes == [9] * asked + [8, 8] + [9] * (2 * 61 - asked)
    assert model.slopes.count(False) == 2, "the last image of a restart is looked at, too"


def test_the_broken_leave_such_a_network_all_the_same():
    model = Recorder(Moody("logits"))
    images = images_of(*[0.1] * 9, *[0.455] * 9)
    perturb(
        PGD(eps=0.1, step_size=0.01, steps=30, random_start=False, keep="first"),
        model,
        images,
        torch.zeros(18, dtype=torch.int64),
    )
    assert model.sizes == [18] * 6 + [9] * 6 + [8, 8] + [9] * 19
