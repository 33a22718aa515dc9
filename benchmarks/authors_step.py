"""One training step as Generalist's authors' released code does it, crashes repaired, restated in straight lines.

Written by us from a description of that code (github.com/PKU-ML/Generalist, for Wang and Wang, CVPR 2023), not copied
from it; it shares no code with robustkit. It keeps what that code spends:

- the attack calls `backward`, which computes the gradients of all parameters beside the images';
- everything is in float32 and in torch's default memory format;
- moving averages go through `state_dict`, tensor by tensor, with a `state_dict` for each tensor of the mixed one;
- two forwards more a step, with their graphs, only to show accuracies in the progress bar.

What it computes is the method, to which the engine is held in tests/benchmarks.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.cases import CASES, shrunk
from benchmarks.rounds import timed
from benchmarks.workers import Channel

WEIGHT_DECAY = {"robust": 3.5e-3, "natural": 5e-4}
"""The released code's for ResNet-18."""


@dataclass(frozen=True)
class Settings:
    """What the step needs to be told; rates are fixed within an epoch."""

    eps: float
    step_size: float
    steps: int
    random_start: bool = True
    lr: float = 0.01
    momentum: float = 0.9
    robust_decay: float = WEIGHT_DECAY["robust"]
    natural_decay: float = WEIGHT_DECAY["natural"]
    average_decay: float = 0.999
    robust_share: float = 0.7
    """beta: the robust learner's share of the mix."""


class MovingAverage:
    """An exponential moving average of all that a `state_dict` holds."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model, self.decay, self.step = model, decay, 0
        self.shadow = copy.deepcopy(model.state_dict())

    @property
    def kept(self) -> float:
        """What is kept at the present step: little at first."""
        return min(self.decay, (self.step + 1) / (self.step + 10))

    def update(self) -> None:
        """Follow the model."""
        state = self.model.state_dict()
        for name in self.shadow:
            self.shadow[name].copy_(self.kept * self.shadow[name] + (1 - self.kept) * state[name])
        self.step += 1


class MixedAverage:
    """The global learner: a moving average of a mix of two moving averages, kept in a network of its own."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model, self.decay, self.step = copy.deepcopy(model), decay, 0

    def update(self, robust: MovingAverage, natural: MovingAverage, robust_share: float) -> None:
        """Follow the mix."""
        kept = min(self.decay, (self.step + 1) / (self.step + 10))
        for name in self.model.state_dict():
            mixed = robust_share * robust.shadow[name] + (1 - robust_share) * natural.shadow[name]
            own = self.model.state_dict()[name]
            own.copy_(kept * own + (1 - kept) * mixed)
        self.step += 1


class AuthorsStep:
    """Two learners, their averages, and the step that trains all of them on one batch."""

    def __init__(self, network: nn.Module, settings: Settings) -> None:
        self.settings, decay = settings, settings.average_decay
        self.robust, self.natural = network, copy.deepcopy(network)
        self.robust_average = MovingAverage(self.robust, decay)
        self.natural_average = MovingAverage(self.natural, decay)
        self.merged = MixedAverage(network, decay)
        self.robust_optimizer = self._sgd(self.robust, settings.robust_decay)
        self.natural_optimizer = self._sgd(self.natural, settings.natural_decay)
        self.robust_share = settings.robust_share
        self.shown: dict[str, float] = {}

    def _sgd(self, model: nn.Module, weight_decay: float) -> torch.optim.SGD:
        settings = self.settings
        return torch.optim.SGD(model.parameters(), settings.lr, settings.momentum, weight_decay=weight_decay)

    def start_epoch(self, lr: float, robust_share: float) -> None:
        """Rates are fixed within an epoch."""
        self.robust_share = robust_share
        for optimizer in (self.robust_optimizer, self.natural_optimizer):
            for group in optimizer.param_groups:
                group["lr"] = lr

    def __call__(self, images: Tensor, labels: Tensor) -> None:
        """One step."""
        adversarial = self.attack(images, labels)
        self.descend(self.robust, self.robust_optimizer, adversarial, labels)
        self.robust_average.update()
        self.descend(self.natural, self.natural_optimizer, images, labels)
        self.natural_average.update()
        self.merged.update(self.robust_average, self.natural_average, self.robust_share)
        self.show_progress(images, labels)

    def attack(self, images: Tensor, labels: Tensor) -> Tensor:
        """PGD against the robust learner in eval mode."""
        settings = self.settings
        self.robust.eval()
        attacked = images.detach().clone()
        if settings.random_start:
            attacked = (attacked + torch.empty_like(images).uniform_(-settings.eps, settings.eps)).clamp(0, 1)
        for _ in range(settings.steps):
            attacked.requires_grad_()
            functional.cross_entropy(self.robust(attacked), labels).backward()  # parameters' gradients come along
            assert attacked.grad is not None
            moved = attacked.detach() + settings.step_size * attacked.grad.sign()
            attacked = (images + (moved - images).clamp(-settings.eps, settings.eps)).clamp(0, 1)
        self.robust.train()
        return attacked

    def descend(self, model: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, labels: Tensor) -> None:
        """One step of gradient descent in train mode."""
        model.train()
        optimizer.zero_grad()
        functional.cross_entropy(model(images), labels).backward()
        optimizer.step()

    def show_progress(self, images: Tensor, labels: Tensor) -> None:
        """Both learners' accuracy on the clean batch; what the released code calls adversarial accuracy is this too."""
        for name, model in (("robust", self.robust), ("natural", self.natural)):
            model.eval()
            self.shown[name] = (model(images).argmax(1) == labels).float().mean().item()
            model.train()

    def deal_out(self) -> None:
        """Both learners go on from the global learner."""
        for model in (self.robust, self.natural):
            model.load_state_dict(self.merged.model.state_dict())


def serve(channel: Channel, case: str, device: str, quick: bool, steps: int) -> None:
    """A worker that takes so many steps at a time and tells the mean; the warm-up's attack is a single gradient."""
    measured = shrunk(CASES[case]) if quick else CASES[case]
    where = torch.device(device)
    images, labels = (tensor.to(where) for tensor in measured.examples())
    warm = Settings(measured.eps, measured.step_size, steps=1)
    network = measured.network().to(where)
    AuthorsStep(network, warm)(images, labels)
    step = AuthorsStep(network, Settings(measured.eps, measured.step_size, measured.steps))

    once = timed(lambda: step(images, labels), where)
    channel.serve({"": lambda: sum(once() for _ in range(steps)) / steps})
