"""What a sweep's folder holds, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from sweep_parts import runs_of, sweep

from robustkit.engine.sweep.folder import SweepFolder
from robustkit.errors import InputError
from robustkit.plugin.manager import installed
from robustkit.recipe.loader import load_recipe

GRID = ("aggregator.every_epochs=1,2",)


def claim(folder: SweepFolder, source: Path | str, *overrides: str, grid: tuple[str, ...] = GRID) -> None:
    registry = installed().registry
    runs = runs_of(source, *overrides, grid=grid)
    with folder.claimed(sweep(source, *overrides, grid=grid), runs, registry):
        folder.prepare(runs[0])


@pytest.fixture
def folder(tiny: Path) -> SweepFolder:
    """A sweep whose first run was about to begin."""
    made = SweepFolder("here")
    claim(made, tiny)
    return made


def test_a_prepared_run_can_be_resumed_from_its_start(folder: SweepFolder, tiny: Path) -> None:
    first, second = runs_of(tiny, grid=GRID)
    assert load_recipe(folder.run(first).path) == first.recipe
    assert (folder.state(first), folder.state(second)) == ("unfinished", "new")
    assert folder.epochs_done(first) == 0


def test_the_same_sweep_and_more_runs_are_welcome(folder: SweepFolder, tiny: Path) -> None:
    claim(folder, tiny)
    claim(folder, tiny, grid=("aggregator.every_epochs=2,1,3", "seed=1..2"))
    claim(folder, "here", grid=())
    assert len(runs_of("here")) == 6


def test_another_base_is_refused_with_the_differences(folder: SweepFolder, tiny: Path) -> None:
    before = folder.file.read_bytes()
    with pytest.raises(InputError, match="another base recipe") as caught:
        claim(folder, tiny, "epochs=4", "learners.natural.optimizer.lr=0.2")
    assert "\n  epochs: 3 then, 4 now\n  learners.natural.optimizer.lr: 0.1 then, 0.2 now\n" in str(caught.value)
    assert "robustkit sweep here" in str(caught.value)
    assert folder.file.read_bytes() == before


def test_runs_cannot_be_lost(folder: SweepFolder, tiny: Path) -> None:
    with pytest.raises(InputError, match="cannot be extended") as caught:
        claim(folder, tiny, grid=("aggregator.every_epochs=2",))
    assert "every_epochs-1_seed-1: not in the sweep now" in str(caught.value)


def test_a_variant_that_means_something_else_now_is_refused(tiny: Path) -> None:
    made, file = SweepFolder("here"), Path("v.yaml")
    file.write_text("base: tiny.yaml\nvariants: {a: {}, b: {epochs: 5}}", encoding="utf-8")
    claim(made, "v.yaml", grid=())
    file.write_text("base: tiny.yaml\nvariants: {a: {}, b: {epochs: 6}}", encoding="utf-8")
    with pytest.raises(InputError, match="b_seed-1: epochs: 5 then, 6 now"):
        claim(made, "v.yaml", grid=())


def test_a_run_that_was_replaced_by_another_is_refused(folder: SweepFolder, tiny: Path) -> None:
    lock = folder.run(runs_of(tiny, grid=GRID)[0]).lock
    lock.write_text(lock.read_text(encoding="utf-8").replace("batch_size: 32", "batch_size: 16"), encoding="utf-8")
    with pytest.raises(InputError, match="batch_size: 16 then, 32 now"):
        claim(folder, tiny)


@pytest.mark.parametrize("place", ["here", "here/runs/every_epochs-1_seed-1"])
def test_a_folder_of_something_else_is_left_alone(tiny: Path, place: str) -> None:
    Path(place).mkdir(parents=True)
    (Path(place) / "letters.txt").write_text("dear", encoding="utf-8")
    if place != "here":
        SweepFolder("here").file.write_text(sweep(tiny, grid=GRID).text(), encoding="utf-8")
    with pytest.raises(InputError, match="is there already, and is no"):
        claim(SweepFolder("here"), tiny)
    assert [path.name for path in Path(place).iterdir()] == ["letters.txt"]


def test_two_sweeps_do_not_work_in_one_folder_at_once(folder: SweepFolder, tiny: Path) -> None:
    with (
        folder.claimed(sweep(tiny, grid=GRID), runs_of(tiny, grid=GRID), installed().registry),
        pytest.raises(InputError, match="another sweep is at work here"),
    ):
        claim(folder, tiny)
    claim(folder, tiny)
