"""What the engine expects of attacks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from robustkit.attacking.door import perturb
from robustkit.attacking.isolation import frozen, private_randomness
from robustkit.components.architecture import ImageShape
from robustkit.components.attack import Attack, Budget
from robustkit.testing.component import ComponentSuite
from robustkit.testing.tiny import tiny_batch, tiny_model
from robustkit.testing.unchanged import unchanged

_ORDERS = {"Linf": torch.inf, "L2": 2, "L1": 1}


class AttackSuite(ComponentSuite):
    """Checks an attack on a tiny network, through `robustkit.perturb` as the engine runs it."""

    kind = "attack"
    attack: Attack
    num_classes: int = 10
    image_shape: ImageShape = (3, 8, 8)

    def test_budget_is_a_promise(self) -> None:
        """`budget` is None or names a known norm and a positive eps."""
        budget = self.attack.budget
        assert budget is None or isinstance(budget, Budget), f"budget must be a Budget or None, got {budget!r}."
        assert budget is None or self.attack.budgets == (budget,), "budgets of an attack with a budget: that alone."
        for ball in self.attack.budgets:
            assert ball.norm in _ORDERS, f"expected a norm of {', '.join(_ORDERS)}, got {ball.norm!r}."
            assert ball.eps > 0, f"expected a positive eps, got {ball.eps}."

    def test_stays_inside_its_budget(self) -> None:
        """Results are images of the same shape and type in [0, 1], inside `budget`; black and white ones too."""
        images, labels = self._batch()
        images[0], images[1] = 0.0, 1.0
        adversarial = perturb(self.attack, self._model(), images, labels, seed=0)
        assert adversarial.shape == images.shape
        assert adversarial.dtype == images.dtype
        assert adversarial.min() >= 0
        assert adversarial.max() <= 1
        moved, balls = (adversarial.double() - images.double()).flatten(1), self.attack.budgets
        for change in moved:
            distances = [float(torch.linalg.vector_norm(change, _ORDERS[ball.norm])) for ball in balls]
            inside = [far <= ball.eps * (1 + 1e-5) + 1e-6 for far, ball in zip(distances, balls, strict=True)]
            far = ", ".join(f"{distance:g}" for distance in distances)
            assert any(inside) or not balls, f"an image moved by {far}, outside {' and '.join(map(str, balls))}."

    def test_takes_one_image(self) -> None:
        """A batch of one image is attacked too."""
        images, labels = tiny_batch(1, num_classes=self.num_classes, image_shape=self.image_shape)
        assert perturb(self.attack, self._model(), images, labels, seed=0).shape == images.shape

    def test_takes_one_channel(self) -> None:
        """Gray images are attacked too."""
        shape = (1, *self.image_shape[1:])
        images, labels = tiny_batch(num_classes=self.num_classes, image_shape=shape)
        model = tiny_model(self.num_classes, channels=1)
        assert perturb(self.attack, model, images, labels, seed=0).shape == images.shape

    def test_repeats_with_equal_seeds(self) -> None:
        """Equal seeds give, bit by bit, the same images, whatever was drawn elsewhere."""
        images, labels = self._batch()
        first = perturb(self.attack, self._model(), images, labels, seed=5)
        torch.rand(7)
        again = perturb(self.attack, self._model(), images, labels, seed=5)
        assert torch.equal(first, again), "equal seeds gave different images: draw from torch, numpy or random only."

    def test_does_not_depend_on_the_batch(self) -> None:
        """By its number, an example gets the same image in any batch and at any place, but for rounding.

        An attack that draws a batch at a time, as those of other libraries do, says so in its class:
        `test_does_not_depend_on_the_batch = None`. Its figures then depend on batch size and order.
        """
        images, labels = tiny_batch(7, num_classes=self.num_classes, image_shape=self.image_shape, dtype=torch.float64)
        model = tiny_model(self.num_classes, self.image_shape[0], dtype=torch.float64)
        together = perturb(self.attack, model, images, labels, seed=3)
        alone = (torch.tensor([place]) for place in range(7))
        for chosen in (*alone, torch.arange(3), torch.arange(3, 7), torch.arange(6, -1, -1)):
            found = perturb(self.attack, model, images[chosen], labels[chosen], seed=3, examples=chosen)
            differing = (found - together[chosen]).flatten(1).abs().amax(dim=1) > 1e-6
            assert not differing.any(), (
                f"{int(differing.sum())} of {len(chosen)} images differ from those found in a batch of 7: draw from "
                "robustkit.example_streams(images), and let no example decide what becomes of another."
            )

    def test_leaves_the_batch_alone(self) -> None:
        """Called directly, it changes neither the images nor the labels it is given."""
        images, labels = self._batch()
        given, model = (images.clone(), labels.clone()), self._model()
        with frozen(model), private_randomness(0, images.device):
            self.attack(model, images, labels)
        assert torch.equal(images, given[0]), "the attack changed its images in place."
        assert torch.equal(labels, given[1]), "the attack changed its labels in place."
        assert not images.requires_grad, "the attack left requires_grad set on its images."

    def test_leaves_the_model_alone(self) -> None:
        """Modes (one layer is in eval mode in a model in train mode), parameters, gradients, buffers are as before."""
        model = self._model()
        next(module for module in model.modules() if isinstance(module, nn.BatchNorm2d)).eval()
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)
        images, labels = self._batch()
        with unchanged(model, buffers=True):
            perturb(self.attack, model, images, labels, seed=0)

    def _model(self) -> nn.Module:
        return tiny_model(self.num_classes, self.image_shape[0])

    def _batch(self) -> tuple[Tensor, Tensor]:
        return tiny_batch(num_classes=self.num_classes, image_shape=self.image_shape)
