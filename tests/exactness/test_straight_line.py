"""The engine against the straight-line reference: every weight and buffer of every network, after every epoch."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import straight_line as reference
import torch

from robustkit import Listener, Plugins, load_recipe, run

TOLERANCE = 1e-9
EPOCHS, BATCH = 6, 16  # 44 images: 2 batches an epoch; 12 images are left out


@pytest.fixture(scope="module")
def plugins():
    return Plugins(files=[Path(__file__).with_name("exactness_parts.py")])


@pytest.fixture
def engine(plugins, tmp_path):
    """Run a recipe in the engine; gives its initial weights, what the learners saw, and snapshots after each epoch."""
    parts = sys.modules["robustkit_file_plugin_exactness_parts"]

    def train(learners, aggregator, **more):
        parts.BATCHES.clear(), parts.STARTS.clear()
        names = list(learners)
        data = {
            "name": "exact",
            "epochs": EPOCHS,
            "batch_size": BATCH,
            "validation_examples": 0,
            "precision": "float64",
            "threads": 1,
            "device": "cpu",
            "dataset": "noise",
            "architecture": "two-blocks",
            "learners": learners,
            "aggregator": aggregator,
            **more,
        }
        heard = Snapshots()
        run(load_recipe(data, registry=plugins.registry), output=tmp_path / "run", plugins=plugins, listener=heard)
        batches = list(together(parts.BATCHES, names))
        count = len(batches) // EPOCHS
        epochs = [batches[start : start + count] for start in range(0, len(batches), count)]
        return heard.initial, epochs, dict(parts.STARTS), heard.history

    return train


def together(batches, names):
    """Batch by batch, each learner's images by its name, and the labels, which all share."""
    for steps in zip(*(batches[name] for name in names), strict=True):
        images, labels = zip(*steps, strict=True)
        assert all(torch.equal(labels[0], other) for other in labels)
        yield dict(zip(names, images, strict=True)), labels[0]


class Snapshots(Listener):
    """Copies every tensor of every network after each epoch."""

    def started(self, run):
        self.history = []
        self.initial = {key: tensor.clone() for key, tensor in run.merged.items()}

    def epoch_ended(self, run, metrics):
        kept = {("global", key): tensor.clone() for key, tensor in run.merged.items()}
        for name, learner in run.learners.items():
            for part, weights in (("raw", learner.weights.raw), ("average", learner.weights.average or {})):
                kept |= {(name, part, key): tensor.clone() for key, tensor in weights.items()}
        self.history.append(kept)


def agree(engine, straight):
    assert len(engine) == len(straight) == EPOCHS
    for epoch, (ours, wanted) in enumerate(zip(engine, straight, strict=True), start=1):
        assert ours.keys() == wanted.keys()
        for key, tensor in wanted.items():
            assert ours[key].dtype == tensor.dtype
            difference = float((ours[key].double() - tensor.double()).abs().max())
            assert difference <= TOLERANCE, f"epoch {epoch}, {key}: differs by {difference}"


def images_in_order():
    """All training images as BatchNorm statistics are recomputed from them."""
    parts = sys.modules["robustkit_file_plugin_exactness_parts"]
    return parts.pictures(44, 0)[0].double().split(BATCH)[:2]


POINTS = {0: 0.1, 2: 0.1, 4: 0.02, 6: 0.005}
ATTACK = {"use": "pgd", "eps": 0.1, "step_size": 0.04, "steps": 2, "keep": "last", "random_start": False}


def learner(name, *, attack=None, decay=0.95, momentum=0.9, weight_decay=5e-4, points=POINTS, warm_up=True, **more):
    """A learner as the recipe says it and as the reference does."""
    inner = {"use": "adversarial", "attack": attack} if attack else "natural"
    lr = {"use": "linear", "points": points, "every_batch": True} if more.get("every_batch") else points
    recipe = {
        "strategy": {"use": "recorded", "learner": name, "inner": inner},
        "optimizer": {"use": "sgd", "lr": lr, "momentum": momentum, "weight_decay": weight_decay},
        "averaging": None if decay is None else {"decay": decay, "warm_up": warm_up},
    }
    pgd = attack and reference.PGD(attack["eps"], attack["step_size"], attack["steps"], attack.get("norm", "Linf"))
    return recipe, reference.Learner(points, momentum, weight_decay, pgd, decay, warm_up, **more)


