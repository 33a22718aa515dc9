"""The pieces of work whose levers are measured: an attack, a training step and a moving average, in every form."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks.authors_step import AuthorsStep, MovingAverage, Settings
from benchmarks.bare_step import BareLearner, Levers
from benchmarks.cases import CASES, Case, shrunk
from benchmarks.rounds import Contestant, timed
from benchmarks.workers import Channel
from robustkit import Attack, perturb
from robustkit.attacking.lean import AttackArithmetic, attack_arithmetic

STEPS = 4
"""Of the attack that is timed; its cost is proportional to them."""
PARAMETER_GRADIENTS = "gradients of parameters, too"


@dataclass(frozen=True)
class Form:
    """How the attacked network computes."""

    arithmetic: AttackArithmetic = AttackArithmetic()
    channels_last: bool = False


FORMS = {
    "frozen parameters": Form(),
    "+ channels-last": Form(channels_last=True),
    "+ folded": Form(AttackArithmetic("full", True)),
    "+ folded, channels-last": Form(AttackArithmetic("full", True), True),
    "+ folded, channels-last, compiled": Form(AttackArithmetic("full", True, True), True),
    "bfloat16": Form(AttackArithmetic("bfloat16")),
    "bfloat16, channels-last": Form(AttackArithmetic("bfloat16"), True),
    "bfloat16, folded": Form(AttackArithmetic("bfloat16", True)),
    "bfloat16, folded, channels-last": Form(AttackArithmetic("bfloat16", True), True),
    "bfloat16, folded, channels-last, compiled": Form(AttackArithmetic("bfloat16", True, True), True),
}
"""The attack's levers, all on top of frozen parameters."""
TRAINING = {
    "float32": Levers(),
    "float32, channels-last": Levers(channels_last=True),
    "bfloat16": Levers(training_bfloat16=True),
    "bfloat16, channels-last": Levers(training_bfloat16=True, channels_last=True),
}
"""The training step's."""
BEST = "bfloat16, channels-last"
COMPILED = f"{BEST}, compiled"
BY_TENSOR, AT_ONCE = "tensor by tensor", "all tensors at once"
"""A moving average, as the authors' code does it and as the engine does."""


def in_form(network: nn.Module, form: Form) -> nn.Module:
    """A copy of the network in that memory format."""
    mine = copy.deepcopy(network)
    return mine.to(memory_format=torch.channels_last) if form.channels_last else mine


def attacks(case: Case, images: Tensor, labels: Tensor, chosen: Sequence[str]) -> dict[str, Contestant]:
    """One attack on the batch in each of the chosen forms."""
    network, where = case.network().to(images.device).eval(), images.device
    works: dict[str, Contestant] = {}
    if PARAMETER_GRADIENTS in chosen:
        settings = Settings(case.eps, case.step_size, STEPS, random_start=False)
        step = AuthorsStep(copy.deepcopy(network), settings)
        works[PARAMETER_GRADIENTS] = timed(partial(step.attack, images, labels), where)
    attack = case.pgd(steps=STEPS, random_start=False)
    for name in (name for name in chosen if name in FORMS):
        form = FORMS[name]
        works[name] = timed(partial(attacked, attack, in_form(network, form), form, images, labels), where)
    return works


def attacked(attack: Attack, model: nn.Module, form: Form, images: Tensor, labels: Tensor) -> Tensor:
    """The attacked images, with the network computing in this form meanwhile."""
    with attack_arithmetic(form.arithmetic):
        return perturb(attack, model, images, labels, seed=1)


def training_steps(case: Case, images: Tensor, labels: Tensor, chosen: Sequence[str]) -> dict[str, Contestant]:
    """One step of gradient descent on the batch in each of the chosen forms."""
    works = {}
    for name in chosen:
        learner = BareLearner(case.network().to(images.device).train(), 5e-4, TRAINING.get(name, TRAINING[BEST]))
        if name == COMPILED:
            learner.network = torch.compile(learner.network)
        works[name] = timed(partial(learner.descend, images, labels), images.device)
    return works


def averages(case: Case, device: torch.device) -> dict[str, Contestant]:
    """One update of a moving average."""
    network = case.network().to(device)
    learner, by_tensor = BareLearner(network, 0.0, Levers()), MovingAverage(network, 0.999)
    return {
        BY_TENSOR: timed(by_tensor.update, device),
        AT_ONCE: timed(partial(learner.follow, 0.001), device),
    }


def serve(channel: Channel, case: str, device: str, quick: bool, forms: list[str], training: list[str]) -> None:
    """A worker that does any of these pieces of work."""
    measured = shrunk(CASES[case]) if quick else CASES[case]
    where = torch.device(device)
    images, labels = (tensor.to(where) for tensor in measured.examples())
    works = {
        **{f"attack: {name}": work for name, work in attacks(measured, images, labels, forms).items()},
        **{f"training: {name}": work for name, work in training_steps(measured, images, labels, training).items()},
        **({f"average: {name}": work for name, work in averages(measured, where).items()} if training else {}),
    }
    channel.serve(works, first={name: work() for name, work in works.items()})
