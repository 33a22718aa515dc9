"""What happens at inference: modes, randomness, state, other images of the batch, optimization."""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from robustkit.evaluation.checks.check import Finding, found_in, graded, rule
from robustkit.evaluation.checks.examination import WITNESSES, Examination, state_of

_PASSES = 5
_ALIKE = 1e-3
"""Logits of one image may differ by this share of their spread: another batch size rounds otherwise."""


@rule(
    threshold="no module in train mode",
    advice="Let model.eval() reach every module: attacks see eval mode, so predictions must be made in it.",
    source="torchattacks#21, foolbox#74, fast_adversarial#14",
)
def modules_in_eval_mode(examined: Examination) -> Finding:
    """Modules that are still in train mode after `model.eval()`.

    Source: issue threads of many attack libraries, see above. Cost: none.
    """
    left = [name or type(module).__name__ for name, module in examined.model.named_modules() if module.training]
    named = f": {', '.join(left[:3])}{', ...' if len(left) > 3 else ''}" if left else ""
    return graded(len(left), f"{len(left)} modules in train mode after model.eval(){named}", warn=0, fail=0)


@rule(
    threshold="logits as alone, whoever else is in the batch",
    advice="Use BatchNorm's running statistics at inference; an example's class must not depend on its neighbours.",
    source="foolbox#243; train-mode BatchNorm: torchattacks#21, fast_adversarial#14",
)
def batch_independent(examined: Examination) -> Finding:
    """The same images alone and in batches must get the same logits: stale BatchNorm modes show here.

    Source: foolbox#243. Cost: a forward, and one for each of 32 images alone.
    """
    images = examined.images[:WITNESSES]
    together, alone = examined.clean[: len(images)], examined.logits(images, batch_size=1)
    others = examined.logits(images.flip(0)).flip(0)
    spread = (together.amax(1) - together.amin(1)).clamp_min(1e-6)
    moved = torch.maximum((together - alone).abs().amax(1), (together - others).abs().amax(1))
    count = int((~(moved <= _ALIKE * spread)).sum())
    return found_in(count, len(images), "logits depend on the batch", warn=0.0, fail=0.0)


@rule(
    threshold="logits of 5 passes differ by at most 1e-4",
    advice="Attack the expectation: use the attack `eot`, or `autoattack` with `version: rand`.",
    source="AutoAttack, checks.py: check_randomized",
)
def deterministic(examined: Examination) -> Finding:
    """Noise at inference makes single gradients point anywhere and single predictions luck.

    Source: AutoAttack, `check_randomized`; Athalye et al., ICML 2018, section 4.2. Cost: 5 forwards.
    """
    images = examined.images[: 2 * WITNESSES]
    passes = torch.stack([examined.logits(images) for _ in range(_PASSES)])
    furthest = float((passes.amax(0) - passes.amin(0)).max())
    return graded(furthest, f"logits of {_PASSES} passes differ by up to {furthest:.2g}", warn=1e-4, fail=1e-4)


@rule(
    threshold="no parameter or buffer changes",
    advice="Do not update weights or statistics at inference: what is attacked is then not what is measured.",
    source="batch statistics moved by attacks: section 1 of the study of foolbox, auto-attack, adv-lib, secml-torch",
)
def state_unchanged(examined: Examination) -> Finding:
    """Parameters and buffers, digested before the first pass and after all those that predictions and attacks took.

    Source: measured in other libraries, whose attacks move BatchNorm statistics. Cost: reading the weights twice.
    """
    examined.logits(examined.images[:WITNESSES])
    before, after = examined.state_before, state_of(examined.model)
    changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    named = f": {', '.join(changed[:3])}{', ...' if len(changed) > 3 else ''}" if changed else ""
    return graded(len(changed), f"{len(changed)} parameters or buffers changed{named}", warn=0, fail=0)


class _Gradients(TorchFunctionMode):
    """Notes the functions that compute gradients, or that run where gradients were turned on again."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", str(func))
        if torch.is_grad_enabled() or (func in (torch.autograd.grad, torch.Tensor.backward)):
            self.calls.append(name)
        return func(*args, **(kwargs or {}))


@rule(
    threshold="a forward that computes no gradients",
    advice="Attack through the optimization (unroll it) or adapt the attack, see Croce et al. 2022.",
    source="AutoAttack, checks.py: check_dynamic",
)
def no_optimization_inside(examined: Examination) -> Finding:
    """A forward under `torch.no_grad` that turns gradients on again optimizes something before it answers.

    AutoAttack traces the interpreter for that; here torch's own functions are watched, and no debugger is harmed.
    Source: AutoAttack, `check_dynamic`; Croce et al., Evaluating the Adversarial Robustness of Adaptive Test-time
    Defenses, ICML 2022. Cost: one forward of 2 images.
    """
    with torch.no_grad(), _Gradients() as watched:
        examined.model(examined.images[:2])
    calls = list(dict.fromkeys(watched.calls))
    named = f": {', '.join(calls[:4])}{', ...' if len(calls) > 4 else ''}" if calls else ""
    text = f"{len(watched.calls)} operations with gradients inside the forward{named}"
    return graded(len(watched.calls), text, warn=0, fail=0)
