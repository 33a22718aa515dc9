"""PGD in Linf as other libraries offer it: same network, budget, step, number of steps and start (the image itself).

What to install: `pip install -e '.[benchmarks]'` and, because of its pin, `pip install --no-deps torchattacks==3.5.1`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.util import find_spec

import torch
from torch import Tensor, nn

from benchmarks.cases import Case

Perturb = Callable[[Tensor, Tensor], Tensor]
"""From images (N, C, H, W) and labels (N,) to attacked images."""
MODULES = {"torchattacks": "torchattacks", "foolbox": "foolbox", "ART": "art"}


def missing() -> list[str]:
    """The libraries that are not installed."""
    return [name for name, module in MODULES.items() if find_spec(module) is None]


def peers(network: nn.Module, case: Case, steps: int) -> dict[str, Perturb]:
    """Every installed peer's attack on a network in eval mode, by name."""
    makers = {
        "torchattacks": {"torchattacks": _torchattacks},
        "foolbox": {"foolbox, .run": _foolbox_run, "foolbox": _foolbox_call},
        "ART": {"ART": _art},
    }
    absent = missing()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # their imports use what other libraries have deprecated
        return {
            name: make(network, case, steps)
            for library, made in makers.items()
            if library not in absent
            for name, make in made.items()
        }


def _torchattacks(network: nn.Module, case: Case, steps: int) -> Perturb:
    import torchattacks

    attack: Perturb = torchattacks.PGD(network, case.eps, case.step_size, steps, random_start=False)
    return attack


def _foolbox_run(network: nn.Module, case: Case, steps: int) -> Perturb:
    """The attack's inner method, which does not look whether it succeeded."""
    import foolbox

    model = foolbox.PyTorchModel(network, bounds=(0, 1), device=next(network.parameters()).device)
    attack = foolbox.attacks.LinfPGD(abs_stepsize=case.step_size, steps=steps, random_start=False)

    def run(images: Tensor, labels: Tensor) -> Tensor:
        attacked: Tensor = attack.run(model, images, foolbox.criteria.Misclassification(labels), epsilon=case.eps)
        return attacked

    return run


def _foolbox_call(network: nn.Module, case: Case, steps: int) -> Perturb:
    """As its documentation shows."""
    import foolbox

    model = foolbox.PyTorchModel(network, bounds=(0, 1), device=next(network.parameters()).device)
    attack = foolbox.attacks.LinfPGD(abs_stepsize=case.step_size, steps=steps, random_start=False)

    def call(images: Tensor, labels: Tensor) -> Tensor:
        attacked: Tensor = attack(model, images, foolbox.criteria.Misclassification(labels), epsilons=case.eps)[1]
        return attacked

    return call


def _art(network: nn.Module, case: Case, steps: int) -> Perturb:
    from art.attacks.evasion import ProjectedGradientDescentPyTorch
    from art.estimators.classification import PyTorchClassifier

    device = next(network.parameters()).device
    classifier = PyTorchClassifier(
        network,
        loss=nn.CrossEntropyLoss(),
        input_shape=case.shape,
        nb_classes=case.classes,
        clip_values=(0.0, 1.0),
        device_type="cpu" if device.type == "cpu" else "gpu",
    )
    attack = ProjectedGradientDescentPyTorch(
        classifier, eps=case.eps, eps_step=case.step_size, max_iter=steps, batch_size=case.batch, verbose=False
    )

    def generate(images: Tensor, labels: Tensor) -> Tensor:
        attacked = attack.generate(images.cpu().numpy(), labels.cpu().numpy())
        return torch.from_numpy(attacked).to(device)

    return generate
