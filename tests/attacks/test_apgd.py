"""Auto-PGD: conformance, schedules by hand, private randomness, costs, and what it refuses."""

from __future__ import annotations

import copy

import pytest
import torch
from known_radius import many_classes
from robustkit_attacks import APGDCE, APGDDLR, APGDTargeted
from robustkit_attacks.climb import Halving, Part
from robustkit_attacks.geometry import LinfBall
from robustkit_attacks.sparse import CrowdedL1Ball, Sparsening, shrinking
from torch import nn

from robustkit import perturb
from robustkit.errors import AttackError, ComponentError
from robustkit.testing import AttackSuite, tiny_batch, tiny_model

KINDS = [APGDCE, APGDDLR, APGDTargeted]
RADII = {"Linf": 0.1, "L2": 0.5, "L1": 1.5}


class TestAPGD(AttackSuite):
    @pytest.fixture(
        autouse=True,
        params=[
            APGDCE(eps="8/255", steps=5, restarts=2),
            APGDDLR(eps=0.5, norm="L2", steps=5, keep="best"),
            APGDTargeted(eps="8/255", steps=3, targets=3),
            APGDCE(eps=4, norm="L1", steps=12),
            APGDTargeted(eps=4, norm="L1", steps=2, targets=2),
        ],
        ids=repr,
    )
    def configure(self, request):
        self.attack = request.param


class TestTwoClasses(TestAPGD):
    num_classes = 2


class TestThreeClasses(TestAPGD):
    num_classes = 3


class TestNarrowImages(TestAPGD):
    num_classes = 4
    image_shape = (2, 3, 9)


def path(kind, region, images):
    labels = torch.zeros(len(images), dtype=torch.int64)
    return kind(region, Part(torch.arange(len(images)), images, labels, labels), images)


def test_checkpoints_are_those_of_the_authors():
    checks = path(Halving, LinfBall(0.1), torch.rand(2, 3)).checks(100)
    assert list(checks.items()) == [
        (22, 22), (41, 19), (57, 16), (70, 13), (80, 10), (87, 7), (93, 6), (99, 6),
    ]  # fmt: skip
    assert list(path(Halving, LinfBall(0.1), torch.rand(2, 3)).checks(3)) == [1, 2, 3]
    assert list(path(Sparsening, CrowdedL1Ball(1.0), torch.rand(2, 3)).checks(100)) == list(range(4, 101, 4))


def test_l1_radii_shrink():
    assert shrinking(2.0, 100) == [(6.0, 30), (4.0, 30), (2.0, 40)]
    assert shrinking(2.0, 9) == [(2.0, 9)]


class Score(nn.Module):
    """Class 1 scores a function of the one pixel, class 0 nothing."""

    def __init__(self, function):
        super().__init__()
        self.function, self.seen = function, []

    def forward(self, images):
        self.seen.append(images.detach().flatten().tolist())
        score = self.function(images.flatten(1)[:, 0])
        return torch.stack([torch.zeros_like(score), score], 1)


def test_lengths_are_halved_where_the_loss_does_not_rise_and_it_goes_on_from_the_best():
    """A peak in the middle of the ball: steps of 2 eps jump from end to end, until they are halved."""
    model = Score(lambda pixel: -10 - (pixel - 0.52).abs())
    images, labels = torch.full((1, 1), 0.5, dtype=torch.float64), torch.tensor([0])
    adversarial = perturb(APGDCE(eps=0.1, steps=100), model, images, labels, seed=0)
    assert adversarial.item() == pytest.approx(0.52, abs=0.004)
    start, first = model.seen[1][0], model.seen[2][0]
    assert start in (0.4, pytest.approx(0.6)), "a start is on the ball's boundary"
    assert first == pytest.approx(1.0 - start), "the first step is as long as the ball is wide"


def test_box_and_ball_are_projected_on_together():
    """Against the minimum that bisection finds: the moves are wanted - shift, cut at the room there is."""
    generator = torch.Generator().manual_seed(0)
    clean = torch.rand(40, 3, 4, generator=generator, dtype=torch.float64)
    clean[:10] = clean[:10].round()
    wanted = (
        torch.randn(clean.shape, generator=generator, dtype=torch.float64) * torch.linspace(0, 2, 40)[:, None, None]
    )
    for eps in (0.05, 1.0, 3.0, 30.0):
        projected = CrowdedL1Ball(eps).inside(clean + wanted, clean)
        room = torch.where(wanted > 0, 1 - clean, clean)
        low, high = torch.zeros(40, 1, 1).double(), torch.full((40, 1, 1), 10.0).double()
        for _ in range(100):
            middle = (low + high) / 2
            kept = (wanted.abs() - middle).clamp_min(0).minimum(room)
            over = kept.sum((1, 2), keepdim=True) > eps
            low, high = torch.where(over, middle, low), torch.where(over, high, middle)
        enough = wanted.abs().minimum(room).sum((1, 2), keepdim=True) <= eps
        kept = (wanted.abs() - torch.where(enough, 0.0, high)).clamp_min(0).minimum(room)
        torch.testing.assert_close(projected, clean + wanted.sign() * kept, atol=1e-9, rtol=0)


