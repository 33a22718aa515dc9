"""Gone on from wherever it stopped, a run ends as if it had never stopped, bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest

from robustkit import Listener, load_run, run
from robustkit.errors import InputError

PGD = {"use": "pgd", "eps": 0.1, "step_size": 0.05, "steps": 2}
LR = {0: 0.05, 4: 0.01}
STATEFUL = {
    "epochs": 4,
    "architecture": {"use": "tiny", "dropout": 0.2},
    "augmentation": [{"use": "brightness"}],
    "learners": {
        "adam": {
            "strategy": "natural",
            "optimizer": {"use": "adam", "lr": {0: 0.01, 4: 0.002}},
            "averaging": {"decay": 0.9},
            "augmentation": [{"use": "brightness"}],
        },
        "sam": {
            "strategy": {"use": "adversarial", "attack": PGD},
            "optimizer": {"use": "sam", "lr": LR, "rho": 0.05, "weight_decay": 1e-3},
            "averaging": {"decay": 0.9, "warm_up": False},
        },
        "counting": {"strategy": "natural", "optimizer": {"use": "counting", "lr": 0.05}},
    },
    "evaluation": {"attacks": {"pgd": PGD}, "select_by": "pgd", "final_attacks": {"deadly": "deadly", "pgd": PGD}},
}
AGGREGATORS = {
    "generalist": {
        "use": "generalist",
        "mix": {"sam": {0: 0.5, 4: 0.2}, "adam": 0.3},
        "decay": 0.9,
        "start_epoch": 2,
        "every_epochs": 2,
        "redistribute": "epoch_start",
    },
    "recompute": {
        "use": "generalist",
        "mix": {"sam": 0.5, "adam": 0.3},
        "decay": 0.9,
        "every_epochs": 2,
        "batch_norm": "recompute",
        "optimizer_state": "reset",
    },
    "wa": {"use": "wa", "start_epoch": 2},
    "swa": {"use": "swa", "start_epoch": 2, "every_epochs": 2},
}


class Killed(BaseException):
    """As a kill: nothing in the engine may catch it."""


class StopAtStep(Listener):
    def __init__(self, step):
        self.step = step

    def batch_ended(self, run):
        if run.clock.step == self.step:
            raise Killed


@pytest.fixture
def stopped(train, plugins, tmp_path):
    """Start a run that a listener kills; gives its folder."""

    def stop(listener, **changes):
        folder = tmp_path / "stopped"
        with pytest.raises(Killed):
            train(**changes, listener=listener, output=folder)
        return folder

    return stop


@pytest.mark.parametrize("aggregator", AGGREGATORS)
def test_killed_in_every_epoch(train, plugins, tmp_path, compare, aggregator):
    """The same run, killed in the middle of each epoch but the first, and gone on from every time."""
    changes = {**STATEFUL, "aggregator": AGGREGATORS[aggregator]}
    whole = train(**changes)
    folder = tmp_path / "stopped"
    with pytest.raises(Killed):
        train(**changes, listener=StopAtStep(4), output=folder)
    for step in (8, 11):
        with pytest.raises(Killed):
            run(folder, resume=True, plugins=plugins, listener=StopAtStep(step))
    resumed = run(folder, resume=True, plugins=plugins)
    assert compare.difference(whole.path, resumed.path) == []
    assert len(resumed.metrics) == 4


def test_killed_in_the_first_epoch_it_starts_anew(train, stopped, plugins, compare):
    changes = {**STATEFUL, "aggregator": AGGREGATORS["generalist"]}
    folder = stopped(StopAtStep(2), **changes)
    assert compare.difference(train(**changes).path, run(folder, resume=True, plugins=plugins).path) == []


TRAINING, FILES = 8, 19
"""How often a run of two epochs puts a file in its place: the lock; weights of three networks, metrics and checkpoint
of the first epoch; metrics and checkpoint of the second, which is no better. Then for each of three networks what is to
be measured, its one batch, and its examples; the report, twice."""


class CountedReplace:
    """`Path.replace`, until the doomed call."""

    def __init__(self, patch, doomed):
        self.count, self.doomed, self.replace = 0, doomed, Path.replace
        patch.setattr(Path, "replace", lambda path, target: self(path, target))

    def __call__(self, path, target):
        self.count += 1
        if self.count == self.doomed:
            raise Killed
        return self.replace(path, target)


@pytest.mark.parametrize("doomed", range(1, FILES + 1))
def test_killed_at_any_single_file(train, plugins, tmp_path, compare, monkeypatch, finished, doomed):
    """Whichever file was about to be put in its place, the folder can be gone on from."""
    folder, changes = tmp_path / "killed", {"evaluation": {"select_by": "natural"}}
    with monkeypatch.context() as patch:
        CountedReplace(patch, doomed)
        with pytest.raises(Killed):
            train(**changes, output=folder)
    if doomed == 1:  # the lock itself: nothing was begun
        assert [path.name for path in folder.iterdir()] == [".lock.yaml.partial"]
    else:
        run(folder, resume=True, plugins=plugins)
        assert compare.difference(finished, folder) == []
        assert not list(folder.rglob("*.partial"))


def test_metrics_never_run_ahead_of_the_checkpoint(train, plugins, tmp_path, monkeypatch):
    """Killed after the second epoch's metrics and before its checkpoint: resumed, the second line is gone at first."""
    folder, lines = tmp_path / "killed", []

    class Count(Listener):
        def started(self, run):
            lines.append(len(run.folder.metrics.read_text().splitlines()))

    with monkeypatch.context() as patch:
        CountedReplace(patch, TRAINING)
        with pytest.raises(Killed):
            train(evaluation={"select_by": "natural"}, output=folder)
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 2
    run(folder, resume=True, plugins=plugins, listener=Count())
    assert lines == [1]


