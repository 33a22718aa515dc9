"""Changes of a square, computed as patches: the logits of the whole network, and never of another one."""

from __future__ import annotations

import pytest
import robustkit_attacks.square as square_module
import torch
from robustkit_attacks import Square
from robustkit_attacks.patches import Patches, chain_of
from torch import nn

from robustkit import make, perturb

SHAPE = (2, 11, 13)


def network(*convolutions):
    """The convolutions, each with a BatchNorm and a ReLU, and a linear layer."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        layers, channels = [], SHAPE[0]
        for options in convolutions:
            layers += [nn.Conv2d(channels, 4, **options), nn.BatchNorm2d(4), nn.ReLU()]
            channels = 4
        features = nn.Sequential(*layers, nn.MaxPool2d(2), nn.Flatten())
        size = features(torch.zeros(2, *SHAPE)).shape[1]
        model = nn.Sequential(features, nn.Linear(size, 5))
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_()
        return model.double().eval().requires_grad_(False)


def images(count, seed=0):
    return torch.rand(count, *SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


SAME = {"kernel_size": 3, "padding": 1}
NETWORKS = {
    "same": [SAME, SAME],
    "strided": [SAME, {**SAME, "stride": 2}, SAME],
    "odd": [{"kernel_size": (2, 5), "padding": (0, 2), "stride": (1, 3)}, {"kernel_size": 1}],
    "wide": [{"kernel_size": 5, "padding": 4}, {"kernel_size": 3, "stride": 3, "groups": 2}],
}


@pytest.mark.parametrize("sides", [(1, 1), (2, 2), (4, 4), (11, 5), (11, 13)])
@pytest.mark.parametrize("name", NETWORKS)
def test_patches_give_the_whole_networks_logits_wherever_the_square_is(name, sides):
    model, clean = network(*NETWORKS[name]), images(3)
    chain = chain_of(model, clean)
    assert chain is not None
    for top in range(SHAPE[1] - sides[0] + 1):
        for left in range(SHAPE[2] - sides[1] + 1):
            patches, chosen = Patches(chain, clean), torch.tensor([2, 0])
            window = (slice(None), slice(None), slice(top, top + sides[0]), slice(left, left + sides[1]))
            changed = clean[chosen]
            changed[window] = images(2, seed=1)[window]
            corners = torch.tensor([top, top]), torch.tensor([left, left])
            torch.testing.assert_close(patches.change(chosen, changed, corners, sides), model(changed))
            patches.take_back(torch.tensor([False, True]))
            torch.testing.assert_close(patches.whole, model(torch.stack([clean[0], clean[1], changed[0]])))
            patches.keep(torch.tensor([False, True, True]))
            torch.testing.assert_close(patches.whole, model(torch.stack([clean[1], changed[0]])))


class Shortcut(nn.Module):
    """A residual block."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, features):
        return features + self.inner(features)


def hooked():
    model = network(SAME)
    model[0][0].register_forward_hook(lambda module, given, found: found + 1)
    return model


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(Shortcut(nn.Conv2d(2, 2, 3, padding=1)), nn.Flatten(), nn.Linear(286, 5)).double(),
        nn.Sequential(nn.Conv2d(2, 4, 3, dilation=2), nn.Flatten(), nn.LazyLinear(5)).double(),
        nn.Sequential(nn.Conv2d(2, 4, 3, padding=1, padding_mode="circular"), nn.Flatten(), nn.LazyLinear(5)).double(),
        nn.Sequential(nn.Flatten(), nn.Linear(286, 5)).double(),
        hooked(),
    ],
    ids=["residual", "dilated", "circular", "linear", "hooked"],
)
def test_what_is_no_chain_is_told(model):
    model(images(2))
    assert chain_of(model.eval(), images(2)) is None


@pytest.mark.parametrize("name", ["small-cnn", "strided"])
def test_square_finds_the_same_with_patches_as_without(name, monkeypatch):
    if name == "small-cnn":
        with torch.random.fork_rng():
            torch.manual_seed(1)
            model = make("architecture", name, width=4).build(5, SHAPE).double().eval()
    else:
        model = network(*NETWORKS[name])
    clean = images(12)
    labels = model(clean).argmax(1)
    attack = Square(eps=0.05, queries=300)
    used = []
    original = square_module.chain_of
    monkeypatch.setattr(square_module, "chain_of", lambda *given: used.append(original(*given)) or used[-1])
    patched = perturb(attack, model, clean, labels, seed=1)
    assert used[0] is not None
    monkeypatch.setattr(square_module, "chain_of", lambda *given: None)
    torch.testing.assert_close(patched, perturb(attack, model, clean, labels, seed=1), rtol=0, atol=0)


class Moody(nn.Module):
    """After some passes it answers otherwise, though its layers run as ever."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.passes = inner, 0

    def forward(self, features):
        self.passes += 1
        found = self.inner(features)
        return found if self.passes < 8 else 0.5 * found


def test_a_network_that_turns_out_to_be_more_is_asked_itself():
    model, clean = Moody(network(SAME, SAME)), images(6)
    labels = model.inner(clean).argmax(1)
    assert chain_of(model, clean) is not None
    perturb(Square(eps=0.01, queries=400), model, clean, labels, seed=1)
    assert model.passes > 100, "nearly every query reaches it"
