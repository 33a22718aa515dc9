"""BatchNorm statistics: recomputed as plain averages, or held still."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from robustkit.engine.batch_norm import held_batch_norm, recompute_batch_norm
from robustkit.engine.data import RunData

IMAGES = torch.rand(10, 1, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
BATCHES = IMAGES.split(4)


@pytest.fixture
def model():
    """Two layers of BatchNorm with a history, the second frozen inside a network in train mode; dropout between."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Dropout(), nn.Flatten(), nn.BatchNorm1d(12, momentum=0.3)]
    model = nn.Sequential(*layers).double().train()
    for images in BATCHES[:2]:
        model(images)
    model[4].eval()
    return model


def state(model):
    modes = [module.training for module in model.modules()]
    momenta = [module.momentum for module in (model[1], model[4])]
    return modes, momenta, {name: tensor.clone() for name, tensor in model.state_dict().items()}


def test_statistics_are_the_means_over_batches_computed_by_hand(model):
    recompute_batch_norm(model, BATCHES)
    first, second = [], []
    for images in BATCHES:
        hidden = nn.functional.conv2d(images, model[0].weight, model[0].bias)
        mean, var = hidden.mean((0, 2, 3)), hidden.var((0, 2, 3), unbiased=False)
        hidden_size = hidden.numel() / 3
        first.append((mean, var * hidden_size / (hidden_size - 1)))
        normal = (hidden - mean.view(3, 1, 1)) / (var.view(3, 1, 1) + 1e-5).sqrt()
        normal = (normal * model[1].weight.view(3, 1, 1) + model[1].bias.view(3, 1, 1)).flatten(1)  # dropout is off
        second.append((normal.mean(0), normal.var(0)))
    for layer, found in ((model[1], first), (model[4], second)):
        means, variances = zip(*found, strict=True)
        torch.testing.assert_close(layer.running_mean, sum(means) / 3, atol=1e-12, rtol=0)
        torch.testing.assert_close(layer.running_var, sum(variances) / 3, atol=1e-12, rtol=0)


def test_nothing_else_changes(model):
    modes, momenta, before = state(model)
    recompute_batch_norm(model, BATCHES)
    after_modes, after_momenta, after = state(model)
    assert (after_modes, after_momenta) == (modes, momenta)
    same = [name for name in before if "running" not in name]
    assert "1.num_batches_tracked" in same
    assert all(torch.equal(before[name], after[name]) for name in same)
    assert not any(torch.equal(before[name], after[name]) for name in before if "running" in name)


def test_what_was_there_before_does_not_matter(model):
    recompute_batch_norm(model, BATCHES)
    once = state(model)[2]
    recompute_batch_norm(model, BATCHES)
    assert all(torch.equal(once[name], tensor) for name, tensor in state(model)[2].items())


def test_layers_without_running_statistics_keep_none():
    model = nn.Sequential(nn.BatchNorm2d(1, track_running_stats=False), nn.BatchNorm2d(1)).double()
    recompute_batch_norm(model, BATCHES)
    assert model[0].running_mean is None
    assert bool((model[1].running_mean != 0).all())


def test_without_batch_norm_no_image_is_read():
    recompute_batch_norm(nn.Linear(2, 2), iter(lambda: pytest.fail("a batch was read"), None))


def test_the_engine_recomputes_from_whole_batches_of_training_images_as_they_are(train):
    """The global learner's statistics in the file are those of its own weights, without augmentation."""
    finished = train(augmentation=["brightness"], aggregator="swa", precision="float64")
    model = finished.model()
    before = {name: tensor.clone() for name, tensor in model.weights().items()}
    images = RunData(finished.recipe, torch.device("cpu")).train.images(torch.arange(24)).double()
    recompute_batch_norm(model, images.split(8))
    torch.testing.assert_close(dict(model.weights()), before, rtol=1e-12, atol=1e-12)


def test_a_last_batch_of_one_image_is_no_stumbling_block(train):
    """27 images in batches of 13 leave one, which has no variance for BatchNorm over single numbers."""
    finished = train(batch_size=13, aggregator="swa", architecture={"use": "tiny", "flat": True})
    assert len(finished.metrics) == 2


def test_held_statistics_stay_while_gradients_flow(model):
    model[4].train()
    before = state(model)
    with held_batch_norm(model, hold=True):
        model(BATCHES[2]).sum().backward()
    after = state(model)
    assert before[:2] == after[:2]
    assert all(torch.equal(tensor, after[2][name]) for name, tensor in before[2].items())
    assert model[1].weight.grad is not None


def test_held_batches_are_still_normalized_by_their_own_statistics(model):
    torch.manual_seed(1)
    free = model(BATCHES[0])
    torch.manual_seed(1)
    with held_batch_norm(model, hold=True):
        assert torch.equal(model(BATCHES[0]), free)


def test_unless_held_statistics_move(model):
    before = model[1].running_mean.clone()
    with held_batch_norm(model, hold=False):
        model(BATCHES[0])
    assert not torch.equal(model[1].running_mean, before)


def test_what_raises_inside_leaves_no_trace(model):
    before = state(model)
    with pytest.raises(RuntimeError, match="channels"), held_batch_norm(model, hold=True):
        model(torch.cat([BATCHES[0]] * 2, dim=1))
    after = state(model)
    assert before[:2] == after[:2]
    assert all(torch.equal(tensor, after[2][name]) for name, tensor in before[2].items())
