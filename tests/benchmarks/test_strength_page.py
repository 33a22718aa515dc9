"""The page says where an attack of ours is weaker than torchattacks', and what torchattacks' budget really is."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from benchmarks import strength_page
from benchmarks.duels import DUELS, in_full
from benchmarks.subjects import DATA_SETS, METHODS, ROOT
from robustkit import load_recipe


def network(fgsm: int, autoattack: int) -> dict[str, Any]:
    """A network of 500 examples of which torchattacks leaves 300 in everything."""
    rounds = {"examples": [250, 250], "wall": [1.0, 1.0], "cpu": [1.0, 1.0]}
    return {
        "name": "a net",
        "eps": 0.1,
        "examples": 500,
        "right": 400,
        "fgsm": {"budget": "1 step", "ours": fgsm, "theirs": 300},
        "autoattack": {
            "robustkit": {**rounds, "left": [150, autoattack - 150]},
            "torchattacks": {**rounds, "cpu": [2.0, 4.0], "left": [160, 140]},
        },
    }


@pytest.mark.parametrize(
    ("fgsm", "autoattack", "told"),
    [
        (302, 301, []),
        (303, 301, ["`fgsm` on a net, +0.6 points"]),
        (250, 302, ["`autoattack` on a net, +0.4 points"]),
    ],
)
def test_what_is_weaker_is_told(fgsm: int, autoattack: int, told: list[str]) -> None:
    networks = [network(fgsm, autoattack)]
    assert strength_page.worse(networks) == told
    text = "\n".join(strength_page.section({"networks": networks}))
    assert all(line in text for line in told)
    assert ("Nowhere does ours leave more right" in text) == (not told)


def test_ratios_are_theirs_by_ours_round_by_round() -> None:
    text = "\n".join(strength_page.section({"networks": [network(300, 299)]}))
    assert "3.00 (2.50-3.50)" in text
    assert "59.8 / 60.0" in text
    assert "-0.2" in text


def test_torchattacks_autoattack_takes_10_steps_unless_it_is_made_by_hand() -> None:
    torchattacks = pytest.importorskip("torchattacks", reason="its AutoAttack is what is looked at")
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).eval()
    shipped = torchattacks.AutoAttack(model, eps=0.1)._autoattack.attacks
    assert [getattr(attack, "steps", None) for attack in shipped] == [10, 10, 10, None]
    images, labels = torch.rand(4, 1, 8, 8), torch.zeros(4, dtype=torch.int64)
    found = in_full(model, 0.1, 3)(images, labels)
    assert float((found - images).abs().max()) <= 0.1 + 1e-6


@pytest.mark.parametrize("duel", DUELS, ids=lambda duel: duel.name)
def test_both_sides_of_a_duel_have_one_budget(duel: Any) -> None:
    torchattacks = pytest.importorskip("torchattacks", reason="the other side")
    ours = duel.attack(0.2)
    assert ours.budget.eps == 0.2
    model = nn.Linear(1, 10)
    theirs = getattr(torchattacks, duel.rival)(model, eps=0.2, **duel.theirs)
    for own, other in (("steps", "steps"), ("queries", "n_queries")):
        if hasattr(ours, own):
            assert getattr(ours, own) == getattr(theirs, other)
    for field, share in duel.scaled.items():
        size = ours.step_size or 0.2 / ours.steps
        assert (field, 0.2 * share) == ("alpha", pytest.approx(size))


@pytest.mark.parametrize("data_set", DATA_SETS)
@pytest.mark.parametrize("method", METHODS)
def test_the_radius_is_the_one_trained_against(data_set: str, method: str) -> None:
    recipe = load_recipe(ROOT / "benchmarks" / data_set / f"{method}.yaml")
    (attack,) = recipe.evaluation.final_attacks.values()
    assert attack.eps == pytest.approx(DATA_SETS[data_set][1])