@pytest.fixture(scope="module")
def finished(recipe, plugins, tmp_path_factory):
    """The folder of a run that nobody killed."""
    chosen, folder = recipe(evaluation={"select_by": "natural"}), tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        replace = CountedReplace(patch, doomed=0)
        run(chosen, output=folder, plugins=plugins)
    assert replace.count == FILES
    return folder


def test_a_finished_run_is_only_measured_again(train, plugins, compare):
    class Epochs(Listener):
        def batch_ended(self, run):
            raise AssertionError("it trained")

    finished = train()
    before = compare.results(finished.path)
    lock = (finished.path / "lock.yaml").read_bytes()
    run(finished.path, resume=True, plugins=plugins, listener=Epochs())
    assert compare.results(finished.path).keys() == before.keys()
    assert (finished.path / "lock.yaml").read_bytes() == lock


def test_an_unfinished_run_says_how_far_it_is(stopped, plugins):
    unfinished = load_run(stopped(StopAtStep(5)), plugins.registry)
    assert repr(unfinished).endswith("not finished, 1 of 2 epochs.")


def test_resumed_by_recipe_and_output(train, stopped, recipe, plugins, compare):
    folder = stopped(StopAtStep(5))
    run(recipe(), output=folder, resume=True, plugins=plugins)
    assert compare.difference(folder, train().path) == []


def test_a_changed_recipe_is_refused_with_every_difference_and_nothing_is_lost(stopped, recipe, plugins):
    folder = stopped(StopAtStep(5))
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    changed = recipe(
        epochs=3,
        architecture={"use": "tiny", "width": 8},
        learners={"natural": {"strategy": "natural", "optimizer": {"use": "sgd", "lr": 0.1}}},
        aggregator="single",
    )
    with pytest.raises(InputError) as caught:
        run(changed, output=folder, resume=True, plugins=plugins)
    text = str(caught.value)
    assert f"{folder} holds another run than this recipe:" in text
    for line in (
        "epochs: 2 then, 3 now",
        "architecture.width: 4 then, 8 now",
        "learners.natural.optimizer.lr: 0.05 then, 0.1 now",
        "learners.natural.averaging: {'decay': 0.9, 'warm_up': True, 'method': 'ema', 'start_epoch': 1, "
        "'every_epochs': 1} then, None now",
        "aggregator.use: 'generalist' then, 'single' now",
    ):
        assert f"\n  {line}\n" in text
    assert "learners.robust: " in text
    assert f"robustkit run {folder} --resume" in text
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_what_was_never_a_run_cannot_be_resumed(recipe, plugins, tmp_path):
    with pytest.raises(InputError, match="to resume, name the results folder"):
        run(recipe(), resume=True, plugins=plugins)
    with pytest.raises(InputError, match="nothing to resume, it has no lock.yaml"):
        run(recipe(), output=tmp_path, resume=True, plugins=plugins)


@pytest.mark.parametrize("content", ["file", "folder"])
def test_a_new_run_never_writes_over_another(train, tmp_path, content):
    target = tmp_path / "there"
    if content == "file":
        target.write_text("mine")
    else:
        target.mkdir()
        (target / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="is there already. Choose another --output, or go on with --resume"):
        train(output=target)
    assert (target if content == "file" else target / "mine.txt").read_text() == "mine"


def test_runs_without_an_output_are_numbered(recipe, plugins, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = [run(recipe(epochs=1), plugins=plugins).path for _ in range(3)]
    assert paths == [Path("runs/tiny"), Path("runs/tiny-2"), Path("runs/tiny-3")]