def pair(**more):
    """The described pair: both average, the robust one decays its weights more."""
    return {
        "natural": learner("natural", **more),
        "robust": learner("robust", attack=ATTACK, weight_decay=3.5e-3, **more),
    }


def triple():
    other = {**ATTACK, "norm": "L2", "eps": 0.5, "step_size": 0.2}
    return {**pair(), "euclidean": learner("euclidean", attack=other, momentum=0.5)}


def recipes(learners):
    return {name: recipe for name, (recipe, _) in learners.items()}


def references(learners):
    return {name: straight for name, (_, straight) in learners.items()}


SHARES = {0: 1.0, 3: 1.0, 6: 0.4}
REST = {0: 0.0, 3: 0.0, 6: 0.6}
SCHEDULE = {"mix": {"robust": SHARES}, "decay": 0.9, "start_epoch": 2, "every_epochs": 2}
PLAN = {"shares": {"natural": REST, "robust": SHARES}, "decay": 0.9, "start_epoch": 2, "every": 2}
FIXED = {"natural": {0: 0.3}, "robust": {0: 0.7}}

GENERALISTS = {
    "as described: once, at the end of matching epochs": (pair, {}, {}),
    "as released: after every batch of matching epochs": (pair, {"redistribute": "every_batch"}, {}),
    "before matching epochs": (pair, {"redistribute": "epoch_start"}, {}),
    "never": (pair, {"redistribute": "never"}, {}),
    "from the first batch of every epoch": (
        pair,
        {"redistribute": "epoch_start", "start_epoch": 1, "every_epochs": 1},
        {"start_epoch": 1, "every": 1},
    ),
    "a grid that the start is not on": (pair, {"start_epoch": 3, "every_epochs": 5}, {"start_epoch": 3, "every": 5}),
    "share 0": (pair, {"mix": {"robust": 0.0}}, {"shares": {"natural": {0: 1.0}, "robust": {0: 0.0}}}),
    "share 1": (pair, {"mix": {"robust": 1.0}}, {"shares": {"natural": {0: 0.0}, "robust": {0: 1.0}}}),
    "equal shares": (pair, {"mix": {"robust": 0.5}}, {"shares": {"natural": {0: 0.5}, "robust": {0: 0.5}}}),
    "no warm-up": (pair, {"warm_up": False, "mix": {"robust": 0.7}}, {"warm_up": False, "shares": FIXED}),
    "no memory": (pair, {"decay": 0.0, "mix": {"robust": 0.7}}, {"decay": 0.0, "shares": FIXED}),
    "raw weights mixed": (pair, {"mix_of": "weights"}, {}),
    "raw weights mixed after every batch": (pair, {"mix_of": "weights", "redistribute": "every_batch"}, {}),
    "momentum forgotten": (pair, {"optimizer_state": "reset"}, {"reset": True}),
    "momentum forgotten after every batch": (
        pair,
        {"optimizer_state": "reset", "redistribute": "every_batch"},
        {"reset": True},
    ),
    "BatchNorm recomputed": (pair, {"batch_norm": "recompute"}, {}),
    "BatchNorm recomputed after every batch": (pair, {"batch_norm": "recompute", "redistribute": "every_batch"}, {}),
    "BatchNorm recomputed before epochs": (pair, {"batch_norm": "recompute", "redistribute": "epoch_start"}, {}),
    "BatchNorm of the natural learner": (pair, {"batch_norm": "natural"}, {}),
    "BatchNorm of the robust learner's raw weights": (pair, {"batch_norm": "robust", "mix_of": "weights"}, {}),
    "no averages": (lambda: pair(decay=None), {}, {}),
    "averages without warm-up": (lambda: pair(warm_up=False), {}, {}),
    "only the natural learner averages": (
        lambda: {"natural": learner("natural"), "robust": learner("robust", attack=ATTACK, decay=None)},
        {},
        {},
    ),
    "only the robust learner averages": (
        lambda: {"natural": learner("natural", decay=None), "robust": learner("robust", attack=ATTACK)},
        {"redistribute": "every_batch"},
        {},
    ),
    "schedules that move with every batch": (
        lambda: pair(every_batch=True),
        {"mix": {"robust": {"use": "linear", "points": SHARES, "every_batch": True}}},
        {"every_batch": True},
    ),
    "three learners": (
        triple,
        {"mix": {"robust": 0.5, "euclidean": {0: 0.1, 6: 0.3}}},
        {"shares": {"natural": {0: 0.4, 6: 0.2}, "robust": {0: 0.5}, "euclidean": {0: 0.1, 6: 0.3}}},
    ),
    "three learners, after every batch": (
        triple,
        {"mix": {"robust": 0.5, "euclidean": 0.2}, "redistribute": "every_batch"},
        {"shares": {"natural": {0: 0.3}, "robust": {0: 0.5}, "euclidean": {0: 0.2}}},
    ),
    "one learner": (
        lambda: {"robust": learner("robust", attack=ATTACK)},
        {"mix": {"robust": 1.0}},
        {"shares": {"robust": {0: 1.0}}},
    ),
}


