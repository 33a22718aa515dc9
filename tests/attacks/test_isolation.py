"""Attacks leave the model and the global random generators exactly as they were, also when they raise."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy
import pytest
import torch
from robustkit_attacks import FGSM, PGD, Margin, Noise
from torch.nn import functional

from robustkit import Attack, Budget, perturb
from robustkit.attacking.isolation import frozen, private_randomness
from robustkit.errors import AttackError

NATIVE = [
    PGD(eps="8/255", steps=2),
    PGD(eps="8/255", steps=2, restarts=2, loss=Margin()),
    PGD(eps=0.5, norm="L2", steps=2, keep="last"),
    PGD(eps=5, norm="L1", steps=2),
    FGSM(eps="8/255", random_start=True),
    Noise(eps="8/255", draws=3),
]


@dataclass(frozen=True)
class Careless(Attack):
    """Does to the model and the generators everything that a careless attack does, short of changing weights."""

    name = "careless"

    raises: bool = False

    @property
    def budget(self) -> Budget:
        return Budget("Linf", 0.1)

    def __call__(self, model, images, labels):
        model.train()
        model.requires_grad_(True)
        torch.manual_seed(1)
        numpy.random.seed(1)
        random.seed(1)
        images.requires_grad_()
        functional.cross_entropy(model(images), labels).backward()
        for parameter in model.parameters():
            parameter.grad += 1
        model[0][1].running_mean = torch.full((4,), 7.0)
        model[1][1].reset_running_stats()
        torch.set_grad_enabled(False)
        if self.raises:
            raise RuntimeError("careless")
        return images + 0.05 * (0.5 - images)


class StumbleError(RuntimeError):
    pass


def stumbling_at(model, call):
    """Let the model's forward raise at that call."""
    calls = iter(range(1, call + 1))

    def hook(*_):
        if next(calls) == call:
            raise StumbleError

    return model.register_forward_hook(hook)


@pytest.mark.parametrize("attack", [*NATIVE, Careless()], ids=repr)
def test_everything_is_as_it_was(attack, mixed_model, mixed_batch, everything):
    before = everything(mixed_model)
    perturb(attack, mixed_model, *mixed_batch)
    before.assert_same(mixed_model)
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("attack", NATIVE, ids=repr)
@pytest.mark.parametrize("call", [1, 2])
def test_everything_is_as_it_was_when_the_model_raises(attack, call, mixed_model, mixed_batch, everything):
    if isinstance(attack, FGSM) and call == 2:
        call = 1
    before = everything(mixed_model)
    with stumbling_at(mixed_model, call), pytest.raises(StumbleError):
        perturb(attack, mixed_model, *mixed_batch)
    before.assert_same(mixed_model)


def test_everything_is_as_it_was_when_the_attack_raises(mixed_model, mixed_batch, everything):
    before = everything(mixed_model)
    with pytest.raises(RuntimeError, match="careless"):
        perturb(Careless(raises=True), mixed_model, *mixed_batch)
    before.assert_same(mixed_model)
    assert torch.is_grad_enabled()


def test_the_attack_sees_a_frozen_model_in_eval_mode(mixed_model, mixed_batch):
    seen = []

    @dataclass(frozen=True)
    class Look(Attack):
        name = "look"
        budget = None

        def __call__(self, model, images, labels):
            seen.extend(module.training for module in model.modules())
            seen.extend(parameter.requires_grad for parameter in model.parameters())
            seen.extend(parameter.grad is not None for parameter in model.parameters())
            return images

    perturb(Look(), mixed_model, *mixed_batch)
    assert seen
    assert not any(seen)


def test_no_gradients_of_parameters_are_computed(mixed_model, mixed_batch):
    logits = []
    mixed_model.register_forward_hook(lambda _, inputs, output: logits.append((inputs[0], output)))
    perturb(PGD(eps=0.1, steps=1, keep="last"), mixed_model, *mixed_batch)
    [(images, output)] = logits
    leaves, nodes = set(), [output.grad_fn]
    while nodes:
        node = nodes.pop()
        leaves |= {node.variable} if hasattr(node, "variable") else set()
        nodes += [parent for parent, _ in node.next_functions if parent is not None]
    assert leaves == {images}


def test_a_graph_built_before_the_attack_can_still_go_backward(mixed_model, mixed_batch):
    images, labels = mixed_batch
    loss = functional.cross_entropy(mixed_model(images), labels)
    perturb(PGD(eps=0.1, steps=1), mixed_model, images, labels)
    loss.backward()


def test_an_attack_that_changes_weights_is_refused(mixed_model, mixed_batch):
    @dataclass(frozen=True)
    class Trainer(Attack):
        name = "trainer"
        budget = None

        def __call__(self, model, images, labels):
            with torch.no_grad():
                model[4].bias.add_(1.0)
            return images

    with pytest.raises(AttackError, match=r"changed the model's weights \(4\.bias\)"):
        perturb(Trainer(), mixed_model, *mixed_batch)
    assert mixed_model.training


def test_frozen_gives_back_exactly_what_was_there(mixed_model, everything):
    before = everything(mixed_model)
    with frozen(mixed_model), private_randomness(0, torch.device("cpu")):
        mixed_model.train()(torch.rand(4, 3, 16, 16))
    before.assert_same(mixed_model)


def draws():
    return torch.rand(3).tolist(), numpy.random.rand(3).tolist(), [random.random() for _ in range(3)]


def test_private_randomness_repeats_and_hides():
    torch.manual_seed(5), numpy.random.seed(5), random.seed(5)
    undisturbed = draws()
    torch.manual_seed(5), numpy.random.seed(5), random.seed(5)
    with private_randomness(1, torch.device("cpu")):
        first = draws()
    with private_randomness(1, torch.device("cpu")):
        assert draws() == first
    with private_randomness(2, torch.device("cpu")):
        assert all(mine != other for mine, other in zip(draws(), first, strict=True))
    assert draws() == undisturbed


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_private_randomness_hides_the_gpus_generators_too(device):
    before = torch.cuda.get_rng_state()
    with private_randomness(1, torch.device(device)):
        torch.manual_seed(7)
        torch.rand(3, device="cuda")
    assert torch.equal(torch.cuda.get_rng_state(), before)
