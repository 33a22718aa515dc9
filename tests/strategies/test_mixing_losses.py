"""Mixup, CutMix and interpolated adversarial training against the papers' formulas with the draws written down."""

from __future__ import annotations

import copy

import pytest
import robustkit_mixing.mixture as drawing
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from robustkit_adversarial import KLPGD
from robustkit_mixing import IAT, CutMix, Mixup
from robustkit_mixing.cutmix import pasted
from torch.nn import functional

from robustkit import CrossEntropy, perturb
from robustkit.attacking.door import attack_seeds
from robustkit.testing import tiny_batch, tiny_model

PGD = KLPGD(eps=0.1, step_size=0.05, steps=2)


@pytest.fixture
def drawn(monkeypatch):
    """The shares and orders that are drawn, in order."""
    found = {"share": [], "order": []}
    for name, draw in (("share", drawing.drawn_share), ("order", drawing.drawn_order)):

        def record(argument, name=name, draw=draw):
            found[name].append(draw(argument))
            return found[name][-1]

        monkeypatch.setattr(drawing, f"drawn_{name}", record)
    return found


def soft_cross_entropy(logits, targets):
    return -(targets * logits.log_softmax(1)).sum(1).mean()


def mixed(images, labels, share, order):
    targets = functional.one_hot(labels, 10).to(images)
    return share * images + (1 - share) * images[order], share * targets + (1 - share) * targets[order]


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_mixup_is_the_loss_of_soft_labels_on_averaged_images(drawn, smoothing):
    (images, labels), model = tiny_batch(dtype=torch.float64), tiny_model(dtype=torch.float64)
    loss = Mixup(alpha=0.4, criterion=CrossEntropy(label_smoothing=smoothing)).loss(
        copy.deepcopy(model), images, labels
    )
    inputs, targets = mixed(images, labels, drawn["share"][0], drawn["order"][0])
    targets = (1 - smoothing) * targets + smoothing / 10
    assert loss.item() == pytest.approx(soft_cross_entropy(model(inputs), targets).item(), abs=1e-9)
    assert 0 < drawn["share"][0] < 1
    assert sorted(drawn["order"][0].tolist()) == list(range(8))


def test_iat_is_the_mean_of_both_mixups_of_images_attacked_before(drawn):
    (images, labels), model = tiny_batch(dtype=torch.float64), tiny_model(dtype=torch.float64)
    twin = copy.deepcopy(model)
    with attack_seeds(2):
        attacked = perturb(PGD, twin, images, labels)
    with attack_seeds(2):
        loss = IAT(attack=PGD, alpha=0.7).loss(model, images, labels)
    losses = []
    for part, share, order in zip((images, attacked), drawn["share"], drawn["order"], strict=True):
        inputs, targets = mixed(part, labels, share, order)
        losses.append(soft_cross_entropy(twin(inputs), targets))
    assert loss.item() == pytest.approx(sum(losses).item() / 2, abs=1e-9)
    for (key, buffer), other in zip(model.named_buffers(), twin.buffers(), strict=True):
        torch.testing.assert_close(buffer, other, rtol=0, atol=1e-12, msg=key)  # clean first, then attacked


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), alpha=st.sampled_from([0.3, 1.0, 5.0]), height=st.integers(1, 9))
def test_cutmix_pastes_one_rectangle_and_counts_its_pixels(seed, alpha, height):
    torch.manual_seed(seed)
    images, labels = torch.arange(5.0).view(5, 1, 1, 1).expand(5, 2, height, 7), torch.arange(5)
    mixture = pasted(images, labels, alpha)
    foreign = mixture.images != images
    assert torch.equal(mixture.images, torch.where(foreign, mixture.others.view(5, 1, 1, 1).float(), images))
    order_moves = mixture.others != labels
    places = foreign[order_moves][:, 0]
    assert not foreign[~order_moves].any()
    if len(places):
        assert (places == places[0]).all()
        rows, columns = places[0].any(1), places[0].any(0)
        assert torch.equal(places[0], rows[:, None] & columns)
        assert (rows.int().diff().abs().sum() <= 2) & (columns.int().diff().abs().sum() <= 2)
        assert mixture.share == pytest.approx(1 - float(places[0].double().mean()), abs=1e-12)


def test_cutmix_is_the_loss_of_labels_by_area_and_leaves_some_batches_alone():
    (images, labels), model = tiny_batch(dtype=torch.float64), tiny_model(dtype=torch.float64)
    torch.manual_seed(3)
    loss = CutMix(probability=1.0).loss(copy.deepcopy(model), images, labels)
    torch.manual_seed(3)
    torch.rand(())
    mixture = pasted(images, labels, 1.0)
    targets = functional.one_hot(labels, 10).double()
    soft = mixture.share * targets + (1 - mixture.share) * functional.one_hot(mixture.others, 10)
    twin = copy.deepcopy(model)
    assert loss.item() == pytest.approx(soft_cross_entropy(twin(mixture.images), soft).item(), abs=1e-9)
    natural = functional.cross_entropy(copy.deepcopy(model)(images), labels).item()
    assert CutMix(probability=0.0).loss(copy.deepcopy(model), images, labels).item() == pytest.approx(
        natural, abs=1e-12
    )
    losses = {CutMix(probability=0.5).loss(copy.deepcopy(model), images, labels).item() for _ in range(40)}
    assert any(abs(found - natural) < 1e-12 for found in losses)
    assert len(losses) > 5


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_shares_are_of_the_beta_distribution(alpha):
    torch.manual_seed(0)
    shares = torch.tensor([drawing.drawn_share(alpha) for _ in range(4000)])
    # Beta(a, a) has mean 1/2 and variance 1 / (4 (2 a + 1)).
    assert float(shares.mean()) == pytest.approx(0.5, abs=0.03)
    assert float(shares.var()) == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.1)
