"""What the engine expects of optimizers."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from robustkit.components.optimizer import Optimizer
from robustkit.testing.component import ComponentSuite


class OptimizerSuite(ComponentSuite):
    """Checks an optimizer on a small quadratic."""

    kind = "optimizer"
    optimizer: Optimizer
    lr: float = 0.01
    """The learning rate of the checks."""

    def test_uses_the_given_learning_rate(self) -> None:
        """`build` hands the given rate to every parameter group, whatever the field `lr` says."""
        built = self._build([_weights()])
        assert isinstance(built, torch.optim.Optimizer), f"build must return a torch optimizer, got {built!r}."
        rates = [float(group["lr"]) for group in built.param_groups]
        assert rates == [self.lr] * len(rates), f"built at {self.lr}, the groups have the learning rates {rates}."

    def test_follows_its_gradients(self) -> None:
        """A hundred steps lower a quadratic."""
        weights = _weights()
        before = float(_quadratic(weights).detach())
        _descend(self._build([weights]), weights, steps=100)
        assert float(_quadratic(weights).detach()) < before, "a hundred steps did not lower a quadratic."

    def test_obeys_a_changed_learning_rate(self) -> None:
        """The engine writes the rate of every batch into the parameter groups; at 0 nothing moves."""
        weights = _weights()
        built = self._build([weights])
        for group in built.param_groups:
            group["lr"] = 0.0
        _descend(built, weights, steps=1)
        torch.testing.assert_close(weights, _weights(), msg="weights moved at a learning rate of 0.")

    def test_resumes_from_its_state(self) -> None:
        """A fresh optimizer with the old one's `state_dict` goes on exactly as the old one would."""
        weights = _weights()
        built = self._build([weights])
        _descend(built, weights, steps=3)
        resumed_weights = nn.Parameter(weights.detach().clone())
        resumed = self._build([resumed_weights])
        resumed.load_state_dict(copy.deepcopy(built.state_dict()))
        _descend(built, weights, steps=3)
        _descend(resumed, resumed_weights, steps=3)
        assert torch.equal(weights, resumed_weights), "resumed from its state_dict it takes other steps."

    def _build(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        return self.optimizer.build(parameters, self.lr)


def _weights() -> nn.Parameter:
    return nn.Parameter(torch.tensor([[1.0, -2.0], [3.0, -4.0]]))


def _quadratic(weights: Tensor) -> Tensor:
    return (weights.square() * torch.tensor([[1.0, 2.0], [3.0, 4.0]])).sum()


def _descend(optimizer: torch.optim.Optimizer, weights: nn.Parameter, steps: int) -> None:
    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = _quadratic(weights)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    for _ in range(steps):
        optimizer.step(closure)  # type: ignore[arg-type]
