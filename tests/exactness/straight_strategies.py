"""Learner strategies in straight lines, from the papers' algorithms: plain loops that share no code with robustkit.

Each is a function of the weights and a batch that gives the slopes to descend along, and moves BatchNorm's statistics.
"""

from __future__ import annotations

from dataclasses import dataclass

import straight_line as reference
import torch
from straight_line import cross_entropy, forward


def trained(state):
    return [key for key in state if key.endswith((".weight", ".bias"))]


def descent(state, loss_of):
    """The slopes of a loss in all trained weights; `loss_of` may move the statistics in what it is given."""
    leaves = {key: state[key].detach().requires_grad_() for key in trained(state)}
    work = {**state, **leaves}
    slopes = torch.autograd.grad(loss_of(work), list(leaves.values()))
    state.update({key: tensor.detach() for key, tensor in work.items() if key not in leaves})
    return dict(zip(leaves, slopes, strict=True))


def mean_loss(state, images, labels):
    return cross_entropy(forward(state, images, "train"), labels).mean()


def plain(state):
    return {key: tensor.detach() for key, tensor in state.items()}


@dataclass
class Learner:
    """SGD with momentum along a strategy's slopes; `frozen` weights stay."""

    strategy: object
    points: dict
    momentum: float = 0.9
    weight_decay: float = 5e-4
    frozen: tuple = ()

    def history(self, initial, epochs):
        """The weights after each epoch."""
        state, velocity, found = dict(initial), {}, []
        for epoch, batches in enumerate(epochs, start=1):
            for images, labels in batches:
                slopes = self.strategy(state, images, labels, epoch)
                for key in [key for key in slopes if key not in self.frozen]:
                    slope = slopes[key] + self.weight_decay * state[key]
                    velocity[key] = self.momentum * velocity[key] + slope if key in velocity else slope
                    state[key] = state[key].detach() - reference.at(self.points, epoch) * velocity[key]
            found.append(plain(state))
        return found


@dataclass
class Attacked:
    """On the images that an attack finds."""

    attack: reference.PGD

    def __call__(self, state, images, labels, epoch):
        attacked = self.attack(plain(state), images, labels)
        return descent(state, lambda work: mean_loss(work, attacked, labels))


@dataclass
class Fast:
    """One step from a random start."""

    eps: float
    starts: list

    def __call__(self, state, images, labels, epoch):
        point = (images + (self.starts.pop(0) * 2 - 1) * self.eps).clamp(0, 1).requires_grad_()
        (slope,) = torch.autograd.grad(cross_entropy(forward(plain(state), point, "eval"), labels).sum(), point)
        moved = (point.detach() + 1.25 * self.eps * slope.sign() - images).clamp(-self.eps, self.eps)
        attacked = (images + moved).clamp(0, 1)
        return descent(state, lambda work: mean_loss(work, attacked, labels))


@dataclass
class Free:
    """The perturbation moves along the images' own slopes, found in the training pass."""

    eps: float
    moved: object = 0.0

    def __call__(self, state, images, labels, epoch):
        point = (images + self.moved).clamp(0, 1).requires_grad_()
        aside = dict(state)
        (slope,) = torch.autograd.grad(mean_loss(aside, point, labels), point)
        slopes = descent(state, lambda work: mean_loss(work, point.detach(), labels))
        self.moved = (self.moved + self.eps * slope.sign()).clamp(-self.eps, self.eps)
        return slopes


@dataclass
class Friendly:
    """Image by image, until `tau` steps after the network is wrong."""

    eps: float
    step: float
    steps: int
    tau: dict

    def __call__(self, state, images, labels, epoch):
        left = int(reference.at(self.tau, epoch))
        pairs = zip(images.split(1), labels.split(1), strict=True)
        attacked = torch.cat([self._moved(plain(state), image, label, left) for image, label in pairs])
        return descent(state, lambda work: mean_loss(work, attacked, labels))

    def _moved(self, state, image, label, left):
        point = image
        for _ in range(self.steps):
            point = point.detach().requires_grad_()
            logits = forward(state, point, "eval")
            if logits.argmax() != label:
                if left == 0:
                    break
                left -= 1
            (slope,) = torch.autograd.grad(cross_entropy(logits, label).sum(), point)
            moved = (point.detach() + self.step * slope.sign() - image).clamp(-self.eps, self.eps)
            point = (image + moved).clamp(0, 1)
        return point.detach()


@dataclass
class Perturbed:
    """The slopes at weights moved towards a higher loss (AWP), on the images that an attack finds."""

    attack: reference.PGD
    gamma: float

    def __call__(self, state, images, labels, epoch):
        attacked = self.attack(plain(state), images, labels)
        climb = descent(dict(state), lambda work: mean_loss(work, attacked, labels))
        moved = dict(state)
        for key, slope in climb.items():
            if slope.ndim > 1:
                size = (state[key] ** 2).sum().sqrt() / (slope**2).sum().sqrt()
                moved[key] = state[key] + self.gamma * size * slope
        slopes = descent(moved, lambda work: mean_loss(work, attacked, labels))
        state.update({key: tensor for key, tensor in moved.items() if key not in slopes})
        return slopes


@dataclass
class Several:
    """The worst of several attacks for each image, all of them, or one batch about."""

    attacks: list
    combine: str
    turn: int = 0

    def __call__(self, state, images, labels, epoch):
        if self.combine == "alternating":
            attacked = [self.attacks[self.turn % len(self.attacks)](plain(state), images, labels)]
            self.turn += 1
        else:
            attacked = [attack(plain(state), images, labels) for attack in self.attacks]
        if self.combine == "max":
            losses = torch.stack([cross_entropy(forward(plain(state), part, "eval"), labels) for part in attacked])
            attacked = [torch.stack([attacked[int(n)][i] for i, n in enumerate(losses.argmax(0))])]
        labels = torch.cat([labels] * len(attacked))
        return descent(state, lambda work: mean_loss(work, torch.cat(attacked), labels))


@dataclass
class Mixed:
    """Mixup of clean images and, with an attack, of attacked ones (IAT), with draws that were written down."""

    draws: dict
    attack: reference.PGD | None = None

    def __call__(self, state, images, labels, epoch):
        batches = [images] if self.attack is None else [images, self.attack(plain(state), images, labels)]

        def loss(work):
            found = []
            for part in batches:
                share, order = self.draws["share"].pop(0), self.draws["order"].pop(0)
                logits = forward(work, share * part + (1 - share) * part[order], "train")
                both = share * cross_entropy(logits, labels) + (1 - share) * cross_entropy(logits, labels[order])
                found.append(both.mean())
            return sum(found) / len(found)

        return descent(state, loss)
