"""What the engine expects of losses."""

from __future__ import annotations

import torch
from torch import Tensor

from robustkit.components.loss import Loss
from robustkit.testing.component import ComponentSuite


class LossSuite(ComponentSuite):
    """Checks a loss on random logits."""

    kind = "loss"
    loss: Loss
    num_classes: int = 10

    def test_gives_one_loss_an_example(self) -> None:
        """Losses are (N,), finite, of the logits' type, also for logits of size 100."""
        for dtype in (torch.float32, torch.float64):
            for size in (1.0, 100.0):
                logits, labels = self._examples(dtype, size)
                losses = self.loss(logits, labels)
                assert losses.shape == labels.shape, (
                    f"expected losses {tuple(labels.shape)}, got {tuple(losses.shape)}."
                )
                assert losses.dtype == dtype, f"losses of {dtype} logits are {losses.dtype}."
                assert losses.isfinite().all(), f"losses of logits of size {size:g} are {losses}."

    def test_examples_do_not_mix(self) -> None:
        """An example's loss is the same alone and in a batch, up to rounding."""
        logits, labels = self._examples()
        alone = [self.loss(logits[i : i + 1], labels[i : i + 1]) for i in range(len(labels))]
        torch.testing.assert_close(torch.cat(alone), self.loss(logits, labels))

    def test_gradients_are_finite(self) -> None:
        """Losses are differentiable in the logits; gradients are finite and not all 0."""
        for size in (1.0, 100.0):
            logits, labels = self._examples(size=size)
            gradient = torch.autograd.grad(self.loss(logits.requires_grad_(), labels).sum(), logits)[0]
            assert gradient.isfinite().all(), f"gradients at logits of size {size:g} are not finite."
            assert size != 1.0 or gradient.count_nonzero(), "every gradient is 0."

    def test_higher_means_more_wrong(self) -> None:
        """A confident wrong prediction has a higher loss than a confident right one."""
        _, labels = self._examples()
        right = 5.0 * torch.nn.functional.one_hot(labels, self.num_classes).float()
        right += 0.1 * torch.arange(self.num_classes)  # a loss may need logits that are not tied
        wrong = right.roll(1, dims=1)
        assert (self.loss(wrong, labels) > self.loss(right, labels)).all(), "being wrong is not punished."

    def test_leaves_its_inputs_alone(self) -> None:
        """Logits and labels are not changed."""
        logits, labels = self._examples()
        given = logits.clone(), labels.clone()
        self.loss(logits, labels)
        assert torch.equal(logits, given[0]), "the loss changed its logits in place."
        assert torch.equal(labels, given[1]), "the loss changed its labels in place."

    def _examples(self, dtype: torch.dtype = torch.float32, size: float = 1.0) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(0)
        logits = size * torch.randn(12, self.num_classes, generator=generator, dtype=dtype)
        return logits, torch.arange(12) % self.num_classes