@pytest.mark.parametrize("norm", list(RADII))
@pytest.mark.parametrize("kind", KINDS)
def test_results_depend_neither_on_the_batch_nor_on_the_order(kind, norm, digits):
    model, images, labels = digits
    model, images, labels = copy.deepcopy(model).double(), images[:20].double(), labels[:20]
    few = {"targets": 2} if kind is APGDTargeted else {}
    attack = kind(eps=RADII[norm], norm=norm, steps=10, restarts=2, **few)
    together = perturb(attack, model, images, labels, seed=3)
    broken = model(together).argmax(1) != labels
    assert 0 < broken.sum() < 20, "there must be both who leave and who stay"
    shuffled = torch.randperm(20, generator=torch.Generator().manual_seed(0))
    for size, order in ((1, torch.arange(20)), (7, torch.arange(20)), (20, shuffled), (7, shuffled)):
        for chosen in order.split(size):
            part = perturb(attack, model, images[chosen], labels[chosen], seed=3, examples=chosen)
            torch.testing.assert_close(part, together[chosen], atol=1e-9, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_broken_image_ends_an_example(kind, digits):
    model, images, labels = digits
    sizes = []
    handle = model.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    with handle:
        first = perturb(kind(eps=0.1, steps=10), model, images, labels, seed=0)
    first_cost, sizes[:] = sum(sizes), []
    with model.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0]))):
        best = perturb(kind(eps=0.1, steps=10, keep="best"), model, images, labels, seed=0)
    broken, broken_at_best = ((model(result).argmax(1) != labels) for result in (first, best))
    assert torch.equal(broken, broken_at_best), "who is broken does not depend on when examples leave"
    runs = 9 if kind is APGDTargeted else 1
    assert sum(sizes) == len(images) * (1 + 11 * runs)
    assert first_cost < 0.8 * sum(sizes)
    wrong = model(images).argmax(1) != labels
    assert torch.equal(first[wrong], images[wrong]), "what is misclassified already is left alone"
    losses = [nn.functional.cross_entropy(model(result), labels, reduction="none") for result in (first, best)]
    if kind is APGDCE:
        assert (losses[1] >= losses[0] - 1e-5).all()
        torch.testing.assert_close(first[~broken], best[~broken])


def test_restarts_only_go_to_those_who_stand():
    model, images, labels, radii = many_classes("Linf")
    attack, seen = APGDTargeted(eps=float(radii.median()), steps=10, targets=3, give_up=False), []
    with model.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0]))):
        result = perturb(attack, model, images, labels, seed=0)
    standing = (model(result).argmax(1) == labels).sum()
    assert seen[:2] == [6, 6]
    assert 6 > seen[12] >= seen[23] >= standing > 0, "a run begins with those who stand"
    assert len(seen) == 1 + 3 * 11


@pytest.mark.parametrize("norm", ["Linf", "L2"])
@pytest.mark.parametrize("kind", [APGDDLR, APGDTargeted])
def test_giving_up_breaks_the_same_examples_for_less(kind, norm, digits):
    model, images, labels = digits
    results = {}
    for give_up in (False, True):
        seen = []
        with model.register_forward_pre_hook(lambda _, inputs, seen=seen: seen.append(len(inputs[0]))):
            attack = kind(eps=RADII[norm] * 0.6, norm=norm, give_up=give_up)
            adversarial = perturb(attack, model, images, labels, seed=0)
        results[give_up] = (model(adversarial).argmax(1) != labels, sum(seen))
    broken, broken_for_less = results[False][0], results[True][0]
    assert 30 < broken.sum() < 170
    assert (broken != broken_for_less).sum() <= 1
    assert results[True][1] < 0.5 * results[False][1]


def test_who_has_hope():
    """After 5 of 100 steps; twice the pace must bring the best loss half the way from the start to 0."""
    now = path(Halving, LinfBall(0.1), torch.rand(5, 3))
    now.give_up = True
    now.first_losses = now.earlier_losses = torch.full((5,), -2.0)
    now.best_losses = torch.tensor([-2.0 + 1.1 / 39, -2.0 + 0.9 / 39, -1.0, -2.0, 0.5])
    assert now.hopeful(5, 100).tolist() == [True, False, True, True, True]
    now.best_losses = torch.tensor([-1.96, -1.4, -1.0, -2.0, 0.5])  # now seen from where they were five steps ago
    assert now.hopeful(10, 100).tolist() == [False, True, True, True, True]
    assert now.hopeful(12, 100) is None
    assert now.hopeful(10, 19) is None
    now.give_up = False
    assert now.hopeful(15, 100) is None


