"""Every attack that torchattacks has, on a small network: the result is verified, everything else is as it was."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
import torch
from robustkit_attacks import FGSM, PGD
from robustkit_attacks.geometry import LinfBall
from robustkit_torchattacks import TorchAttacks
from robustkit_torchattacks.catalogue import NORMS

from robustkit import Budget, perturb
from robustkit.components.fields import number
from robustkit.errors import AttackError, ComponentError
from robustkit.testing import tiny_batch, tiny_model

torchattacks = pytest.importorskip(
    "torchattacks", reason="torchattacks is not installed: pip install 'robustkit-torch[torchattacks]'"
)
pytestmark = [
    pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad=True to a scalar:UserWarning"),
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
]

NEED_MORE_THAN_A_MODEL = {
    "MultiAttack": "takes other attacks, not a model",
    "LGV": "needs a data loader",
}
RUNNING = [name for name in torchattacks.__all__ if name not in NEED_MORE_THAN_A_MODEL]
FASTER = {
    "AutoAttack": {"version": "rand"},
    "JSMA": {"gamma": 0.01},
    "SPSA": {"nb_sample": 2},
    "Square": {"n_queries": 50},
}
NEVER_ASK_THE_MODEL = ("VANILA", "GN")


class StumbleError(RuntimeError):
    pass


def counting(model, stumble_at=None):
    calls = []

    def hook(*_):
        calls.append(len(calls) + 1)
        if len(calls) == stumble_at:
            raise StumbleError("in mid-attack")

    return calls, model.register_forward_hook(hook)


@pytest.mark.parametrize("name", RUNNING)
def test_everything_is_as_it_was(name, mixed_model, mixed_batch, everything):
    attack = TorchAttacks(attack=name, parameters=FASTER.get(name, {}))
    before = everything(mixed_model)
    first = perturb(attack, mixed_model, *mixed_batch, seed=3)
    before.assert_same(mixed_model)
    again = perturb(attack, mixed_model, *mixed_batch, seed=3)
    assert torch.equal(first, again), "equal seeds must give equal images"
    assert first.shape == mixed_batch[0].shape
    assert (attack.budget is not None) == any(key in ("eps", "max_epsilon") for key in constructor(name))


@pytest.mark.parametrize("name", [name for name in RUNNING if name not in NEVER_ASK_THE_MODEL])
def test_everything_is_as_it_was_when_it_raises(name, mixed_model, mixed_batch, everything):
    classes = {"n_classes": 10} if "n_classes" in constructor(name) else {}
    attack = TorchAttacks(attack=name, parameters=FASTER.get(name, {}) | classes)
    calls, handle = counting(mixed_model)
    with handle:
        perturb(attack, mixed_model, *mixed_batch)
    before = everything(mixed_model)
    _, handle = counting(mixed_model, stumble_at=(len(calls) + 1) // 2)
    with (
        handle,
        pytest.raises(AttackError, match=rf"torchattacks' {name} failed .*StumbleError: in mid-attack") as caught,
    ):
        perturb(attack, mixed_model, *mixed_batch)
    assert isinstance(caught.value.__cause__, StumbleError)
    before.assert_same(mixed_model)


@pytest.mark.parametrize("name", NEED_MORE_THAN_A_MODEL)
def test_those_that_need_more_than_a_model_say_so(name):
    with pytest.raises(
        ComponentError, match=f"attack: torchattacks' {name} cannot be used.*{NEED_MORE_THAN_A_MODEL[name]}"
    ):
        TorchAttacks(attack=name)


@pytest.mark.parametrize("name", ["AutoAttack", "APGDT"])
def test_too_few_classes_are_one_clear_error(name, mixed_model, mixed_batch, everything):
    """Their DLR loss needs a fourth logit; the network is so sure of itself that no part succeeds before."""
    sure = torch.nn.Linear(10, 2)
    with torch.no_grad():
        sure.weight.mul_(1e-3)
        sure.bias.copy_(torch.tensor([5.0, 0.0]))
    two_classes = torch.nn.Sequential(mixed_model, sure)
    images, labels = mixed_batch[0], torch.zeros(3, dtype=torch.int64)
    before = everything(two_classes)
    with pytest.raises(AttackError, match=rf"{name} failed on images \(3, 3, 16, 16\) with n_classes 2: IndexError"):
        perturb(TorchAttacks(attack=name), two_classes, images, labels)
    before.assert_same(two_classes)


def test_results_outside_the_budget_are_refused(mixed_model, mixed_batch, everything):
    """DeepFool knows no bound; whoever gives it one has it verified."""
    before = everything(mixed_model)
    with pytest.raises(AttackError, match="attack torchattacks moved an image by .* in L2, its budget is eps 0.001"):
        perturb(TorchAttacks(attack="DeepFool", eps=0.001), mixed_model, *mixed_batch)
    before.assert_same(mixed_model)
    perturb(TorchAttacks(attack="DeepFool"), mixed_model, *mixed_batch)


@pytest.mark.parametrize("random_start", [True, False])
def test_native_pgd_and_torchattacks_pgd_are_the_same(random_start, digits, monkeypatch):
    def drawn_as_theirs(region, images, streams):
        """From torch's global generator, which `perturb` seeds alike for both."""
        return torch.empty_like(images).uniform_(-region.eps, region.eps)

    monkeypatch.setattr(LinfBall, "random", drawn_as_theirs)
    native = PGD(eps=0.1, step_size=0.02, steps=10, keep="last", random_start=random_start)
    theirs = TorchAttacks(attack="PGD", eps=0.1, parameters={"alpha": 0.02, "steps": 10, "random_start": random_start})
    ours, other = (perturb(attack, *digits, seed=1) for attack in (native, theirs))
    torch.testing.assert_close(ours, other, atol=1e-6, rtol=0)


