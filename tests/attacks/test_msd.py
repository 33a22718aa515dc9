"""MSD against a straight-line reference, the union of its balls, and what it refuses."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from robustkit_adversarial import Adversarial
from robustkit_attacks import EOT, MSD, PGD, Margin
from torch import nn
from torch.nn import functional

from robustkit import Attack, Budget, TensorExamples, evaluate, perturb
from robustkit.attacking.verification import distances
from robustkit.errors import AttackError, ComponentError
from robustkit.testing import AttackSuite, tiny_batch, tiny_model

RADII = {"linf": 0.06, "l2": 0.5, "l1": 5.0}


class TestMSD(AttackSuite):
    @pytest.fixture(
        autouse=True,
        params=[
            MSD(linf="8/255", l2=0.5, steps=3),
            MSD(l2=0.5, l1=4.0, steps=3, keep="last", sparsity=0.2),
            MSD(**RADII, steps=3, loss=Margin(), linf_step=0.03, l2_step=0.3, l1_step=2.0),
            EOT(MSD(linf=0.05, l1=4.0, steps=2), samples=2),
        ],
        ids=repr,
    )
    def configure(self, request):
        self.attack = request.param


def gradient_at(model, image, label):
    image = image.clone().requires_grad_()
    functional.cross_entropy(model(image[None]), label[None]).backward()
    return image.grad


def stepped(norm, image, gradient, clean, eps, size, sparsity):
    """One step of that norm of one image, written out; the L1 projection by halving an interval."""
    if norm == "linf":
        return clean + (image + size * gradient.sign() - clean).clamp(-eps, eps)
    if norm == "l2":
        moved = image + size * gradient / gradient.square().sum().sqrt() - clean
        length = float(moved.square().sum().sqrt())
        return clean + moved * (eps / length if length > eps else 1.0)
    able = ((gradient > 0) & (image < 1)) | ((gradient <= 0) & (image > 0))
    size_of = (gradient.abs() * able).flatten()
    chosen = sorted(range(len(size_of)), key=lambda place: -float(size_of[place]))
    step = torch.zeros_like(size_of)
    count = max(1, round(sparsity * len(size_of)))
    for place in chosen[:count]:
        step[place] = float(gradient.flatten()[place].sign()) * size / count
    moved = image + step.view_as(image) - clean
    if float(moved.abs().sum()) > eps:
        low, high = 0.0, float(moved.abs().max())
        for _ in range(200):
            middle = (low + high) / 2
            outside = float((moved.abs() - middle).clamp_min(0).sum()) > eps
            low, high = (middle, high) if outside else (low, middle)
        moved = moved.sign() * (moved.abs() - high).clamp_min(0)
    return clean + moved


def reference(model, clean, label, radii, sizes, *, steps, sparsity, keep):
    """MSD of one image, straight from the paper's words."""
    here, seen, norms = clean, [clean], set()
    for _ in range(steps):
        gradient = gradient_at(model, here, label)
        found = []
        for norm, eps in radii.items():
            image = stepped(norm, here, gradient, clean, eps, sizes[norm], sparsity).clamp(0, 1)
            logits = model(image[None]).detach()
            found.append((float(functional.cross_entropy(logits, label[None])), norm, image))
            seen.append(image)
        _, norm, here = max(found, key=lambda tried: tried[0])
        norms.add(norm)
    if keep == "last":
        return here, norms
    with torch.no_grad():
        rank = [(int(model(image[None]).argmax()) != int(label), float(loss_of(model, image, label))) for image in seen]
    return seen[rank.index(max(rank))], norms


def loss_of(model, image, label):
    return functional.cross_entropy(model(image[None]), label[None])


@pytest.mark.parametrize("keep", ["best", "last"])
def test_equals_the_straight_line_reference(keep):
    model = tiny_model(dtype=torch.float64).eval()
    images, labels = tiny_batch(dtype=torch.float64)
    images[0], images[1] = images[0].round(), images[1].clamp(0.4, 0.6)  # at the edges of [0, 1], and far from them
    sizes = {norm: 0.6 * eps for norm, eps in RADII.items()}
    attack = MSD(**RADII, steps=6, keep=keep, sparsity=0.3, **{f"{norm}_step": size for norm, size in sizes.items()})
    found = perturb(attack, model, images, labels)
    chosen = set()
    for image, label, ours in zip(images, labels, found, strict=True):
        wanted, norms = reference(model, image, label, RADII, sizes, steps=6, sparsity=0.3, keep=keep)
        torch.testing.assert_close(ours, wanted, atol=1e-6, rtol=0)
        chosen |= norms
    assert len(chosen) > 1, "only one norm was ever chosen: nothing of the choice was tried"


class Linear(nn.Module):
    """Two classes; the second's logit is the sum of pixels times weights."""

    def __init__(self, *weights):
        super().__init__()
        self.weights = torch.tensor(weights)

    def forward(self, images):
        score = (images * self.weights).flatten(1).sum(1)
        return torch.stack([torch.zeros_like(score), score], 1)