@pytest.mark.parametrize("case", GENERALISTS)
def test_generalist(engine, case):
    make, settings, plan = GENERALISTS[case]
    learners = make()
    initial, epochs, _, ours = engine(recipes(learners), {"use": "generalist", **SCHEDULE, **settings})
    same = {key: settings[key] for key in ("redistribute", "mix_of", "batch_norm") if key in settings}
    straight = reference.Generalist(**{**PLAN, **same, **plan})
    agree(ours, reference.generalist(straight, references(learners), initial, epochs, images_in_order()))


@pytest.mark.parametrize("start_epoch", [1, 3])
@pytest.mark.parametrize("make", [pair, lambda: pair(decay=None), triple], ids=["averages", "raw", "three"])
def test_wa(engine, make, start_epoch):
    learners = make()
    initial, epochs, _, ours = engine(recipes(learners), {"use": "wa", "start_epoch": start_epoch})
    wanted = reference.averaging(references(learners), initial, epochs, images_in_order(), start_epoch=start_epoch)
    agree(ours, wanted)


@pytest.mark.parametrize(("start_epoch", "every"), [(1, 1), (2, 2), (3, 3), (6, 1)])
@pytest.mark.parametrize("make", [pair, lambda: pair(decay=None)], ids=["averages", "raw"])
def test_swa(engine, make, start_epoch, every):
    """BatchNorm statistics are recomputed for the average, in all layers."""
    learners = make()
    aggregator = {"use": "swa", "start_epoch": start_epoch, "every_epochs": every}
    initial, epochs, _, ours = engine(recipes(learners), aggregator)
    wanted = reference.averaging(
        references(learners), initial, epochs, images_in_order(), start_epoch=start_epoch, every=every
    )
    agree(ours, wanted)


def test_random_starts(engine):
    """What the attack draws is replayed from what its streams gave beforehand; nothing else differs from the others."""
    learners = pair()
    random = {"use": "recorded-starts", "learner": "robust", "inner": {**ATTACK, "random_start": True}}
    learners["robust"][0]["strategy"]["inner"]["attack"] = random
    initial, epochs, starts, ours = engine(recipes(learners), {"use": "generalist", **SCHEDULE})
    learners["robust"][1].attack.starts = list(starts["robust"])
    agree(ours, reference.generalist(reference.Generalist(**PLAN), references(learners), initial, epochs, []))
    assert torch.cat(starts["robust"]).unique(dim=0).shape == (12 * BATCH, 2, 8, 8)  # each example starts elsewhere


def test_augmentations_shared_and_own(engine):
    """Shared augmentation comes first and once; the reference replays what each learner was given."""
    learners = pair()
    learners["robust"][0]["augmentation"] = ["rolled"]
    initial, epochs, _, ours = engine(recipes(learners), {"use": "generalist", **SCHEDULE}, augmentation=["rolled"])
    assert not torch.equal(epochs[0][0][0]["natural"], epochs[0][0][0]["robust"])
    agree(ours, reference.generalist(reference.Generalist(**PLAN), references(learners), initial, epochs, []))


def test_the_epochs_batches_are_the_data_in_another_order_each(engine):
    learners = {"natural": learner("natural")}
    _, epochs, _, _ = engine(recipes(learners), {"use": "wa"}, batch_size=22)
    whole = sys.modules["robustkit_file_plugin_exactness_parts"].pictures(44, 0)[0].double()
    orders = []
    for epoch in epochs:
        seen = torch.cat([images["natural"] for images, _ in epoch])
        orders.append(torch.cdist(seen.flatten(1), whole.flatten(1)).argmin(1))
        assert torch.equal(seen, whole[orders[-1]])
        assert orders[-1].sort().values.tolist() == list(range(44))
    assert len({tuple(order.tolist()) for order in orders}) == EPOCHS
