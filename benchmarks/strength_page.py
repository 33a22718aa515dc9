"""What `strength` measured, in words and tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.duels import DUELS, NEAREST
from benchmarks.rounds import Spread, ratios
from benchmarks.tables import table

STRONGER, SAME = 0.5, 0.2
"""Points by which an attack, and AutoAttack, may leave more than torchattacks' before the page says so."""


def section(result: Mapping[str, Any]) -> list[str]:
    """Strength of each attack, then of AutoAttack and its speed."""
    networks = result["networks"]
    examples = networks[0]["examples"]
    return [
        f"Ours and torchattacks' attack of the same name, with the same budget, on the same {examples} test examples "
        "of each network: robust accuracy in percent, ours before theirs. Networks are trained by the recipes in "
        "`benchmarks/fashion-mnist` and `benchmarks/cifar10`: a small-cnn on a few thousand images in minutes, so "
        "robust accuracies are low; radii in Linf are those trained against. torchattacks gets the network as it was "
        "trained and all examples in one batch, ours is `robustkit.evaluate` of the network in the memory format of "
        "`compute.channels_last`. What either returns is judged by the network in float32 and must lie inside the "
        "radius. torchattacks has no CW attack in Linf to set beside ours.",
        _strength(networks),
        *_verdict(networks),
        "Attacks for a small L2 norm: the median norm of what was found where the network was right, and the share of "
        "all examples that stay right within torchattacks' median; ours before theirs.",
        _nearest(networks),
        "### AutoAttack",
        "torchattacks' AutoAttack hands its gradient attacks no number of steps, so they take their own default: 10 "
        "each, where AutoAttack is defined with 100 (Croce and Hein, ICML 2020); only Square has its 5,000 queries. "
        "What users of either get by default is therefore compared at 100 steps of ours against 10 of theirs. CPU time "
        "of the process stands beside wall time, which says little on a machine that does other work; ratios are "
        "theirs by ours, round by round.",
        _usual(networks),
        "With equal budgets, on the first examples of the networks trained adversarially: ours with `steps: 10`, and "
        "theirs put together from its own four attacks with 100 steps each. `give_up: true` is ours alone; it ends "
        "runs that are foreseen to fail, so it is not what others call AutoAttack.",
        *_others(networks),
        "What was measured of a network is kept in its folder and measured anew once it is taken out there, so the "
        "minutes below are those of the last command only.",
    ]


def _percent(count: int, examples: int) -> str:
    return f"{100 * count / examples:.1f}"


def _pair(found: Mapping[str, Any], examples: int) -> str:
    return f"{_percent(found['ours'], examples)} / {_percent(found['theirs'], examples)}"


def _strength(networks: list[dict[str, Any]]) -> str:
    rows = [["clean", "", *(_percent(found["right"], found["examples"]) for found in networks)]]
    for duel in DUELS:
        cells = [_pair(found[duel.name], found["examples"]) for found in networks if duel.name in found]
        if cells:
            rows.append([f"`{duel.name}`", duel.budget, *cells])
    return table(["attack", "budget", *(_titled(found) for found in networks)], rows)


def _titled(found: Mapping[str, Any]) -> str:
    return f"{found['name']}, eps {found['eps']:.3g}"


def worse(networks: list[dict[str, Any]]) -> list[str]:
    """Where ours leaves more right than theirs does, by more than is allowed."""
    told = []
    for found in networks:
        for duel in (duel for duel in DUELS if duel.name in found):
            points = 100 * (found[duel.name]["ours"] - found[duel.name]["theirs"]) / found["examples"]
            if points > STRONGER:
                told.append(f"`{duel.name}` on {found['name']}, {points:+.1f} points")
        points = _points(found["autoattack"], *found["autoattack"])
        if points > SAME:
            told.append(f"`autoattack` on {found['name']}, {points:+.1f} points")
    return told


def _verdict(networks: list[dict[str, Any]]) -> list[str]:
    told = worse(networks)
    if told:
        return [f"Ours leaves more right, by more than {STRONGER} points ({SAME} for AutoAttack): {'; '.join(told)}."]
    return [f"Nowhere does ours leave more right than theirs by over {STRONGER} points, AutoAttack by over {SAME}."]


def _points(contestants: Mapping[str, Any], ours: str, theirs: str) -> float:
    examples = sum(contestants[ours]["examples"])
    return 100 * (sum(contestants[ours]["left"]) - sum(contestants[theirs]["left"])) / examples


def _nearest(networks: list[dict[str, Any]]) -> str:
    rows = []
    for duel in NEAREST:
        cells: list[str] = []
        for found in (found for found in networks if duel.name in found):
            ours, theirs = found[duel.name]["ours"], found[duel.name]["theirs"]
            left = _pair({"ours": ours["left"], "theirs": theirs["left"]}, found["examples"])
            cells.append(f"{ours['median']:.3f} / {theirs['median']:.3f}; {left} %")
        if cells:
            rows.append([f"`{duel.name}`", duel.budget, *cells])
    return table(["attack", "budget", *(found["name"] for found in networks)], rows)


def _usual(networks: list[dict[str, Any]]) -> str:
    rows = []
    for found in networks:
        contestants = found["autoattack"]
        ours, theirs = contestants
        examples = sum(contestants[ours]["examples"])
        left = {who: sum(contestants[name]["left"]) for who, name in (("ours", ours), ("theirs", theirs))}
        rows.append(
            [
                found["name"],
                _pair(left, examples),
                f"{_points(contestants, ours, theirs):+.1f}",
                *(
                    f"{sum(contestants[ours][kind]):.0f} / {sum(contestants[theirs][kind]):.0f}"
                    for kind in ("wall", "cpu")
                ),
                ratios(contestants[theirs]["cpu"], contestants[ours]["cpu"]).times(),
            ]
        )
    head = ["network", "robust %: ours, 100 steps / theirs, 10", "points", "wall s", "CPU s", "CPU theirs / ours"]
    return table(head, rows)


def _others(networks: list[dict[str, Any]]) -> list[str]:
    parts = []
    for found in networks:
        contestants = found.get("autoattack, other steps")
        if contestants is None:
            continue
        rows = []
        for name, taken in contestants.items():
            robust = _percent(sum(taken["left"]), sum(taken["examples"]))
            seconds = [Spread.of(taken[kind]).median for kind in ("wall", "cpu")]
            against = [
                f"{Spread.of(other['cpu']).median / seconds[1]:.2f}"
                for rival, other in contestants.items()
                if rival.startswith("torchattacks")
            ]
            rows.append([name, robust, *(f"{each:.1f}" for each in seconds), *against])
        rivals = [f"{name}: CPU s by this" for name in contestants if name.startswith("torchattacks")]
        examples = sum(next(iter(contestants.values()))["examples"])
        parts += [
            f"{found['name']}, {examples} examples:",
            table(["contestant", "robust %", "wall s", "CPU s", *rivals], rows),
        ]
    return parts