def test_targets_are_the_likeliest_other_classes_as_many_as_there_are():
    logits = torch.tensor([[3.0, 1.0, 2.0, 2.5], [0.0, 5.0, -1.0, 2.0]])
    labels = torch.tensor([0, 3])
    aims = [aim.tolist() for aim in APGDTargeted(eps=0.1).aims(logits, labels)]
    assert aims == [[3, 1], [2, 0], [1, 2]]
    assert len(list(APGDTargeted(eps=0.1, targets=2).aims(logits, labels))) == 2
    many = torch.randn(2, 50)
    assert len(list(APGDTargeted(eps=0.1).aims(many, labels))) == 9
    assert len(list(APGDTargeted(eps=5, norm="L1").aims(many, labels))) == 5


@pytest.mark.parametrize("norm", list(RADII))
@pytest.mark.parametrize("kind", KINDS)
def test_numbers_that_are_none_harm_nobody(kind, norm):
    """Logits of one example are not numbers, gradients of another: the others fare as without them."""

    class Broken(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = tiny_model().eval().requires_grad_(False)

        def forward(self, images):
            logits, mark = self.model(images), images[:, 0, 0, 0]
            logits[mark < 0.2] = torch.nan
            steep = (0.0 * images[mark > 0.8].flatten(1).sum(1, keepdim=True)).sqrt()  # a gradient that is no number
            return logits.index_add(0, (mark > 0.8).nonzero().squeeze(1), steep.expand(-1, 10))

    images, model = tiny_batch()[0], Broken()
    images[:, 0, 0, 0] = torch.tensor([0.1, 0.9, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5])
    labels = model.model(images).argmax(1)
    attack = kind(eps=RADII[norm] / 30, norm=norm, steps=5)
    result = perturb(attack, model, images, labels, seed=0)
    assert result.isfinite().all()
    others = torch.arange(2, 8)
    alone = perturb(attack, model.model, images[others], labels[others], seed=0, examples=others)
    torch.testing.assert_close(result[others], alone)


@pytest.mark.parametrize("norm", list(RADII))
@pytest.mark.parametrize("kind", KINDS)
def test_eps_0_returns_the_images(kind, norm):
    images, labels = tiny_batch()
    assert torch.equal(perturb(kind(eps=0, norm=norm, steps=10), tiny_model(), images, labels), images)


@pytest.mark.parametrize("shape", [(1,), (7,), (2, 3, 2, 2)])
@pytest.mark.parametrize("norm", list(RADII))
def test_images_of_any_shape(shape, norm):
    images = torch.rand(5, *shape, generator=torch.Generator().manual_seed(0))
    images[0], images[1] = 0.0, 1.0
    model = nn.Sequential(nn.Flatten(), nn.Linear(images[0].numel(), 3))
    result = perturb(APGDDLR(eps=RADII[norm], norm=norm, steps=12), model, images, torch.arange(5) % 3, seed=0)
    assert result.shape == images.shape


def test_a_network_that_computes_in_half_precision():
    class Half(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = tiny_model().eval().bfloat16()

        def forward(self, images):
            return self.inner(images.bfloat16())

    images, model = tiny_batch()[0], Half()
    labels = model(images).argmax(1)
    for kind in KINDS:
        for norm, eps in RADII.items():
            result = perturb(kind(eps=eps / 5, norm=norm, steps=8), model, images, labels, seed=0)
            assert result.dtype == torch.float32
            assert not torch.equal(result, images)


def test_a_model_without_gradients_is_reported():
    class Detached(nn.Module):
        def forward(self, images):
            return images.detach().flatten(1)[:, :3]

    images = torch.tensor([[[[0.9, 0.1, 0.2, 0.3]]]])
    with pytest.raises(AttackError, match="no gradient with respect to the images"):
        perturb(APGDCE(eps=0.1), Detached(), images, torch.tensor([0]))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"eps": 8}, r"apgd-ce: eps: expected at most 1 in Linf, got 8.*write 8/255"),
        ({"eps": 0.1, "steps": 0}, r"apgd-ce: steps: expected"),
        ({"eps": 0.1, "keep": "last"}, r"apgd-ce: keep: expected 'first' or 'best'"),
        ({"eps": 0.1, "rho": 1.5}, r"apgd-ce: rho: expected"),
    ],
)
def test_settings_that_make_no_sense_are_refused(fields, message):
    with pytest.raises(ComponentError, match=message):
        APGDCE(**fields)
