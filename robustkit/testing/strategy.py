"""What the engine expects of strategies."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from robustkit.attacking.door import attack_seeds
from robustkit.components.architecture import ImageShape
from robustkit.components.strategy import Strategy
from robustkit.testing.component import ComponentSuite
from robustkit.testing.tiny import tiny_batch, tiny_model
from robustkit.testing.unchanged import unchanged


class StrategySuite(ComponentSuite):
    """Checks a strategy on a tiny network with BatchNorm, one of whose layers a user has frozen."""

    kind = "strategy"
    strategy: Strategy
    num_classes: int = 10
    image_shape: ImageShape = (3, 8, 8)

    def cases(self) -> list[tuple[int, ImageShape]]:
        """Numbers of classes and shapes of images to try; override it for a strategy that brings images of its own."""
        _, height, width = self.image_shape
        return [(self.num_classes, self.image_shape), (2, self.image_shape), (10, (1, height, width))]

    def test_loss_is_a_finite_scalar(self) -> None:
        """One finite number of floating type, also with two classes and on one-channel images."""
        for classes, shape in self.cases():
            loss = self._loss(tiny_model(classes, shape[0]), *tiny_batch(num_classes=classes, image_shape=shape))
            case = f"with {classes} classes and images {shape}"
            assert isinstance(loss, Tensor), f"loss must be a tensor, got {loss!r}."
            assert loss.ndim == 0, f"loss must be a scalar, got shape {tuple(loss.shape)} {case}."
            assert loss.is_floating_point(), f"loss must be of floating type, got {loss.dtype} {case}."
            assert loss.isfinite(), f"loss is {loss} {case}."

    def test_loss_reaches_every_parameter(self) -> None:
        """The loss is differentiable in all of the network's parameters, with finite gradients that are not all 0."""
        model = self._model()
        names, parameters = zip(*model.named_parameters(), strict=True)
        loss = self._loss(model, *self._batch())
        assert loss.requires_grad, "loss does not depend on the model's parameters."
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        for name, gradient in zip(names, gradients, strict=True):
            assert gradient is not None, f"loss does not depend on {name}."
            assert gradient.isfinite().all(), f"the gradient of {name} is not finite."
        assert any(gradient.count_nonzero() for gradient in gradients), "every gradient is 0."

    def test_leaves_the_batch_alone(self) -> None:
        """Images and labels, which all learners share, are not changed."""
        images, labels = self._batch()
        given = images.clone(), labels.clone()
        self._loss(self._model(), images, labels)
        assert torch.equal(images, given[0]), "the strategy changed the images, which other learners get too."
        assert torch.equal(labels, given[1]), "the strategy changed the labels, which other learners get too."
        assert not images.requires_grad, "the strategy left requires_grad set on the images."

    def test_leaves_the_model_alone(self) -> None:
        """Modes, parameters and their gradients are as before; only BatchNorm statistics may move."""
        model = self._model()
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)
        with unchanged(model, buffers=False):
            self._loss(model, *self._batch())

    def test_repeats_with_equal_seeds(self) -> None:
        """Equal seeds give, bit by bit, the same loss and the same BatchNorm statistics."""
        models = [self._model(), self._model()]
        losses = [self._loss(model, *self._batch()) for model in models]
        assert torch.equal(*losses), f"equal seeds gave the losses {losses[0]} and {losses[1]}."
        for (name, buffer), other in zip(models[0].named_buffers(), models[1].buffers(), strict=True):
            assert torch.equal(buffer, other), f"equal seeds gave different {name}."

    def _model(self) -> nn.Module:
        model = nn.Sequential(nn.BatchNorm2d(self.image_shape[0]), tiny_model(self.num_classes, self.image_shape[0]))
        model[0].eval()
        return model

    def _batch(self) -> tuple[Tensor, Tensor]:
        return tiny_batch(num_classes=self.num_classes, image_shape=self.image_shape)

    def _loss(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        with torch.random.fork_rng(devices=[]), attack_seeds(0):
            torch.manual_seed(0)
            return self.strategy.loss(model, images, labels)
