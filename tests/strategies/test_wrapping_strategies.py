"""Strategies around others: weight perturbation and the overfitting guard; and several attacks at once."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import pytest
import torch
from known_logits import KnownLogits, Whiten, black, from_probabilities
from robustkit_adversarial import AWP, FGSMRS, KLPGD, TRADES, Adversarial, Free, MultiNorm, OverfittingGuard
from robustkit_natural import Natural
from torch import nn
from torch.nn import functional

from robustkit import Attack, Strategy, perturb, remembered, training_moment
from robustkit.attacking.door import attack_seeds
from robustkit.errors import ComponentError
from robustkit.testing import tiny_batch, tiny_model

PGD = KLPGD(eps=0.1, step_size=0.05, steps=2)
L2 = KLPGD(eps=1.0, step_size=0.4, steps=2, norm="L2")


def released_awp(model, images, labels, gamma, trained):
    """The steps of the released code: a proxy climbs, its difference is scaled, weights are moved; gradients there."""
    proxy = copy.deepcopy(model)
    (-trained(proxy, images, labels)).backward()
    with torch.no_grad():
        for name, weight in proxy.named_parameters():
            weight -= 0.01 * weight.grad
            old = dict(model.named_parameters())[name]
            if old.ndim > 1:
                difference = weight - old
                difference = old.norm() / (difference.norm() + 1e-20) * difference
                weight.copy_(old + gamma * difference)
            else:
                weight.copy_(old)
    moved = copy.deepcopy(model)
    moved.load_state_dict({**moved.state_dict(), **dict(proxy.named_parameters())})
    loss = trained(moved, images, labels)
    return loss, torch.autograd.grad(loss, list(moved.parameters())), moved


@pytest.mark.parametrize("gamma", [0.01, 0.3])
@pytest.mark.parametrize("name", ["natural", "adversarial", "trades"])
def test_awp_is_the_released_code(name, gamma):
    images, labels = tiny_batch(dtype=torch.float64)
    model = tiny_model(dtype=torch.float64)
    strategies = {"natural": Natural(), "adversarial": Adversarial(attack=PGD), "trades": TRADES(steps=2)}
    with attack_seeds(3):
        attack = PGD if name == "adversarial" else TRADES(steps=2).attack
        attacked = images if name == "natural" else perturb(attack, model, images, labels)

    def trained(network, images, labels):
        if name != "trades":
            return functional.cross_entropy(network(attacked), labels)
        clean, moved = network(images), network(attacked)
        p, q = clean.softmax(1), moved.softmax(1)
        return functional.cross_entropy(clean, labels) + 6.0 * (p * (p / q).log()).sum(1).mean()

    expected, slopes, moved = released_awp(copy.deepcopy(model), images, labels, gamma, trained)
    with attack_seeds(3):
        loss = AWP(strategies[name], gamma).loss(model, images, labels)
    assert loss.item() == pytest.approx(expected.item(), abs=1e-9)
    assert loss.item() > trained(copy.deepcopy(model), images, labels).item()
    for found, slope in zip(torch.autograd.grad(loss, list(model.parameters())), slopes, strict=True):
        torch.testing.assert_close(found, slope, rtol=0, atol=1e-8)
    for (key, buffer), other in zip(model.named_buffers(), moved.buffers(), strict=True):
        torch.testing.assert_close(buffer, other, rtol=0, atol=1e-12, msg=key)  # moved by the second pass only


@dataclass(frozen=True)
class Counted(Attack):
    """Changes nothing, and counts."""

    name = "counted"

    @property
    def budget(self):
        return None

    def __call__(self, model, images, labels):
        CALLS.append(len(images))
        return images.clone()


@dataclass(frozen=True)
class Random(Strategy):
    """A random multiple of the natural loss, which it notes."""

    name = "random"

    def loss(self, model, images, labels):
        factor = torch.rand(())
        remembered(self.name)["count"] = remembered(self.name).get("count", torch.tensor(0)) + 1
        FACTORS.append(float(factor))
        return factor * Natural().loss(model, images, labels)


CALLS: list[int] = []
FACTORS: list[float] = []


def test_awp_attacks_once_draws_alike_and_notes_once():
    CALLS.clear(), FACTORS.clear()
    model, memory = tiny_model(), {}
    with training_moment(memory):
        AWP(Adversarial(attack=Counted())).loss(model, *tiny_batch())
        AWP(Random()).loss(model, *tiny_batch())
    assert CALLS == [8]
    assert FACTORS[0] == FACTORS[1]
    assert memory["random"]["count"] == 1


def test_awp_leaves_frozen_weights_where_they_are():
    model = tiny_model(dtype=torch.float64)
    images, labels = tiny_batch(dtype=torch.float64)
    for parameter in model[:5].parameters():
        parameter.requires_grad_(False)
    loss = AWP(Natural(), 0.5).loss(model, images, labels)
    old = model[5].weight.detach().clone().requires_grad_()
    features = model[:5](images).detach()
    slope = torch.autograd.grad(functional.cross_entropy(features @ old.T + model[5].bias.detach(), labels), old)[0]
    moved = old.detach() + 0.5 * old.detach().norm() * slope / slope.norm()
    expected = functional.cross_entropy(features @ moved.T + model[5].bias.detach(), labels)
    assert loss.item() == pytest.approx(expected.item(), abs=1e-9)


def test_awp_of_size_0_is_the_strategy_itself():
    with attack_seeds(1):
        plain = TRADES(steps=2).loss(tiny_model(), *tiny_batch())
    with attack_seeds(1):
        assert torch.equal(AWP(TRADES(steps=2), 0.0).loss(tiny_model(), *tiny_batch()), plain)


def test_awp_around_free_moves_the_perturbation_once_a_backward():
    model, memory = tiny_model(), {}
    images, labels = tiny_batch()
    for _ in range(2):
        with training_moment(memory):
            loss = AWP(Free(eps=0.1)).loss(model, images, labels)
        before = memory["free"].get("perturbation", torch.zeros_like(images))
        loss.backward()
        assert (memory["free"]["perturbation"] - before).abs().max() <= 0.2 + 1e-6
    assert memory["free"]["perturbation"].unique().tolist() != [0.0]


class Answers(nn.Module):
    """A network that gets a chosen share of any batch right, but everything wrong on white images if told to."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.share = 1.0

    def forward(self, images):
        right = torch.arange(len(images)) < self.share * len(images)
        right = right | (images.flatten(1).mean(1) < 0.5)
        return self.weight * torch.stack([right.to(images), (~right).to(images)], dim=1)


