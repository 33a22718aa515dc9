"""What the levers do to gradients and to robust accuracy."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.cases import CASES, shrunk
from benchmarks.lever_work import FORMS, Form, attacked, in_form
from benchmarks.options import Options
from benchmarks.trained import Trained, right, trained
from robustkit.attacking.isolation import frozen
from robustkit.attacking.lean import attack_arithmetic, lean


def effects(options: Options) -> list[dict[str, Any]]:
    """On a network with random weights, and on a trained one."""
    case = shrunk(CASES["resnet18"]) if options.quick else CASES["resnet18"]
    images, labels = (tensor.to(options.where) for tensor in case.examples(32))
    random = case.network().to(options.where).eval()
    what = f"{case.architecture} with random weights, {len(images)} random images"
    net = trained(options)
    return [
        {"what": what, "examples": len(images), "forms": _of_gradients(random, images, labels, _forms(compiled=False))},
        {"what": net.what, "examples": len(net.images), "forms": _of_attacks(net, options)},
    ]


def _forms(*, compiled: bool) -> dict[str, Form]:
    return {name: form for name, form in FORMS.items() if compiled or not form.arithmetic.compile}


def _of_gradients(
    model: nn.Module, images: Tensor, labels: Tensor, forms: dict[str, Form]
) -> dict[str, dict[str, Any]]:
    exact = gradient(model, Form(), images, labels)
    found = {}
    for name, form in forms.items():
        other = gradient(model, form, images, labels)
        cosine = functional.cosine_similarity(other.flatten(1), exact.flatten(1)).mean()
        signs = (other.sign() == exact.sign()).double().mean()
        found[name] = {"signs": float(signs), "cosine": float(cosine), "robust": None}
    return found


def _of_attacks(net: Trained, options: Options) -> dict[str, dict[str, Any]]:
    forms = _forms(compiled=not options.quick)
    found = _of_gradients(net.model, net.images, net.labels, forms)
    steps = 3 if options.quick else 20
    attack = net.case.pgd(steps=steps, step_size=2.5 * net.case.eps / steps, keep="best")
    clean = right(net.model, net.images, net.labels)
    for name, form in forms.items():
        moved = attacked(attack, in_form(net.model, form), form, net.images, net.labels)
        found[name]["robust"] = int((clean & right(net.model, moved, net.labels)).sum())
    return found


def gradient(model: nn.Module, form: Form, images: Tensor, labels: Tensor) -> Tensor:
    """The summed loss's gradient in the images, with the network computing in this form."""
    mine, images = in_form(model, form), images.clone().requires_grad_()
    with attack_arithmetic(form.arithmetic), frozen(mine), lean(mine, images) as network:
        loss = functional.cross_entropy(network(images), labels, reduction="sum")
        (found,) = torch.autograd.grad(loss, images)
    return found
