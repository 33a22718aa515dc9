"""Ways to merge in straight lines: the independent reference for the aggregators beside Generalist, WA and SWA.

Written from the definitions, on plain dictionaries of tensors; shares no code with robustkit. A way to merge gets the
learners' weights at the end of an epoch and gives the merged weights, and what it chose.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy
import torch
from straight_line import PGD, cross_entropy, forward, snapshot, statistics


def counted(key):
    return key.endswith("num_batches_tracked")


def train(merge, learners, initial, epochs, images, *, recompute, deal=None, reset=False):
    """Train; `deal` is (start epoch, every), `images` the training images in order, by batches."""
    merged, s, history, choices = dict(initial), 0, [], []
    for learner in learners.values():
        learner.start(initial)
    for epoch, batches in enumerate(epochs, start=1):
        for done, (x, y) in enumerate(batches, start=1):
            for name, learner in learners.items():
                learner.step(x[name], y, epoch, done - 1, len(batches), s)
            s += 1
            offered = {
                name: {key: tensor.detach() for key, tensor in learner.offered().items()}
                for name, learner in learners.items()
            }
            if merge.every_batch:
                merged = merge(epoch, s, merged, offered)
        if not merge.every_batch:
            found, chosen = merge(epoch, len(epochs), merged, offered)
            choices.append(chosen)
            merged = found
        if recompute:
            merged.update(statistics(merged, images))
        if deal and epoch >= deal[0] and epoch % deal[1] == 0:
            for learner in learners.values():
                learner.raw = dict(merged)
                learner.velocity = {} if reset else learner.velocity
        history.append(snapshot(merged, learners))
    return history, choices


@dataclass
class MovingAverage:
    decay: float
    warm_up: bool
    start_epoch: int
    batches: int
    every_batch = True

    def __call__(self, epoch, s, merged, offered):
        now = weighted(offered, dict.fromkeys(offered, 1 / len(offered)))
        t = s - (self.start_epoch - 1) * self.batches
        if t < 1:
            return now
        d = min(self.decay, t / (t + 9)) if self.warm_up else self.decay
        return {key: now[key] if counted(key) else d * merged[key] + (1 - d) * now[key] for key in merged}


def weighted(offered, shares):
    """The sum of shares; BatchNorm's counter is that of the largest share, the first of equals."""
    largest = max(shares, key=shares.get)
    return {
        key: offered[largest][key] if counted(key) else sum(shares[name] * offered[name][key] for name in shares)
        for key in offered[largest]
    }


class Median:
    every_batch = False

    def __call__(self, epoch, last, merged, offered):
        first = next(iter(offered.values()))
        found = {
            key: first[key]
            if counted(key)
            else torch.from_numpy(numpy.median([one[key].numpy() for one in offered.values()], axis=0))
            for key in first
        }
        return found, None


@dataclass
class Tasks:
    scales: dict
    initial: dict
    every_batch = False

    def __call__(self, epoch, last, merged, offered):
        first, found = next(iter(offered.values())), {}
        for key in first:
            if counted(key):
                found[key] = first[key]
            elif key.endswith(("running_mean", "running_var")):
                found[key] = sum(one[key] for one in offered.values()) / len(offered)
            else:
                start = self.initial[key]
                found[key] = start + sum(scale * (offered[name][key] - start) for name, scale in self.scales.items())
        return found, None


@dataclass
class Held:
    """Held-out images: how good weights are on them."""

    images: torch.Tensor
    labels: torch.Tensor
    training: list  # for BatchNorm's statistics, where they are recomputed
    attack: PGD | None
    weight: float
    recompute: bool

    def score(self, state):
        state = dict(state)
        if self.recompute:
            state.update(statistics(state, self.training))
        right = forward(state, self.images, "eval").argmax(1) == self.labels
        natural = right.double().mean().item()
        if self.attack is None:
            return natural
        attacked = self.attack(state, self.images, self.labels)
        robust = (right & (forward(state, attacked, "eval").argmax(1) == self.labels)).double().mean().item()
        return (1 - self.weight) * natural + self.weight * robust


@dataclass
class Greedy:
    held: Held
    every: int
    chosen: list | None = None
    every_batch = False

    def __call__(self, epoch, last, merged, offered):
        if self.chosen is None or epoch % self.every == 0 or epoch == last:
            alone = {name: self.held.score(weights) for name, weights in offered.items()}
            order = sorted(alone, key=alone.get, reverse=True)
            self.chosen, best = [order[0]], alone[order[0]]
            for name in order[1:]:
                score = self.held.score(mean_of(offered, [*self.chosen, name]))
                if score >= best - 1e-9:
                    self.chosen, best = [*self.chosen, name], score
        shares = {name: (name in self.chosen) / len(self.chosen) for name in offered}
        return weighted(offered, shares), shares


def mean_of(offered, members):
    return weighted(offered, dict.fromkeys(members, 1 / len(members)))


@dataclass
class Searched:
    held: Held
    grid: int
    every: int
    start: int
    shares: dict | None = None
    every_batch = False

    def __call__(self, epoch, last, merged, offered):
        if epoch < self.start:
            return mean_of(offered, list(offered)), None
        if self.shares is None or epoch % self.every == 0 or epoch == last:
            steps = numpy.linspace(0, 1, self.grid)
            points = [p for p in itertools.product(steps, repeat=len(offered)) if abs(sum(p) - 1) < 1e-9]
            scores = [self.held.score(weighted(offered, dict(zip(offered, p, strict=True)))) for p in points]
            best = numpy.array([p for p, score in zip(points, scores, strict=True) if score > max(scores) - 1e-9])
            far = numpy.linalg.norm(best - best.mean(0), axis=1)
            nearest = next(place for place, distance in enumerate(far) if distance < far.min() + 1e-9)
            self.shares = dict(zip(offered, best[nearest].tolist(), strict=True))
        return weighted(offered, self.shares), self.shares


@dataclass
class Information:
    images: torch.Tensor
    labels: torch.Tensor
    attacks: dict
    importance: dict
    every: int
    every_batch = False

    def __call__(self, epoch, last, merged, offered):
        found = mean_of(offered, list(offered))
        if epoch % self.every and epoch != last:
            return found if epoch < self.every else merged, None
        weights = {name: self.diagonal(name, state) for name, state in offered.items()}
        for key in next(iter(weights.values())):
            parts = {name: self.importance.get(name, 1) * weights[name][key] for name in offered}
            whole = sum(parts.values())
            mean = sum(parts[name] * offered[name][key] for name in offered) / whole
            found[key] = torch.where(whole > 0, mean, found[key])
        return found, {name: sum(part.sum().item() for part in parts.values()) for name, parts in weights.items()}

    def diagonal(self, name, state):
        """E over images and over classes by p(class | image) of the squared slope of log p(class | image)."""
        images = self.images
        if name in self.attacks:
            images = self.attacks[name](state, images, self.labels)
        keys = [key for key in state if key.endswith((".weight", ".bias"))]
        sums = {key: torch.zeros_like(state[key]) for key in keys}
        for image in images:
            for label in range(3):
                free = {key: tensor.clone().requires_grad_(key in keys) for key, tensor in state.items()}
                loss = cross_entropy(forward(free, image[None], "eval"), torch.tensor([label]))[0]
                slopes = torch.autograd.grad(loss, [free[key] for key in keys])
                for key, slope in zip(keys, slopes, strict=True):
                    sums[key] += torch.exp(-loss.detach()) * slope**2
        return {key: total / len(images) for key, total in sums.items()}
