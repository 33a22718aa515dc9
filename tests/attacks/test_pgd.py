"""PGD against hand-computed optima and the textbook loop."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from robustkit_attacks import FGSM, PGD, Noise
from torch import nn
from torch.nn import functional

from robustkit import example_streams, perturb, using_streams
from robustkit.attacking.streams import streams_from
from robustkit.errors import AttackError, ComponentError
from robustkit.testing import AttackSuite, tiny_batch, tiny_model

NORMS = ["Linf", "L2", "L1"]
ORDERS = {"Linf": torch.inf, "L2": 2, "L1": 1}


class Plane(nn.Module):
    """Two classes; class 1 wins by the scalar product with fixed weights: attacking class 0 means going along them."""

    def __init__(self, weights):
        super().__init__()
        self.register_buffer("plane", torch.as_tensor(weights))
        self.forwards = 0

    def forward(self, images):
        self.forwards += 1
        score = (images * self.plane).flatten(1).sum(1)
        return torch.stack([torch.zeros_like(score), score], 1)


def distances(adversarial, images, norm):
    return torch.linalg.vector_norm((adversarial - images).flatten(1).double(), ORDERS[norm], dim=1)


def class_0(images):
    return torch.zeros(len(images), dtype=torch.int64)


class TestPGD(AttackSuite):
    @pytest.fixture(
        autouse=True,
        params=[
            PGD(eps="8/255", steps=3),
            PGD(eps="8/255", steps=2, keep="last", random_start=False),
            PGD(eps=0.5, norm="L2", steps=3, restarts=2),
            PGD(eps=4, norm="L1", steps=3, sparsity=0.2),
            PGD(eps="8/255", steps=8, restarts=2, keep="first"),
            PGD(eps=0.5, norm="L2", steps=3, keep="first"),
        ],
        ids=repr,
    )
    def configure(self, request):
        self.attack = request.param


@pytest.mark.parametrize("keep", ["best", "last"])
@pytest.mark.parametrize("random_start", [True, False])
def test_linear_model_linf_optimum(keep, random_start):
    weights = torch.tensor([[[3.0, -2.0], [1e-3, 0.0]]])
    images = torch.tensor([[[[0.5, 0.5], [0.5, 0.5]]], [[[0.95, 0.02], [0.5, 0.5]]]])
    attack = PGD(eps=0.1, steps=5, keep=keep, random_start=random_start)
    adversarial = perturb(attack, Plane(weights), images, class_0(images))
    expected = torch.tensor([[[[0.6, 0.4], [0.6, 0.5]]], [[[1.0, 0.0], [0.6, 0.5]]]])
    moving = weights != 0
    torch.testing.assert_close(adversarial[:, moving], expected[:, moving])
    if not random_start:
        assert torch.equal(adversarial[:, ~moving], images[:, ~moving])


@pytest.mark.parametrize("random_start", [True, False])
def test_linear_model_l2_optimum(random_start):
    weights = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0))
    images = torch.full((2, 3, 4, 5), 0.5)
    attack = PGD(eps=0.3, norm="L2", steps=60, step_size=0.1, random_start=random_start)
    adversarial = perturb(attack, Plane(weights), images, class_0(images))
    torch.testing.assert_close(adversarial, images + 0.3 * weights / weights.norm(), atol=2e-4, rtol=0)


def test_linear_model_l1_optimum():
    """The largest weights first, each until its pixel value can go no further: 1.25 = 0.5 + 0.25 + 0.5."""
    weights = torch.tensor([[5.0, 0.1, -4.0, 3.0, 2.0]])
    images = torch.tensor([[[0.5, 0.5, 0.25, 0.25, 0.5]]])
    attack = PGD(eps=1.25, norm="L1", steps=10, step_size=0.125, random_start=False, sparsity=0.2)
    adversarial = perturb(attack, Plane(weights), images, class_0(images))
    torch.testing.assert_close(adversarial, torch.tensor([[[1.0, 0.5, 0.0, 0.75, 0.5]]]))


def uniform_start(images, eps, seed):
    """What each example draws first in `perturb` with this seed."""
    with using_streams(streams_from(seed, torch.arange(len(images)))):
        uniform = example_streams(images).uniform_like(images)
    return (images + (2 * uniform - 1) * eps).clamp(0, 1)


def textbook_pgd(model, images, labels, eps, step_size, steps, start):
    adversarial = start
    for _ in range(steps):
        adversarial = adversarial.detach().requires_grad_()
        functional.cross_entropy(model(adversarial), labels).backward()
        adversarial = adversarial.detach() + step_size * adversarial.grad.sign()
        adversarial = images + torch.clamp(adversarial - images, -eps, eps)
        adversarial = adversarial.clamp(0, 1)
    return adversarial


@pytest.mark.parametrize("random_start", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equals_the_textbook_loop_bit_by_bit(random_start, dtype):
    model, (images, labels) = tiny_model(dtype=dtype).eval(), tiny_batch(dtype=dtype)
    eps, step_size = 8 / 255, 2 / 255
    attack = PGD(eps=eps, step_size=step_size, steps=7, keep="last", random_start=random_start)
    start = uniform_start(images, eps, 3) if random_start else images
    expected = textbook_pgd(model, images, labels, eps, step_size, 7, start)
    assert torch.equal(start, images) != random_start
    before = torch.get_rng_state()
    with using_streams(streams_from(3, torch.arange(len(images)))):
        assert torch.equal(attack(model, images, labels), expected)
    assert torch.equal(torch.get_rng_state(), before), "PGD drew from torch's global generator"
    assert torch.equal(perturb(attack, model, images, labels, seed=3), expected)
    assert expected.dtype == dtype


@pytest.mark.parametrize(
    ("attack", "forwards"),
    [
        (PGD(eps=0.1, steps=4, keep="last"), 4),
        (PGD(eps=0.1, steps=4), 5),
        (PGD(eps=0.1, steps=4, restarts=3), 15),
        (FGSM(eps=0.1), 1),
        (Noise(eps=0.1), 0),
        (Noise(eps=0.1, draws=3), 3),
    ],
)
def test_costs_what_it_says(attack, forwards):
    model = Plane(torch.ones(1, 2, 2))
    images = torch.rand(4, 1, 2, 2)
    perturb(attack, model, images, class_0(images))
    assert model.forwards == forwards


def test_default_step_size_is_two_and_a_half_times_eps_over_steps():
    images = torch.full((1, 1, 2, 2), 0.5)
    seen = []
    model = Plane(torch.ones(1, 2, 2))
    model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach().clone()))
    perturb(PGD(eps=0.1, steps=10, random_start=False), model, images, class_0(images))
    torch.testing.assert_close(seen[1] - images, torch.full_like(images, 0.025))


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("random_start", [True, False])
def test_eps_0_returns_the_images(norm, random_start):
    images, labels = tiny_batch()
    for attack in (
        PGD(eps=0, norm=norm, random_start=random_start),
        PGD(eps=0, norm=norm, random_start=random_start, keep="last", step_size=0.1),
        Noise(eps=0, norm=norm, draws=2),
    ):
        assert torch.equal(perturb(attack, tiny_model(), images, labels), images)
    assert torch.equal(perturb(FGSM(eps=0, random_start=random_start), tiny_model(), images, labels), images)


@pytest.mark.parametrize("norm", NORMS)
def test_an_example_without_gradient_stays_and_spoils_no_other(norm):
    weights = torch.zeros(2, 1, 3, 3)
    weights[1] = 1.0
    images = torch.full((2, 1, 3, 3), 0.5)
    attack = PGD(eps=0.3, norm=norm, steps=3, random_start=False, keep="last")
    adversarial = perturb(attack, Plane(weights), images, class_0(images))
    assert torch.equal(adversarial[0], images[0])
    assert distances(adversarial, images, norm)[1] == pytest.approx(0.3, rel=1e-5)


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(NORMS),
    st.floats(1e-4, 1.0),
    st.integers(1, 4),
    st.floats(0.001, 1.0),
    st.sampled_from([(1, 5), (3, 4, 7), (1, 1, 1), (7,), (2, 3, 2, 2)]),
    st.sampled_from([torch.float32, torch.float64]),
)
def test_stays_in_the_ball_whatever_the_shape(norm, eps, steps, step_size, shape, dtype):
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(5, *shape, generator=generator, dtype=dtype)
    images[0], images[1] = 0.0, 1.0
    model = Plane(torch.randn(shape, generator=generator, dtype=dtype))
    attack = PGD(eps=eps, norm=norm, steps=steps, step_size=step_size)
    adversarial = perturb(attack, model, images, class_0(images), seed=1)
    assert adversarial.dtype == dtype
    assert adversarial.shape == images.shape
    assert (distances(adversarial, images, norm) <= eps * (1 + 1e-5) + 1e-6).all()


@pytest.mark.parametrize("norm", NORMS)
def test_nothing_in_the_loop_waits_for_the_device(norm):
    """On the meta device there are no values: whatever asks for one raises."""
    images = torch.empty(4, 3, 8, 8, device="meta")
    labels = torch.empty(4, dtype=torch.int64, device="meta")
    model = tiny_model().eval().requires_grad_(False).to("meta")
    attacks = [PGD(eps=0.1, norm=norm, restarts=2), PGD(eps=0.1, norm=norm, keep="last"), Noise(eps=0.1, draws=2)]
    for attack in [*attacks, FGSM(eps=0.1, random_start=True)]:
        assert attack(model, images, labels).shape == images.shape


def test_a_model_without_gradients_is_reported():
    class Detached(Plane):
        def forward(self, images):
            return super().forward(images.detach())

    images = torch.full((1, 1, 2, 2), 0.5)
    with pytest.raises(AttackError, match="no gradient with respect to the images"):
        perturb(PGD(eps=0.1), Detached(torch.ones(1, 2, 2)), images, class_0(images))


def test_is_the_same_from_text_and_numbers_and_shows_itself():
    attack = PGD(eps="8/255", steps="20", step_size="2/255")
    assert attack == PGD(eps=8 / 255, steps=20, step_size=2 / 255)
    assert repr(PGD(eps=0.5, norm="L2")) == (
        "PGD(eps=0.5, norm='L2', steps=10, step_size=None, random_start=True, restarts=1, keep='best', "
        "loss=CrossEntropy(label_smoothing=0.0), sparsity=None)"
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"eps": 8}, r"pgd: eps: expected at most 1 in Linf, got 8.*write 8/255"),
        ({"eps": 0.1, "step_size": 2}, r"pgd: step_size: expected at most 1 in Linf"),
        ({"eps": -0.1}, r"pgd: eps: expected"),
        ({"eps": 0.1, "norm": "linf"}, r"pgd: norm: expected .*Did you mean 'Linf'"),
        ({"eps": 0.1, "steps": 0}, r"pgd: steps: expected"),
        ({"eps": 0.1, "keep": "last", "restarts": 2}, r"pgd: restarts: .*keep: best"),
        ({"eps": 0.1, "random_start": False, "restarts": 2}, r"pgd: restarts: .*random_start: true"),
        ({"eps": 0.1, "sparsity": 0.1}, r"pgd: sparsity: only L1 steps are sparse, norm is Linf"),
        ({"eps": 0.1, "norm": "L1", "sparsity": 0}, r"pgd: sparsity: expected"),
    ],
)
def test_settings_that_make_no_sense_are_refused(fields, message):
    with pytest.raises(ComponentError, match=message):
        PGD(**fields)


def test_lengths_above_1_are_fine_in_l2_and_l1():
    assert PGD(eps=3, norm="L2", step_size=2).budget.eps == 3
    assert PGD(eps=12, norm="L1").budget.norm == "L1"
