"""How strong our attacks are, and how fast AutoAttack is, against torchattacks' on the same networks and examples."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks import strength_page
from benchmarks.duels import DUELS, NEAREST, Duel, in_full, torchattack
from benchmarks.options import Options
from benchmarks.peers import missing
from benchmarks.results import rounded
from benchmarks.rounds import said
from benchmarks.subjects import Subject, subjects
from benchmarks.trained import right
from robustkit import Compute, TensorExamples, evaluate, make, perturb
from robustkit.engine.allocator import buffers_kept

TITLE = "Strength and speed against torchattacks"
OURS, THEIRS = "robustkit, 100 steps", "torchattacks, as shipped (10 steps)"
OURS_SHORT, THEIRS_FULL = "robustkit, steps: 10", "torchattacks, made of its members with 100 steps"
OURS_HASTY = "robustkit, give_up: true"
BATCH = 250
"""Examples of a round: all of them are one batch for both."""
PART = 150
"""Examples that what has no place among the defaults is timed on."""


def measure(options: Options) -> dict[str, Any]:
    """What each attack leaves right of each network, and AutoAttack's seconds."""
    if "torchattacks" in missing():
        raise SystemExit("torchattacks is not installed. benchmarks/peers.py says how.")
    with buffers_kept(wanted=True):
        return {"networks": [figures(subject, quick=options.quick) for subject in subjects(options)]}


def figures(subject: Subject, *, quick: bool) -> dict[str, Any]:
    """All of a network's; what was measured before is not measured again, until the network's folder goes."""
    file = subject.folder / "strength.json" if subject.folder else None
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file and file.is_file() else {}
    for name, work in _parts(subject, quick=quick).items():
        if name not in found:
            said(f"{subject.name}: {name}")
            found[name] = rounded(work())
            if file:
                file.write_text(json.dumps(found, indent=1), encoding="utf-8")
    about = {"name": subject.name, "eps": rounded(subject.eps), "right": int(subject.right.sum())}
    return {**about, "examples": len(subject.images), **found}


def _parts(subject: Subject, *, quick: bool) -> dict[str, Callable[[], dict[str, Any]]]:
    """What is to be measured, each on its own."""
    duels = [duel for duel in DUELS if not quick or duel.name in ("fgsm", "apgd-ce")]
    parts: dict[str, Callable[[], dict[str, Any]]] = {duel.name: partial(_left, subject, duel) for duel in duels}
    parts |= {duel.name: partial(_norms, subject, duel) for duel in NEAREST[: 1 if quick else None]}
    parts["autoattack"] = partial(_usual, subject, quick=quick)
    if subject.adversarial:
        parts["autoattack, other steps"] = partial(_others, subject, quick=quick)
    return parts


def _left(subject: Subject, duel: Duel) -> dict[str, Any]:
    """How many examples stay right under either."""
    everything = torch.arange(len(subject.images))
    ours = _ours(subject, everything, **{duel.name: duel.attack(subject.eps)})
    theirs = _theirs(subject, everything, duel.perturb(subject.model, subject.eps))
    return {"budget": duel.budget, "ours": int(ours.sum()), "theirs": int(theirs.sum())}


def _ours(subject: Subject, chosen: Tensor, **attack: Any) -> Tensor:
    (name,) = attack
    names = [str(number) for number in range(int(subject.labels.max()) + 1)]
    examples = TensorExamples(subject.images[chosen], subject.labels[chosen], names)
    return evaluate(subject.placed, examples, attack, compute=Compute()).attacked[name]