@pytest.mark.parametrize(
    ("weights", "norm"), [((1.0, 1.0, 1.0, 1.0), "linf"), ((8.0, 0.0, 0.0, 0.0), "l1"), ((4.0, 3.0, 0.5, 0.1), "l2")]
)
def test_the_norm_that_harms_most_is_chosen(weights, norm):
    """Of 0.1 in Linf, 0.16 in L2 and 0.18 in L1: gains 0.1 * sum, 0.16 * length and 0.18 * largest."""
    radii = {"linf": 0.1, "l2": 0.16, "l1": 0.18}
    images = torch.full((1, 4), 0.5)
    found = perturb(MSD(**radii, steps=1, keep="last"), Linear(*weights), images, torch.tensor([0]))
    inside = {name: float(distances(found, images, name.capitalize())) for name in radii}
    assert inside[norm] == pytest.approx(radii[norm], rel=1e-5)
    assert all(inside[other] > 1.001 * eps for other, eps in radii.items() if other != norm)


@settings(deadline=None, max_examples=25)
@given(
    st.dictionaries(st.sampled_from(["linf", "l2", "l1"]), st.floats(0.01, 0.8), min_size=2),
    st.integers(1, 5),
    st.sampled_from(["best", "last"]),
)
def test_every_image_is_in_one_of_the_balls(radii, steps, keep):
    model, (images, labels) = tiny_model(), tiny_batch()
    attack = MSD(**radii, steps=steps, keep=keep)
    found = perturb(attack, model, images, labels, seed=0)
    assert attack.budgets == tuple(Budget(n.capitalize(), radii[n]) for n in ("linf", "l2", "l1") if n in radii)
    inside = [distances(found, images, ball.norm) <= ball.eps * (1 + 1e-5) + 1e-6 for ball in attack.budgets]
    assert torch.stack(inside).any(0).all()


def test_it_harms_no_less_than_a_step_in_any_one_norm():
    model, (images, labels) = tiny_model().eval(), tiny_batch()
    losses = {}
    for name, attack in {
        "msd": MSD(**RADII, steps=1),
        **{norm: PGD(eps=eps, norm=norm.capitalize(), steps=1, random_start=False) for norm, eps in RADII.items()},
    }.items():
        with torch.no_grad():
            found = perturb(attack, model, images, labels)
            losses[name] = functional.cross_entropy(model(found), labels, reduction="none")
    assert all((losses["msd"] >= losses[norm] - 1e-6).all() for norm in RADII)


def test_out_of_all_balls_is_refused():
    class Astray(MSD):
        def __call__(self, model, images, labels):
            return (images + 0.07).clamp(0, 1)

    images, labels = torch.full((2, 1, 4, 4), 0.5), torch.tensor([0, 1])
    with pytest.raises(AttackError, match=r"out of all its balls \(Linf 0.06, L2 0.2\), by 0.00999"):
        perturb(Astray(linf=0.06, l2=0.2), tiny_model(channels=1), images, labels)
    found = perturb(Astray(linf=0.06, l2=0.3), tiny_model(channels=1), images, labels)  # 0.28 in L2
    torch.testing.assert_close(found, images + 0.07)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "expected radii of two norms or more of linf, l2 and l1, got none: for one use `pgd`"),
        ({"l2": 0.5}, "two norms or more of linf, l2 and l1, got L2 0.5"),
        ({"linf": 8, "l2": 0.5}, "expected at most 1 in Linf, got 8"),
        ({"linf": 0.1, "l2": 0.5, "l1_step": 1.0}, "l1_step: there is no l1 ball to step in: give `l1` a radius"),
        ({"linf": 0.1, "l2": 0.5, "sparsity": 0.1}, "sparsity: there is no l1 ball"),
        ({"linf": 0.1, "l2": -0.5}, "l2: expected"),
        ({"linf": 0.1, "l2": 0.5, "steps": 0}, "steps: expected"),
    ],
)
def test_settings_that_are_none(fields, message):
    with pytest.raises(ComponentError, match=message):
        MSD(**fields)


def test_it_counts_in_the_union_and_in_no_norm():
    model, (images, _) = tiny_model().eval(), tiny_batch()
    with torch.no_grad():
        labels = model(images).argmax(1)
    attacks: dict[str, Attack] = {"linf": PGD(eps=0.01, steps=1), "l2": PGD(eps=0.1, norm="L2", steps=1)}
    attacks["msd"] = MSD(**RADII, steps=5)
    found = evaluate(model, TensorExamples(images, labels, tuple("0123456789")), attacks)
    assert list(found.by_norm()) == ["Linf", "L2", "average"]
    assert found.by_norm()["Linf"].share == float(found.attacked["linf"].double().mean())
    assert found.accuracies()["worst-case"].share <= float(found.attacked["msd"].double().mean())


def test_a_strategy_trains_with_it():
    model, (images, labels) = tiny_model(), tiny_batch()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    strategy, losses = Adversarial(MSD(linf=0.02, l2=0.1, steps=2)), []
    for _ in range(15):
        optimizer.zero_grad()
        loss = strategy.loss(model, images, labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
