"""Generalist, weight averaging and stochastic weight averaging in straight lines: plain loops over plain tensors.

The independent reference for the engine: written from the method's pseudo-code, and sharing no code with robustkit.
Convolution and automatic differentiation are torch's; everything else is spelled out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy
import torch
from torch.nn import functional

LAYERS = ("1", "2")  # two blocks of convolution, BatchNorm and ReLU, then the mean over pixels and a linear layer


def forward(state, images, mode, seen=None):
    """Logits; `train` moves the running statistics, `eval` uses them, `collect` notes each batch's own in `seen`."""
    hidden = images
    for layer in LAYERS:
        hidden = functional.conv2d(hidden, state[f"conv{layer}.weight"], state[f"conv{layer}.bias"], padding=1)
        hidden = torch.clamp(batch_norm(state, f"bn{layer}", hidden, mode, seen), min=0)
    return hidden.mean((2, 3)) @ state["head.weight"].T + state["head.bias"]


def batch_norm(state, name, hidden, mode, seen):
    mean, var = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    if mode != "eval":
        count = hidden.numel() / hidden.shape[1]
        mean = hidden.mean((0, 2, 3))
        var = ((hidden - mean[:, None, None]) ** 2).mean((0, 2, 3))
        unbiased = (var * count / (count - 1)).detach()
        if mode == "collect":
            seen.setdefault(name, []).append((mean.detach(), unbiased))
        else:
            state[f"{name}.running_mean"] = 0.9 * state[f"{name}.running_mean"] + 0.1 * mean.detach()
            state[f"{name}.running_var"] = 0.9 * state[f"{name}.running_var"] + 0.1 * unbiased
            state[f"{name}.num_batches_tracked"] = state[f"{name}.num_batches_tracked"] + 1
    normal = (hidden - mean[:, None, None]) / torch.sqrt(var[:, None, None] + 1e-5)
    return normal * state[f"{name}.weight"][:, None, None] + state[f"{name}.bias"][:, None, None]


def cross_entropy(logits, labels):
    return torch.logsumexp(logits, 1) - logits[torch.arange(len(labels)), labels]


@dataclass
class PGD:
    eps: float
    step: float
    steps: int
    norm: str = "Linf"
    starts: list | None = None  # what was drawn for each start, uniform in [0, 1), in order; None starts at x

    def __call__(self, state, images, labels):
        moved = torch.zeros_like(images)
        if self.starts is not None:
            moved = (self.starts.pop(0) * 2 - 1) * self.eps
        attacked = torch.clamp(images + moved, 0, 1)
        for _ in range(self.steps):
            attacked = attacked.detach().requires_grad_()
            loss = cross_entropy(forward(state, attacked, "eval"), labels).sum()
            (slope,) = torch.autograd.grad(loss, attacked)
            attacked = attacked.detach()
            if self.norm == "Linf":
                moved = torch.clamp(attacked + self.step * torch.sign(slope) - images, -self.eps, self.eps)
            else:
                moved = attacked + self.step * slope / euclidean(slope) - images
                moved = moved * torch.clamp(self.eps / euclidean(moved), max=1)
            attacked = torch.clamp(images + moved, 0, 1)
        return attacked


def euclidean(vectors):
    return torch.sqrt((vectors**2).sum((1, 2, 3), keepdim=True))


@dataclass
class Learner:
    points: dict  # epoch to learning rate, straight lines between
    momentum: float
    weight_decay: float
    attack: PGD | None = None
    decay: float | None = None  # of the moving average; None keeps none
    warm_up: bool = True
    every_batch: bool = False  # the learning rate moves with every batch
    raw: dict = field(default_factory=dict)
    average: dict | None = None
    velocity: dict = field(default_factory=dict)

    def start(self, initial):
        self.raw = dict(initial)
        self.average = dict(initial) if self.decay is not None else None
        self.velocity = {}

    def offered(self):
        return self.raw if self.average is None else self.average

    def step(self, images, labels, epoch, done, batches, s):
        if self.attack is not None:
            images = self.attack({key: tensor.detach() for key, tensor in self.raw.items()}, images, labels)
        trained = [key for key in self.raw if key.endswith((".weight", ".bias"))]
        for key in trained:
            self.raw[key] = self.raw[key].detach().requires_grad_()
        loss = cross_entropy(forward(self.raw, images, "train"), labels).mean()
        slopes = torch.autograd.grad(loss, [self.raw[key] for key in trained])
        lr = at(self.points, epoch - 1 + done / batches if self.every_batch else epoch)
        for key, slope in zip(trained, slopes, strict=True):
            weight = self.raw[key].detach()
            slope = slope + self.weight_decay * weight
            before = self.velocity.get(key)
            self.velocity[key] = slope if before is None else self.momentum * before + slope
            self.raw[key] = weight - lr * self.velocity[key]
        if self.average is not None:
            d = min(self.decay, (s + 1) / (s + 10)) if self.warm_up else self.decay
            for key, weight in self.raw.items():
                whole = key.endswith("num_batches_tracked")
                self.average[key] = weight if whole else d * self.average[key] + (1 - d) * weight