def _theirs(subject: Subject, chosen: Tensor, attack: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Their images, too, are judged by the network as it is, and must be inside the radius."""
    images, labels = subject.images[chosen], subject.labels[chosen]
    found = attack(images, labels)
    inside = (found - images).abs().flatten(1).amax(1) <= subject.eps + 1e-6
    return right(subject.model, images, labels) & (right(subject.model, found, labels) | ~inside)


def _norms(subject: Subject, duel: Duel) -> dict[str, Any]:
    """The median L2 norm of what either finds for examples that are right, infinite where nothing is found."""
    images, labels = subject.images[subject.right], subject.labels[subject.right]
    found = {
        "ours": perturb(duel.attack(subject.eps), subject.placed, images, labels, seed=0),
        "theirs": duel.perturb(subject.model, subject.eps)(images, labels),
    }
    lengths = {}
    for who, other in found.items():
        broken = ~right(subject.model, other, labels)
        lengths[who] = (other - images).flatten(1).norm(dim=1).masked_fill(~broken, torch.inf)
    radius = _finite_median(lengths["theirs"])
    left = {
        who: {
            "median": _finite_median(length),
            "left": int((length > radius).sum()),
            "broken": int(length.isfinite().sum()),
        }
        for who, length in lengths.items()
    }
    return {"budget": duel.budget, "radius": radius, **left}


def _finite_median(lengths: Tensor) -> float:
    """Of those that are finite."""
    finite = lengths[lengths.isfinite()]
    return float(finite.median()) if len(finite) else 0.0


@dataclass
class Taken:
    """What a contestant's rounds found and took."""

    left: list[int] = field(default_factory=list)
    examples: list[int] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def turn(self, work: Callable[[Tensor], Tensor], chosen: Tensor) -> None:
        """One round."""
        wall, cpu = time.perf_counter(), time.process_time()
        left = work(chosen)
        self.wall.append(time.perf_counter() - wall)
        self.cpu.append(time.process_time() - cpu)
        self.left.append(int(left.sum()))
        self.examples.append(len(chosen))


def _usual(subject: Subject, *, quick: bool) -> dict[str, Any]:
    """AutoAttack as users get it, on one half of the examples after the other; who begins changes."""
    contestants = {
        OURS: _our_autoattack(subject, quick=quick),
        THEIRS: partial(_theirs, subject, attack=torchattack("AutoAttack", subject.model, eps=subject.eps)),
    }
    parts = torch.arange(len(subject.images)).split(10 if quick else BATCH)
    return _rounds(subject, contestants, list(parts)[: 1 if quick else None])


def _others(subject: Subject, *, quick: bool) -> dict[str, Any]:
    """The same and what else can be asked for, on the first examples."""
    ours, theirs = partial(_our_autoattack, subject, quick=quick), partial(_theirs, subject)
    steps = 5 if quick else 10
    contestants = {
        OURS_SHORT: ours(steps=steps),
        OURS_HASTY: ours(give_up=True),
        THEIRS: partial(theirs, attack=torchattack("AutoAttack", subject.model, eps=subject.eps)),
        OURS: ours(),
        THEIRS_FULL: partial(theirs, attack=in_full(subject.model, subject.eps, 2 * steps if quick else 100)),
    }
    return _rounds(subject, contestants, [torch.arange(5 if quick else PART)])


def _our_autoattack(subject: Subject, *, quick: bool, **fields: Any) -> Callable[[Tensor], Tensor]:
    attack = make("attack", "autoattack", eps=subject.eps, **({"steps": 10, "queries": 500} if quick else {}) | fields)
    return partial(_ours, subject, autoattack=attack)


def _rounds(
    subject: Subject, contestants: dict[str, Callable[[Tensor], Tensor]], parts: list[Tensor]
) -> dict[str, Any]:
    taken = {name: Taken() for name in contestants}
    for number, chosen in enumerate(parts):
        names = list(contestants)[:: -1 if number % 2 else 1]
        for name in names:
            taken[name].turn(contestants[name], chosen)
            said(f"{subject.name}: {name}, {taken[name].left[-1]} of {len(chosen)} left, {taken[name].cpu[-1]:.1f} s")
    return {name: vars(each) for name, each in taken.items()}


def section(result: dict[str, Any]) -> list[str]:
    """Tables of strength and of speed."""
    return strength_page.section(result)
