"""What the engine expects of architectures."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from robustkit.components.architecture import Architecture, ImageShape, Normalization
from robustkit.testing.component import ComponentSuite


class ArchitectureSuite(ComponentSuite):
    """Checks an architecture on images of every shape in `image_shapes`; set that to shapes it takes."""

    kind = "architecture"
    architecture: Architecture
    image_shapes: Sequence[ImageShape] = ((3, 32, 32), (1, 28, 28))
    num_classes: int = 10

    def test_gives_logits(self) -> None:
        """Images (N, *image_shape) become finite logits (N, num_classes), in train and in eval mode."""
        for shape in self.image_shapes:
            network = self._build(shape)
            for mode in (True, False):
                logits = network.train(mode)(torch.rand(2, *shape))
                assert isinstance(logits, Tensor), f"expected logits for images {shape}, got {type(logits).__name__}."
                assert logits.shape == (2, self.num_classes), f"images {shape} became logits {tuple(logits.shape)}."
                assert logits.isfinite().all(), f"logits of images {shape} are not finite."

    def test_gradients_flow(self) -> None:
        """Every trainable parameter, and the images, get a finite gradient."""
        for shape in self.image_shapes:
            network, images = self._build(shape).train(), torch.rand(2, *shape, requires_grad=True)
            inputs: dict[str, Tensor] = {
                name: tensor for name, tensor in network.named_parameters() if tensor.requires_grad
            }
            inputs["the images"] = images
            loss = nn.functional.cross_entropy(network(images), torch.tensor([0, 1]))
            gradients = torch.autograd.grad(loss, list(inputs.values()), allow_unused=True)
            for name, gradient in zip(inputs, gradients, strict=True):
                assert gradient is not None, f"no gradient reaches {name}."
                assert gradient.isfinite().all(), f"the gradient of {name} is not finite."
            assert gradients[-1].count_nonzero(), "the gradient of the images is 0: no attack could find its way."

    def test_equal_seeds_build_equal_networks(self) -> None:
        """Initial weights come from torch's global generator alone, and two networks share no memory."""
        first, again, other = (self._build(self.image_shapes[0], seed).state_dict() for seed in (0, 0, 1))
        assert list(first) == list(again), "two builds name their weights differently."
        for name, tensor in first.items():
            assert torch.equal(tensor, again[name]), f"equal seeds drew different {name}."
            assert tensor.numel() == 0 or tensor.data_ptr() != again[name].data_ptr(), f"two networks share {name}."
        assert any(not torch.equal(tensor, other[name]) for name, tensor in first.items()), "the seed changes nothing."

    def test_weights_are_the_whole_network(self) -> None:
        """`state_dict` into a fresh network gives the same logits: nothing that matters is kept elsewhere."""
        shape = self.image_shapes[0]
        trained, fresh, images = self._build(shape, seed=0), self._build(shape, seed=1), torch.rand(2, *shape)
        trained.train()(images)  # moves BatchNorm statistics
        fresh.load_state_dict(trained.state_dict())
        with torch.no_grad():
            difference = (trained.eval()(images) - fresh.eval()(images)).abs().max()
        assert difference == 0, f"a network restored from its weights gives logits that differ by {difference:g}."

    def test_normalization_is_given_properly(self) -> None:
        """`normalization` is None or a Normalization."""
        normalization = self.architecture.normalization
        assert normalization is None or isinstance(normalization, Normalization), f"got {normalization!r}."

    def _build(self, shape: ImageShape, seed: int = 0) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = self.architecture.build(self.num_classes, shape)
        assert isinstance(network, nn.Module), f"build must return a torch module, got {network!r}."
        return network