def at(points, epoch):
    return float(numpy.interp(epoch, list(points), list(points.values())))


@dataclass
class Generalist:
    shares: dict  # learner to {epoch: share}; all of them named
    decay: float
    start_epoch: int
    every: int
    warm_up: bool = True
    redistribute: str = "epoch_end"
    mix_of: str = "averages"
    batch_norm: str = "average"
    reset: bool = False
    every_batch: bool = False  # the shares move with every batch


def generalist(plan, learners, initial, epochs, images):
    """Train; gives the global learner's weights and every learner's raw and average weights after each epoch."""
    merged, s, history = dict(initial), 0, []
    for learner in learners.values():
        learner.start(initial)
    for epoch, batches in enumerate(epochs, start=1):
        matching = epoch >= plan.start_epoch and epoch % plan.every == 0
        if matching and plan.redistribute == "epoch_start":
            deal_out(plan, merged, learners, images)
        for done, (x, y) in enumerate(batches, start=1):
            for name, learner in learners.items():
                learner.step(x[name], y, epoch, done - 1, len(batches), s)
            now = epoch - 1 + done / len(batches) if plan.every_batch else epoch
            d = min(plan.decay, (s + 1) / (s + 10)) if plan.warm_up else plan.decay
            merged = mixed(plan, merged, learners, {name: at(p, now) for name, p in plan.shares.items()}, d)
            s += 1
            last = done == len(batches)
            if matching and (plan.redistribute == "every_batch" or plan.redistribute == "epoch_end" and last):
                deal_out(plan, merged, learners, images)
        if plan.batch_norm == "recompute":
            merged.update(statistics(merged, images))
        history.append(snapshot(merged, learners))
    return history


def mixed(plan, merged, learners, shares, d):
    found = {}
    weights = {name: one.raw if plan.mix_of == "weights" else one.offered() for name, one in learners.items()}
    for key, before in merged.items():
        if key.endswith("num_batches_tracked"):  # counted, so copied and never averaged
            found[key] = weights[max(shares, key=shares.get)][key]
        elif not key.endswith(("running_mean", "running_var")) or plan.batch_norm == "average":
            total = sum(shares[name] * weights[name][key].detach() for name in learners)
            found[key] = d * before + (1 - d) * total
        else:
            found[key] = before if plan.batch_norm == "recompute" else weights[plan.batch_norm][key]
    return found


def deal_out(plan, merged, learners, images):
    if plan.batch_norm == "recompute":
        merged.update(statistics(merged, images))
    for learner in learners.values():
        learner.raw = dict(merged)  # its moving average is not overwritten
        if plan.reset:
            learner.velocity = {}


def statistics(state, batches):
    """BatchNorm statistics as plain means over these batches of images, all layers in one pass."""
    seen = {}
    for images in batches:
        with torch.no_grad():
            forward(state, images, "collect", seen)
    found = {}
    for name, pairs in seen.items():
        found[f"{name}.running_mean"] = sum(mean for mean, _ in pairs) / len(pairs)
        found[f"{name}.running_var"] = sum(var for _, var in pairs) / len(pairs)
    return found


def averaging(learners, initial, epochs, images, *, start_epoch, every=None):
    """Weight averaging over the batches since `start_epoch`; SWA over the ends of every so many epochs with `every`."""
    history, taken, merged, s = [], [], dict(initial), 0
    for learner in learners.values():
        learner.start(initial)
    for epoch, batches in enumerate(epochs, start=1):
        for done, (x, y) in enumerate(batches, start=1):
            for name, learner in learners.items():
                learner.step(x[name], y, epoch, done - 1, len(batches), s)
            s += 1
            now = mean([learner.offered() for learner in learners.values()], counter_of=0)
            end = done == len(batches)
            due = epoch >= start_epoch and (every is None or end and (epoch - start_epoch) % every == 0)
            if due:
                taken.append(now)
                merged = mean(taken, counter_of=-1)
            elif not taken:
                merged = now
        if every is not None and epoch >= start_epoch:
            merged.update(statistics(merged, images))
        history.append(snapshot(merged, learners))
    return history


def mean(states, counter_of):
    """The mean of weights; BatchNorm's counter is copied from one of them."""
    found = {}
    for key in states[0]:
        tensors = [state[key].detach() for state in states]
        found[key] = tensors[counter_of] if key.endswith("num_batches_tracked") else sum(tensors) / len(tensors)
    return found


def snapshot(merged, learners):
    kept = {("global", key): tensor.detach().clone() for key, tensor in merged.items()}
    for name, learner in learners.items():
        for part, state in (("raw", learner.raw), ("average", learner.average or {})):
            kept |= {(name, part, key): tensor.detach().clone() for key, tensor in state.items()}
    return kept