def test_native_l2_pgd_and_fgsm_agree_with_torchattacks():
    """On an untrained network, whose gradients are large: theirs adds 1e-10 to the norm it divides by."""
    model, batch = tiny_model(), tiny_batch()
    parameters = {"alpha": 0.1, "steps": 10, "random_start": False}
    pairs = [
        (
            PGD(eps=0.5, norm="L2", step_size=0.1, steps=10, keep="last", random_start=False),
            TorchAttacks(attack="PGDL2", eps=0.5, parameters=parameters),
        ),
        (FGSM(eps=0.1), TorchAttacks(attack="FGSM", eps=0.1)),
    ]
    for native, theirs in pairs:
        ours, other = perturb(native, model, *batch), perturb(theirs, model, *batch)
        torch.testing.assert_close(ours, other, atol=1e-6, rtol=0)


def constructor(name):
    return inspect.signature(getattr(torchattacks, name)).parameters


def test_norms_are_those_of_torchattacks_documentation():
    for name in RUNNING:
        found = re.search(r"Distance Measure : (.*)", inspect.getdoc(getattr(torchattacks, name)) or "")
        documented = found[1].strip() if found else ""
        if documented in ("", "L0", "L1 and L2"):
            assert name not in NORMS
        elif name == "FAB":  # says L1 too, but raises there
            assert NORMS[name] == ("Linf", "L2")
        else:
            assert ", ".join(NORMS[name]) == documented, name


@pytest.mark.parametrize("name", [name for name, norms in NORMS.items() if len(norms) == 2])
@pytest.mark.parametrize("norm", ["Linf", "L2"])
def test_attacks_for_several_norms_are_run_in_the_one_that_is_asked_for(name, norm, mixed_model, mixed_batch):
    eps = {"Linf": 0.05, "L2": 1.0}[norm]
    attack = TorchAttacks(attack=name, eps=eps, norm=norm, parameters=FASTER.get(name, {}))
    assert attack.budget == Budget(norm, eps)
    moved = (perturb(attack, mixed_model, *mixed_batch) - mixed_batch[0]).flatten(1)
    length = torch.linalg.vector_norm(moved, {"Linf": torch.inf, "L2": 2}[norm], dim=1)
    assert length.max() <= eps * (1 + 1e-5)


def test_the_card_lists_every_attack_with_its_norm_and_default():
    card = Path(__file__).parents[2] / "plugins" / "robustkit_torchattacks" / "README.md"
    rows = re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \|$", card.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(name for name, _, _ in rows) == sorted(RUNNING)
    for name, norms, eps in rows:
        assert norms == (", ".join(NORMS.get(name, ())) or "yours")
        budget = TorchAttacks(attack=name).budget
        assert (number(eps) if budget else eps) == (budget.eps if budget else "no bound")
