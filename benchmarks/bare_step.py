"""The Generalist step as someone would write it for one network and one recipe, by hand and as fast as it gets.

It does the tensor work that the engine does for `engine_step.generalist`, with the same levers, and nothing else: no
check, no private randomness, no names, no restoring. What the engine takes longer is its overhead.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.cases import Case


@dataclass(frozen=True)
class Levers:
    """What is done to be fast."""

    attack_bfloat16: bool = False
    training_bfloat16: bool = False
    folded: bool = False
    channels_last: bool = False


class Attacked(nn.Module):
    """A copy of a network with BatchNorm folded away and weights in another type, made anew before each attack.

    Works where each BatchNorm module directly follows its convolution in the order of modules, as in the networks that
    are measured here.
    """

    def __init__(self, network: nn.Module, levers: Levers) -> None:
        super().__init__()
        self.copied = [copy.deepcopy(network).eval()]  # in a list, so that nobody takes it for a part of this module
        self.bfloat16 = levers.attack_bfloat16
        dtype = torch.bfloat16 if levers.attack_bfloat16 else torch.float32
        self.pairs: list[tuple[nn.Conv2d, nn.BatchNorm2d, nn.Conv2d]] = []
        self.plain: list[tuple[Tensor, Tensor]] = []
        leaves = [(name, module) for name, module in network.named_modules() if not list(module.children())]
        followers = [module for _, module in leaves[1:]] + [None]
        for (name, module), follower in zip(leaves, followers, strict=True):
            mine = self.copied[0].get_submodule(name)
            for parameter in mine.parameters():
                parameter.requires_grad_(False)
            if levers.folded and isinstance(module, nn.Conv2d) and isinstance(follower, nn.BatchNorm2d):
                assert isinstance(mine, nn.Conv2d)
                mine.bias = nn.Parameter(torch.zeros(module.out_channels), requires_grad=False)
                self.pairs.append((module, follower, mine))
            elif levers.folded and isinstance(module, nn.BatchNorm2d):
                parent, _, leaf = name.rpartition(".")
                setattr(self.copied[0].get_submodule(parent), leaf, nn.Identity())
                continue
            else:
                self.plain += zip(
                    (*mine.parameters(), *mine.buffers()), (*module.parameters(), *module.buffers()), strict=True
                )
            if isinstance(module, nn.Conv2d | nn.Linear):
                mine.to(dtype)
        if levers.channels_last:
            self.copied[0].to(memory_format=torch.channels_last)

    @torch.no_grad()
    def refresh(self) -> None:
        """Take over the network's present weights."""
        for convolution, norm, mine in self.pairs:
            assert norm.running_var is not None
            assert norm.running_mean is not None
            assert mine.bias is not None
            scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
            mine.weight.copy_(convolution.weight * scale.reshape(-1, 1, 1, 1))
            mine.bias.copy_(norm.bias - norm.running_mean * scale)
        for tensor, source in self.plain:
            tensor.copy_(source)

    def forward(self, images: Tensor) -> Tensor:
        """Logits in float32."""
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.bfloat16):
            logits: Tensor = self.copied[0](images)
        return logits.float()


class BareLearner:
    """A network, its optimizer and its moving average."""

    def __init__(self, network: nn.Module, weight_decay: float, levers: Levers) -> None:
        self.network = network.to(memory_format=torch.channels_last) if levers.channels_last else network
        self.optimizer = torch.optim.SGD(network.parameters(), 0.01, 0.9, weight_decay=weight_decay, fused=True)
        self.tensors = [tensor.detach() for tensor in network.state_dict(keep_vars=True).values()]
        self.average = [tensor.clone() for tensor in self.tensors]
        self.bfloat16 = levers.training_bfloat16

    def descend(self, images: Tensor, labels: Tensor) -> Tensor:
        """One step of gradient descent; the loss stays on the device."""
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.bfloat16):
            logits = self.network(images)
            loss = functional.cross_entropy(logits.float(), labels)
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    @torch.no_grad()
    def follow(self, share: float) -> None:
        """Move the average."""
        moving, fixed = split(self.average), split(self.tensors)
        torch._foreach_lerp_(moving[0], fixed[0], share)
        torch._foreach_copy_(moving[1], fixed[1])


class BareStep:
    """Two learners, the merged weights, and the data they are trained on."""

    def __init__(
        self, case: Case, network: nn.Module, levers: Levers, images: Tensor, labels: Tensor, random_start: bool = True
    ) -> None:
        self.case, self.images, self.labels, self.random_start = case, images, labels, random_start
        self.robust = BareLearner(network, 3.5e-3, levers)
        self.natural = BareLearner(copy.deepcopy(network), 5e-4, levers)
        self.merged = [tensor.clone() for tensor in self.robust.tensors]
        self.attacked = Attacked(network, levers)
        self.order, self.done = torch.randperm(len(images)), 0
        self.losses: list[Tensor] = []

    def __call__(self) -> None:
        """One step on the next batch, read from the data set."""
        start = self.done * self.case.batch % (len(self.images) - self.case.batch + 1)
        chosen = self.order[start : start + self.case.batch].to(self.images.device)
        self.train(self.images[chosen].float().div_(255), self.labels[chosen])

    def train(self, images: Tensor, labels: Tensor) -> None:
        """One step on a batch."""
        self.done += 1
        share = 1 - min(0.999, self.done / (self.done + 9))
        self.losses.append(self.robust.descend(self.attack(images, labels), labels))
        self.robust.follow(share)
        self.losses.append(self.natural.descend(images, labels))
        self.natural.follow(share)
        self.merge(share)

    def attack(self, images: Tensor, labels: Tensor) -> Tensor:
        """PGD against the robust learner."""
        eps, size = self.case.eps, self.case.step_size
        self.attacked.refresh()
        attacked = images.detach().clone()
        if self.random_start:
            attacked = attacked.add_(torch.empty_like(images).uniform_(-eps, eps)).clamp_(0, 1)
        for _ in range(self.case.steps):
            attacked.requires_grad_()
            loss = functional.cross_entropy(self.attacked(attacked), labels, reduction="sum")
            (gradient,) = torch.autograd.grad(loss, attacked)
            moved = attacked.detach() + size * gradient.sign()
            attacked = (images + (moved - images).clamp_(-eps, eps)).clamp_(0, 1)
        return attacked

    @torch.no_grad()
    def merge(self, share: float) -> None:
        """Move the merged weights towards the mix."""
        merged, robust, natural = split(self.merged), split(self.robust.average), split(self.natural.average)
        torch._foreach_mul_(merged[0], 1 - share)
        torch._foreach_add_(merged[0], robust[0], alpha=0.7 * share)
        torch._foreach_add_(merged[0], natural[0], alpha=0.3 * share)
        torch._foreach_copy_(merged[1], robust[1])


def split(tensors: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Those that are averaged, and BatchNorm's counters."""
    floating = [tensor for tensor in tensors if tensor.is_floating_point()]
    return floating, [tensor for tensor in tensors if not tensor.is_floating_point()]
