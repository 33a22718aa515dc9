"""Searches that cannot be: told at once, with the way out, and before anything is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from search_parts import LR, made_up, write_search
from sweep_parts import runs_of

from robustkit.cli import sweep_work
from robustkit.cli.main import cli
from robustkit.engine.folder import RunFolder
from robustkit.engine.sweep.score import validation_figures
from robustkit.errors import InputError


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sweep_work, "worker", lambda choice: made_up())
    return tmp_path


def invoke(*words: Any) -> Result:
    return CliRunner().invoke(cli, ["sweep", *(str(word) for word in words)], prog_name="robustkit")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("use: random", "use: randon", "search.use: unknown searcher 'randon'. Did you mean 'random'?"),
        ("natural", "pgd", "the base measures no 'pgd' on its validation examples. Known: fgsm, natural, worst-case."),
        ("maximise: natural", "maximise: {}", "search.maximise: expected at least one accuracy, got none."),
        ("maximise: natural", "maximise: {natural: 0}", "search.maximise.natural: expected a number above 0"),
        ("low: 0.01", "low: 0", "low: expected a number above 0, as log is true, got 0."),
        ("[1, 2, 3]", "[]", "expected at least one value, got none."),
        ("[1, 2, 3]", "[1, 0]", "aggregator.every_epochs: expected a whole number of at least 1, got 0."),
        ("[1, 2, 3]", "{low: 1, high: 3}", "aggregator.every_epochs: expected a whole number of at least 1, got 2.2"),
        ("aggregator.every_epochs", "seed", "seeds have a key of their own, `seeds`."),
        ("  trials: 5", "  trials: 5\n  rounds: 2", "unknown key 'rounds'."),
        ("search:", "grid: {epochs: [1]}\nsearch:", "a search chooses the settings: it takes no variants and no grid."),
    ],
)
def test_wrong_files_are_explained(here: Path, before: str, after: str, said: str) -> None:
    file = write_search(here)
    text = file.read_text(encoding="utf-8")
    assert text.count(before) == 1
    file.write_text(text.replace(before, after), encoding="utf-8")
    for words in ([], ["--dry-run"]):
        result = invoke(file, *words)
        assert result.exit_code == 2
        assert said in result.stderr
    assert not Path("sweeps").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--grid", "epochs=1,2"], "grid epochs: "),
        (["--dry-run", "--estimate"], "--estimate needs to know the settings, and a search has yet to find them."),
        (["validation_examples=0"], "it goes by the validation examples, but the base's validation_examples is 0."),
    ],
)
def test_wrong_words_are_explained(here: Path, words: list[str], said: str) -> None:
    result = invoke(write_search(here), *words)
    assert (result.exit_code, said in result.stderr) == (2, True), result.stderr
    assert not Path("sweeps").exists()


def test_a_dry_run_says_how_many_trials_are_to_come(here: Path) -> None:
    file = write_search(here, trials=2)
    assert "2 more trials will be proposed by random." in invoke(file, "--dry-run").stdout
    assert not Path("sweeps").exists()
    assert invoke(file).exit_code == 0
    shown = invoke(file, "--dry-run").stdout
    assert "trial-002_seed-1  finished" in shown
    assert "more trial" not in shown


def test_another_base_in_the_folder_is_refused(here: Path) -> None:
    file = write_search(here, trials=1)
    assert invoke(file).exit_code == 0
    result = invoke(file, "batch_size=16")
    assert result.exit_code == 2
    assert "holds a sweep of another base recipe" in result.stderr
    assert invoke("measured.yaml", "--output", "sweeps/found").exit_code == 2, "a plain sweep is no search"


STRAY = """\
from robustkit import Searcher, hookimpl

class Stray(Searcher):
    "Leaves the space."
    name = "stray"

    def propose(self, space, trials, seed):
        return {"learners.robust.optimizer.lr": 7.0, "epochs": 3}

@hookimpl
def register_searchers():
    return [Stray]
"""


def test_a_searcher_that_leaves_the_space_is_named(here: Path) -> None:
    (here / "stray.py").write_text(STRAY, encoding="utf-8")
    result = invoke(write_search(here, searcher="stray"), "--plugin", "stray.py")
    assert result.exit_code != 0
    assert f"searcher 'stray', trial 1: epochs is not in the space; {LR}=7.0 is not in its range;" in result.stderr
    assert "aggregator.every_epochs is missing" in result.stderr


def test_settings_that_only_together_are_no_recipe_say_what_to_do(here: Path) -> None:
    file = write_search(here, trials=30)
    text = file.read_text(encoding="utf-8").replace(LR, "epochs")
    text = text.replace("low: 0.01, high: 1.0, log: true", "low: 1, high: 4, whole: true")
    text = text.replace("aggregator.every_epochs: [1, 2, 3]", "learners.robust.averaging.start_epoch: [1, 2, 3]")
    file.write_text(text, encoding="utf-8")
    result = invoke(file, "epochs=3")
    assert result.exit_code == 2
    assert "Narrow it and give the same command again: trials that lie in it are kept." in result.stderr


def test_figures_are_those_of_the_epoch_whose_weights_are_kept(here: Path) -> None:
    write_search(here)
    folder = RunFolder(here / "run")
    folder.path.mkdir()
    (last,) = runs_of("measured.yaml")
    (best,) = runs_of("measured.yaml", "evaluation.select_by=fgsm")
    folder.write_metrics([{"global": {}}])
    with pytest.raises(InputError, match="nothing was measured on validation examples"):
        validation_figures(folder, last.recipe)
    lines = [{"natural": n, "fgsm": f} for n, f in ((0.5, 0.1), (0.6, 0.3), (0.7, 0.3), (0.8, 0.2))]
    folder.write_metrics([{"global": {"validation": line}} for line in lines])
    assert validation_figures(folder, last.recipe) == {"natural": 0.8, "fgsm": 0.2, "worst-case": 0.2}
    assert validation_figures(folder, best.recipe) == {"natural": 0.6, "fgsm": 0.3, "worst-case": 0.3}
