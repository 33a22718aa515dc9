"""FGSM from a random start, free adversarial training and friendly PGD against straight lines on a linear network."""

from __future__ import annotations

import pytest
import torch
from robustkit_adversarial import FAT, FGSMRS, Free, FriendlyPGD, RandomStep
from torch import nn

from robustkit import example_streams, perturb, training_moment, using_streams
from robustkit.attacking.door import attack_seeds
from robustkit.attacking.streams import streams_from
from robustkit.components.clock import Clock
from robustkit.errors import ComponentError, InputError
from robustkit.testing import tiny_batch


def linear(seed=0):
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 4)).double()
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return model


def batch(size=6):
    return tiny_batch(size, num_classes=4, image_shape=(3, 2, 2), dtype=torch.float64)


def probabilities(model, x):
    return (x @ model[1].weight.detach().T + model[1].bias.detach()).softmax(1)


def cross_entropies(model, x, labels):
    return -probabilities(model, x)[torch.arange(len(x)), labels].log()


def slopes(model, x, labels):
    """The gradient of the cross-entropy of softmax(Wx + b) is W^T (softmax(Wx + b) - onehot)."""
    p = probabilities(model, x)
    p[torch.arange(len(x)), labels] -= 1
    return p @ model[1].weight.detach()


def starts(images, seed, eps):
    with using_streams(streams_from(seed, torch.arange(len(images)))):
        return (example_streams(images).uniform_like(images).flatten(1) * 2 - 1) * eps


def between(x, low, high):
    return torch.minimum(torch.maximum(x, low), high)


@pytest.mark.parametrize(("eps", "step"), [(0.1, None), (0.3, 0.2), (0.05, 0.2)])
def test_one_step_from_a_random_start(eps, step):
    model, (images, labels) = linear(), batch()
    x = images.flatten(1)
    z = (x + starts(images, 5, eps)).clamp(0, 1)
    z = z + (1.25 * eps if step is None else step) * torch.sign(slopes(model, z, labels))
    expected = between(z, x - eps, x + eps).clamp(0, 1)
    found = perturb(RandomStep(eps, step), model, images, labels, seed=5)
    torch.testing.assert_close(found, expected.view_as(images), rtol=0, atol=1e-12)
    with attack_seeds(9):
        loss = FGSMRS(eps, step).loss(model, images, labels)
    with attack_seeds(9):
        attacked = perturb(RandomStep(eps, step), model, images, labels).flatten(1)
    assert loss.item() == pytest.approx(cross_entropies(model, attacked, labels).mean().item(), abs=1e-9)


def friendly(model, images, labels, eps, step, steps, tau, seed):
    """Algorithm 1, image by image; also how many steps each was moved."""
    moved, counts = [], []
    for index, start in enumerate(starts(images, seed, eps)):
        x, label, left, taken = images[index : index + 1].flatten(1), labels[index : index + 1], tau, 0
        z = (x + start).clamp(0, 1)
        for _ in range(steps):
            if probabilities(model, z).argmax() != label:
                if left == 0:
                    break
                left -= 1
            z = between(z + step * torch.sign(slopes(model, z, label)), x - eps, x + eps).clamp(0, 1)
            taken += 1
        moved.append(z)
        counts.append(taken)
    return torch.cat(moved), counts


@pytest.mark.parametrize("tau", [0, 1, 3])
def test_friendly_pgd_lets_go_tau_steps_after_crossing(tau):
    model, (images, labels) = linear(), batch(40)
    labels = probabilities(model, images.flatten(1)).argmax(1)
    labels[::4] = (labels[::4] + 1) % 4  # some are wrong from the beginning
    expected, counts = friendly(model, images, labels, 0.3, 0.05, 8, tau, seed=3)
    found = perturb(FriendlyPGD(0.3, 0.05, 8, tau), model, images, labels, seed=3)
    torch.testing.assert_close(found, expected.view_as(images), rtol=0, atol=1e-12)
    assert len(set(counts)) > 2, "the case shows nothing: all images take as many steps"


def test_fat_trains_on_what_friendly_pgd_leaves_and_tau_follows_the_clock():
    model, (images, labels) = linear(), batch(20)
    strategy = FAT(eps=0.3, step_size=0.05, steps=8, tau={1: 0, 2: 0, 3: 2})
    losses = {}
    for epoch in (1, 2, 3):
        with training_moment({}, Clock(3, 1, epoch)), attack_seeds(4):
            losses[epoch] = strategy.loss(model, images, labels).item()
        with attack_seeds(4):
            attacked = perturb(FriendlyPGD(0.3, 0.05, 8, 2 if epoch == 3 else 0), model, images, labels).flatten(1)
        assert losses[epoch] == pytest.approx(cross_entropies(model, attacked, labels).mean().item(), abs=1e-9)
    assert losses[1] == losses[2] < losses[3]


def test_a_schedule_without_a_clock_is_refused():
    with pytest.raises(InputError, match="a schedule needs a run's clock"):
        FAT(tau={0: 0, 9: 2}).loss(linear(), *batch())


def test_a_tau_below_0_is_refused_in_schedules_too():
    with pytest.raises(ComponentError, match="tau"):
        FAT(tau={0: 0, 9: -1})


@pytest.mark.parametrize("step", [None, 0.04])
def test_free_carries_its_perturbation_from_replay_to_replay_and_batch_to_batch(step):
    model, eps, memory = linear(), 0.1, {}
    moved = torch.zeros(6, 12, dtype=torch.float64)
    for number in range(5):
        images, labels = tiny_batch(6, num_classes=4, image_shape=(3, 2, 2), dtype=torch.float64, seed=number // 2)
        z = (images.flatten(1) + moved).clamp(0, 1)
        with training_moment(memory):
            loss = Free(eps, step).loss(model, images, labels)
        assert loss.item() == pytest.approx(cross_entropies(model, z, labels).mean().item(), abs=1e-9)
        loss.backward()
        p = probabilities(model, z)
        p[torch.arange(6), labels] -= 1
        torch.testing.assert_close(model[1].weight.grad, p.T @ z / 6, rtol=0, atol=1e-9)
        moved = (moved + (eps if step is None else step) * torch.sign(slopes(model, z, labels))).clamp(-eps, eps)
        torch.testing.assert_close(memory["free"]["perturbation"].flatten(1), moved, rtol=0, atol=0)
        with torch.no_grad():
            model[1].weight -= 0.1 * model[1].weight.grad
            model[1].weight.grad = None


def test_free_begins_at_zero_for_a_batch_of_another_size_or_where_nobody_remembers():
    model, memory = linear(), {"free": {"perturbation": torch.full((6, 3, 2, 2), 0.1, dtype=torch.float64)}}
    images, labels = batch(4)
    natural = cross_entropies(model, images.flatten(1), labels).mean().item()
    with training_moment(memory):
        assert Free().loss(model, images, labels).item() == pytest.approx(natural, abs=1e-9)
    assert Free().loss(model, images, labels).item() == pytest.approx(natural, abs=1e-9)
