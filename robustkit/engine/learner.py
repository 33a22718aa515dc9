"""A learner: its own copy of the network, trained in its own way on the batches all learners share."""

from __future__ import annotations

import copy
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from robustkit.attacking.door import attack_seeds
from robustkit.attacking.isolation import modules_of
from robustkit.attacking.lean import attack_arithmetic
from robustkit.components.clock import Clock
from robustkit.components.moment import Memory, copied, training_moment
from robustkit.components.phases import phase
from robustkit.components.randomness import derive, seed_globally
from robustkit.components.schedule import rate_at
from robustkit.components.weights import LearnerWeights, Weights, copy_, lerp_
from robustkit.engine.arithmetic import RunArithmetic
from robustkit.engine.batch_norm import held_batch_norm
from robustkit.engine.beginning import begin
from robustkit.errors import TrainingError
from robustkit.models.classifier import Classifier
from robustkit.recipe.schema import LearnerRecipe


class Learner:
    """Everything one learner has: model, optimizer, moving average, what its strategy noted, and the epoch's losses."""

    def __init__(
        self,
        name: str,
        recipe: LearnerRecipe,
        classifier: Classifier,
        *,
        seed: int,
        clock: Clock,
        arithmetic: RunArithmetic,
    ) -> None:
        self.name, self.recipe, self.seed, self.arithmetic = name, recipe, seed, arithmetic
        self.model = copy.deepcopy(classifier)
        self._modules = modules_of(self.model)
        begin(name, recipe, self.model)
        self._trained: Any = torch.compile(self.model) if arithmetic.compile_training else self.model
        raw = self.model.weights()
        average = {key: tensor.clone() for key, tensor in raw.items()} if recipe.averaging else None
        self.weights = LearnerWeights(raw, average)
        self.losses: list[Tensor] = []
        self._finite = 0  # how many of the losses are known to be finite
        self.memory: Memory = {}
        self.lr = rate_at(recipe.optimizer.lr, clock)
        self.optimizer = self._new_optimizer()

    def start_epoch(self) -> None:
        """Forget the losses of the epoch before."""
        self.losses.clear()
        self._finite = 0

    def step(self, images: Tensor, labels: Tensor, clock: Clock) -> None:
        """Train on one batch: augment, attack, loss, backward, optimizer, average. Called before the clock ticks."""
        self._set_lr(rate_at(self.recipe.optimizer.lr, clock))
        seed = derive(self.seed, "learner", self.name, clock.step)
        seed_globally(seed, images.device)
        with phase("data"):
            for augmentation in self.recipe.augmentation:
                images = augmentation(images)
        if not all(module.training for module in self._modules):
            self.model.train()
        with attack_seeds(seed), attack_arithmetic(self.arithmetic.attack), phase("optimizer"):
            for _ in range(self.recipe.updates_per_batch):
                self.losses.append(self._descend(images, labels, clock))
        with phase("averaging"):
            if self.recipe.averaging is not None and self.weights.average is not None:
                lerp_(self.weights.average, self.weights.raw, self.recipe.averaging.share(clock))

    def restart(self, merged: Weights, *, reset_optimizer: bool) -> None:
        """Go on from the global learner's weights; the moving average stays as it is."""
        copy_(self.weights.raw, merged)
        if reset_optimizer:
            self.optimizer = self._new_optimizer()

    def check_losses(self, epoch: int, kept: str) -> None:
        """Stop where a loss of this epoch is not finite.

        Raises:
            TrainingError: names learner, epoch and batch, and what is kept.
        """
        unknown = self.losses[self._finite :]
        if not unknown:
            return
        finite = torch.isfinite(torch.stack(unknown))
        if bool(finite.all()):
            self._finite = len(self.losses)
            return
        update = self._finite + int((~finite).nonzero()[0])
        batch = update // self.recipe.updates_per_batch + 1
        raise TrainingError(
            f"learner {self.name!r}: the loss is {float(self.losses[update])} in epoch {epoch}, batch {batch}. "
            f"{kept} A smaller learning rate, a warm-up, or weaker augmentation may help."
        )

    def mean_loss(self) -> float:
        """The mean loss of the epoch's batches."""
        return float(torch.stack(self.losses).mean())

    def _descend(self, images: Tensor, labels: Tensor, clock: Clock) -> Tensor:
        """One optimizer step; returns the loss before it. Optimizers may ask for the loss twice (SAM)."""
        losses: list[Tensor] = []
        before = copied(self.memory)

        def closure() -> Tensor:
            # What a strategy notes when it is asked again is dropped, as what BatchNorm sees then is.
            memory = copied(before) if losses else self.memory
            with phase("training passes"), training_moment(memory, clock):
                self.optimizer.zero_grad(set_to_none=True)
                with held_batch_norm(self.model, hold=bool(losses)):
                    loss = self._loss(images, labels)
                loss.backward()  # type: ignore[no-untyped-call]
            losses.append(loss.detach())
            return loss

        self.optimizer.step(closure)  # type: ignore[arg-type]
        return losses[0]

    def _loss(self, images: Tensor, labels: Tensor) -> Tensor:
        precision = self.arithmetic.training
        with torch.autocast(images.device.type, precision) if precision else nullcontext():
            loss = self.recipe.strategy.loss(self._trained, images, labels)
        if not isinstance(loss, Tensor) or loss.numel() != 1 or not loss.requires_grad:
            strategy = self.recipe.strategy.name
            text = f"strategy {strategy!r} must return a differentiable scalar, got {loss!r}."
            raise TrainingError(f"learner {self.name!r}: {text}")
        return loss

    def _new_optimizer(self) -> torch.optim.Optimizer:
        parameters = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        return self.recipe.optimizer.build(parameters, self.lr)

    def _set_lr(self, lr: float) -> None:
        self.lr = lr
        for group in self.optimizer.param_groups:
            group["lr"] = lr