def guarded(**fields):
    fields = {"every_batches": 2, "drop": 0.2, "recovery_batches": 3, **fields}
    return OverfittingGuard(strategy=Cheap(), fallback=Sound(), check=Whiten(), **fields)


@dataclass(frozen=True)
class Cheap(Strategy):
    """Says that it was used."""

    name = "cheap"
    mark = "c"

    def loss(self, model, images, labels):
        TURNS.append(self.mark)
        return model.weight * 1.0


@dataclass(frozen=True)
class Sound(Cheap):
    """Says that it was used."""

    name = "sound"
    mark = "S"


TURNS: list[str] = []


def test_the_guard_changes_to_the_fallback_for_a_while_and_back():
    TURNS.clear()
    model, memory, labels = Answers(), {}, torch.zeros(10, dtype=torch.int64)
    shares = [0.8, 0.8, 0.7, 0.7, 0.3, 0.9, 0.9, 0.9, 0.3, 0.3, 0.3, 0.3, 0.8, 0.8, 0.8, 0.8]
    for share in shares:
        model.share = share
        with training_moment(memory):
            guarded().loss(model, torch.zeros(10, 1, 2, 2), labels)
    # checked before every second batch: 0.8, 0.7, 0.3 (fails), 0.9, 0.3 (fails), 0.3 (again), 0.8, 0.8
    assert "".join(TURNS) == "ccccSSScSSSSSccc"
    usual = 0.8
    for accuracy in (0.7, 0.9, 0.8, 0.8):
        usual = 0.9 * usual + 0.1 * accuracy
    assert float(memory["overfitting-guard"]["usual"]) == pytest.approx(usual, abs=1e-12)


def test_the_guard_looks_in_eval_mode_and_leaves_modes_and_statistics_alone():
    model = tiny_model()
    model[1].eval()
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    OverfittingGuard(strategy=Quiet(), fallback=FGSMRS(), check=PGD).loss(model, *tiny_batch())
    assert [module.training for module in model] == [True, False, True, True, True, True]
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())


@dataclass(frozen=True)
class Quiet(Strategy):
    """Asks the network nothing."""

    name = "quiet"

    def loss(self, model, images, labels):
        return next(model.parameters()).sum()


@dataclass(frozen=True)
class Shade(Attack):
    """Sets every pixel to one value: the known networks below see which."""

    name = "shade"

    value: float

    @property
    def budget(self):
        return None

    def __call__(self, model, images, labels):
        return torch.full_like(images, self.value)


BLACK = [(0.7, 0.2, 0.1), (0.2, 0.3, 0.5)]
WHITE = [(0.5, 0.3, 0.2), (0.1, 0.6, 0.3)]
LABELS = torch.tensor([0, 1])


@pytest.mark.parametrize(
    ("combine", "expected"),
    [("average", (0.7, 0.3, 0.5, 0.6)), ("max", (0.5, 0.3))],
)
def test_multi_norm_combines(combine, expected):
    network = KnownLogits(from_probabilities(*BLACK), from_probabilities(*WHITE))
    loss = MultiNorm(attacks=(Shade(0.0), Shade(1.0)), combine=combine).loss(network, black(2), LABELS)
    assert loss.item() == pytest.approx(-torch.tensor(expected, dtype=torch.float64).log().mean().item(), abs=1e-12)


def test_multi_norm_alternates_and_remembers_whose_turn_it_is():
    strategy = MultiNorm(attacks=(Shade(0.0), Shade(1.0)), combine="alternating")
    network, memory, found = KnownLogits(from_probabilities(*BLACK), from_probabilities(*WHITE)), {}, []
    for _ in range(3):
        with training_moment(memory):
            found.append(strategy.loss(network, black(2), LABELS).exp().item())
    first, second = (0.7 * 0.3) ** -0.5, (0.5 * 0.6) ** -0.5
    assert found == pytest.approx([first, second, first], abs=1e-12)


def test_multi_norm_max_chooses_in_eval_mode_and_trains_with_one_forward():
    model, (images, labels), seen = tiny_model(), tiny_batch(), []
    twin = copy.deepcopy(model).eval()
    model.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]) if module.training else None)
    with attack_seeds(6):
        MultiNorm(attacks=(PGD, L2), combine="max").loss(model, images, labels)
    with attack_seeds(6), torch.no_grad():
        candidates = [perturb(attack, twin, images, labels) for attack in (PGD, L2)]
        losses = [functional.cross_entropy(twin(part), labels, reduction="none") for part in candidates]
    chosen = [candidates[int(second > first)][i] for i, (first, second) in enumerate(zip(*losses, strict=True))]
    assert len(seen) == 1
    assert torch.equal(seen[0], torch.stack(chosen))
    assert model[1].num_batches_tracked == 1


def test_one_attack_is_no_multi_norm():
    with pytest.raises(ComponentError, match="expected two attacks or more, got 1: for one there is `adversarial`"):
        MultiNorm(attacks=(PGD,))
