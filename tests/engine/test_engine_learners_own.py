"""What each learner may have for itself: updates a batch, frozen parameters, weights to start from, its own average."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from robustkit import Averaging, load_recipe
from robustkit.components.clock import Clock
from robustkit.errors import ComponentError, InputError, RecipeError, WeightsError
from robustkit.models.files import read_tensors

SGD = {"use": "sgd", "lr": 0.05, "momentum": 0.9}


def learner(**more):
    return {"strategy": "natural", "optimizer": SGD, **more}


def weights(found, network):
    return read_tensors(found.path / "weights" / f"{network}.safetensors")[0]


def alone(**more):
    return {"learners": {"one": learner(**more)}, "aggregator": "single"}


def test_updates_per_batch_are_that_many_steps_on_the_same_images(train, parts):
    train(**alone(strategy={"use": "watched", "label": "thrice"}, updates_per_batch=3), epochs=1)
    images = [images for images, _ in parts.SEEN["thrice"]]
    assert len(images) == 9  # 27 examples in batches of 8
    for first in range(0, 9, 3):
        assert torch.equal(images[first], images[first + 1])
        assert torch.equal(images[first], images[first + 2])
    assert not torch.equal(images[0], images[3])


def test_a_loss_that_is_not_a_number_is_told_by_its_batch(train):
    strategy = {"use": "watched", "label": "broken", "not_a_number_at": 5}
    with pytest.raises(Exception, match=r"learner 'one': the loss is nan in epoch 1, batch 2\."):
        train(**alone(strategy=strategy, updates_per_batch=4))


def test_frozen_parameters_stay_and_all_others_move(train):
    start, end = (train(**alone(freeze=["0.*", "6.bias"]), epochs=epochs) for epochs in (1, 3))
    moved = {
        name for name, tensor in weights(end, "one").items() if not torch.equal(tensor, weights(start, "one")[name])
    }
    trained = {"2.weight", "2.bias", "6.weight"}
    assert moved == trained | {"2.running_mean", "2.running_var", "2.num_batches_tracked"}


@pytest.mark.parametrize(
    ("patterns", "text"),
    [
        (["convolution.*"], r"learner 'one': freeze: no parameter's name matches 'convolution\.\*'\. .*Known: 0\.bias"),
        (["*"], "learner 'one': freeze leaves no parameter to train"),
    ],
)
def test_freezing_that_cannot_be_meant_is_refused(train, patterns, text):
    with pytest.raises(InputError, match=text):
        train(**alone(freeze=patterns))


def test_starts_from_given_weights_while_others_start_from_the_shared_ones(train, tmp_path):
    before = train(**alone(), epochs=2)
    path = before.path / "weights" / "one.safetensors"
    still = {"use": "sgd", "lr": 0.0}
    both = {"tuned": learner(start_from=str(path), optimizer=still), "fresh": learner(optimizer=still)}
    after = train(learners=both, aggregator={"use": "none", "learner": "tuned"}, epochs=1)
    given, tuned, fresh = weights(before, "one"), weights(after, "tuned"), weights(after, "fresh")
    assert torch.equal(given["0.weight"], tuned["0.weight"])
    assert not torch.equal(given["0.weight"], fresh["0.weight"])


def test_weights_of_another_network_or_normalization_are_refused(train, tmp_path):
    small = train(**alone(), epochs=1).path / "weights" / "one.safetensors"
    with pytest.raises(WeightsError, match=r"'0\.weight' has shape \(4, 1, 3, 3\), expected \(6, 1, 3, 3\)"):
        train(**alone(start_from=str(small)), architecture={"use": "tiny", "width": 6})
    with pytest.raises(WeightsError, match="its network normalizes images with None, this recipe's with Normal"):
        train(**alone(start_from=str(small)), normalization={"mean": [0.5], "std": [0.25]})
    with pytest.raises(WeightsError, match="there is no such file"):
        train(**alone(start_from=str(tmp_path / "none.safetensors")))


def means(averaging, values, batches):
    """The averages of these weights after each batch, one by one: `lerp` with the shares."""
    clock, average, found = Clock(len(values) // batches, batches), 0.0, []
    for number, value in enumerate(values):
        clock.epoch, clock.batch = number // batches + 1, number % batches
        average += averaging.share(clock) * (value - average)
        found.append(average)
    return found


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.lists(st.floats(-1, 1), min_size=16, max_size=16))
def test_plain_means_are_plain_means(batches, start, every, values):
    epochs = 16 // batches
    values = values[: epochs * batches]
    wa = means(Averaging(method="wa", start_epoch=start), values, batches)
    counted = values[(start - 1) * batches :]
    if counted:
        assert wa[-1] == pytest.approx(sum(counted) / len(counted), abs=1e-12)
    swa = means(Averaging(method="swa", start_epoch=start, every_epochs=every), values, batches)
    ends = [values[epoch * batches - 1] for epoch in range(start, epochs + 1, every)]
    if ends:
        assert swa[-1] == pytest.approx(sum(ends) / len(ends), abs=1e-12)
        first = start * batches - 1
        assert swa[: first + 1] == pytest.approx(values[: first + 1], abs=1e-12)  # it follows until then


def test_a_late_exponential_average_follows_and_then_is_as_young_as_one_from_the_start():
    values = [1.0, 5.0, 2.0, 3.0, 4.0, 8.0]
    late = means(Averaging(decay=0.5, start_epoch=2), values, 2)
    assert late[:2] == [1.0, 5.0]
    expected = 5.0
    for step, value in enumerate(values[2:], start=1):
        decay = min(0.5, step / (step + 9))
        expected = decay * expected + (1 - decay) * value
    assert late[-1] == pytest.approx(expected, abs=1e-12)


def test_averages_of_every_method_beside_each_other(train):
    methods = {"ema": {"decay": 0.5}, "wa": {"method": "wa", "start_epoch": 2}, "swa": {"method": "swa"}}
    learners = {name: learner(averaging=averaging) for name, averaging in methods.items()} | {"raw": learner()}
    found = train(learners=learners, aggregator={"use": "none", "learner": "wa"}, epochs=3)
    tensors = [weights(found, name)["6.weight"] for name in learners]
    assert not any(torch.equal(one, other) for index, one in enumerate(tensors) for other in tensors[:index])


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"method": "wa", "decay": 0.9}, "method"),
        ({"method": "swa", "warm_up": False}, "method"),
        ({"method": "wa", "every_epochs": 2}, "every_epochs"),
        ({"every_epochs": 2}, "every_epochs"),
    ],
)
def test_settings_of_another_method_are_refused(settings, path):
    with pytest.raises(ComponentError) as caught:
        Averaging(**settings)
    assert [problem.path for problem in caught.value.problems] == [(path,)]


def test_an_average_that_would_never_start_is_refused(data, plugins):
    with pytest.raises(RecipeError, match=r"averaging\.start_epoch: expected an epoch of this run, 1 to 2, got 3"):
        load_recipe(data(**alone(averaging={"start_epoch": 3})), registry=plugins.registry)
