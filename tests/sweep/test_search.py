"""A sweep that searches: it goes by validation figures alone, goes on after a kill, and can be repeated."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from search_parts import LR, PROGRAM, made_up, write_search
from sweep_parts import guard_is_free, wait_for

from robustkit.cli import sweep_work
from robustkit.cli.main import cli
from robustkit.engine.folder import RunFolder
from robustkit.engine.sweep.folder import SweepFolder


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sweep_work, "worker", lambda choice: made_up())
    monkeypatch.setattr("robustkit.engine.sweep.jobs._LOOK", 0.01)
    return tmp_path


def invoke(*words: Any) -> Result:
    return CliRunner().invoke(cli, ["sweep", *(str(word) for word in words)], prog_name="robustkit")


def searched(*words: Any) -> dict[str, Any]:
    """search.json of a search that must go well."""
    result = invoke(*words, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)["search"]
    return found


def tried(folder: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(Path(folder, "sweep.yaml").read_text())["search"]["tried"]
    return found


def test_trials_are_shown_with_their_score_and_the_best_of_them(here: Path) -> None:
    result = invoke(write_search(here, maximise="{natural: 0.5, worst-case: 2}"))
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == (
        "5 trials by random, for the most of 0.5 natural + 2 worst-case; 1 at a time; results in sweeps/found"
    )
    assert [line.split()[:4] for line in lines[1:6]] == [
        [f"{number}/5", f"trial-00{number}_seed-1", "validation", "natural"] for number in range(1, 6)
    ]
    found = json.loads(Path("sweeps/found/search.json").read_text(encoding="utf-8"))
    assert (found["split"], found["maximise"]) == ("validation", {"natural": 0.5, "worst-case": 2.0})
    for trial in found["trials"]:
        figures = trial["figures"]
        assert figures["worst-case"] == figures["fgsm"], "one attack is the worst case"
        assert trial["score"] == pytest.approx(0.5 * figures["natural"] + 2 * figures["fgsm"])
    best = max(found["trials"], key=lambda trial: trial["score"])
    assert found["best"] == best["name"]
    assert (
        f"Best: {best['name']}, {best['score']:.4f}. Chosen by accuracies on the validation examples" in result.stdout
    )
    assert not SweepFolder("sweeps/found").comparison.exists(), (
        "a comparison on the test examples would invite a choice"
    )


@pytest.mark.parametrize("searcher", ["random", "{use: optuna, startup: 2}"])
def test_test_figures_are_never_looked_at(here: Path, searcher: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if "optuna" in searcher:
        pytest.importorskip("optuna", reason="optuna is not installed: pip install 'robustkit-torch[optuna]'")
    file = write_search(here, searcher=searcher)
    plain = searched(file, "--output", "plain")
    monkeypatch.setenv("MADE_UP_TEST_ACCURACY", "0.001")
    assert searched(file, "--output", "other") == plain

    def refused(self: RunFolder, path: Path) -> Any:
        raise AssertionError(f"{path} was read")

    monkeypatch.setattr(RunFolder, "read_json", refused)  # which is how reports are read
    assert searched(file, "--output", "unread") == plain
    for report in Path("plain").glob("runs/*/report.json"):
        report.unlink()
    assert searched("plain") == plain, "finished runs are judged anew, without their reports"


@pytest.mark.parametrize("searcher", ["random", "{use: optuna, startup: 2}"])
def test_killed_it_goes_on_without_repeating_and_ends_as_if_undisturbed(here: Path, searcher: str) -> None:
    if "optuna" in searcher:
        pytest.importorskip("optuna", reason="optuna is not installed: pip install 'robustkit-torch[optuna]'")
    file = write_search(here, searcher=searcher)
    whole = searched(file, "--output", "whole")
    killed = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "sweep", str(file), "--output", "parts"],
        env={**os.environ, "MADE_UP_SECONDS": "1"},
        stdout=subprocess.DEVNULL,
    )
    folder = SweepFolder("parts")
    wait_for(Path("parts/runs/trial-003_seed-1/lock.yaml").is_file)
    killed.kill()
    killed.wait()
    wait_for(lambda: guard_is_free(folder))
    kept = {path: path.stat().st_mtime_ns for path in folder.runs.glob("*/report.md")}
    assert (len(tried("parts")), len(kept)) == (3, 2)

    assert searched(file, "--output", "parts") == whole
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_a_search_goes_on_from_every_point_at_which_it_may_be_stopped(here: Path) -> None:
    whole = searched(write_search(here, trials=6), "--output", "whole")
    for trials in range(1, 7):
        file = write_search(here, trials=trials)
        result = searched(file, "--output", "steps", *(["--quiet"] if trials % 2 else []))
        assert result["trials"] == whole["trials"][:trials]
        last = RunFolder(f"steps/runs/trial-00{trials}_seed-1")
        last.report_text.unlink()  # as a run that was killed at its very end
    assert searched("steps") == whole


def test_another_seed_searches_elsewhere_and_several_runs_count_by_their_mean(here: Path) -> None:
    file = write_search(here, trials=3, more="  seed: 7\nseeds: 1..2\n")
    found = searched(file, "--jobs", 3)
    assert len(list(Path("sweeps/found/runs").iterdir())) == 6
    first = found["trials"][0]
    figures = [
        json.loads(Path(f"sweeps/found/runs/trial-001_seed-{seed}/metrics.jsonl").read_text())["global"]["validation"]
        for seed in (1, 2)
    ]
    assert first["score"] == pytest.approx(sum(each["natural"] for each in figures) / 2)
    other = searched(write_search(here, trials=3, more="seeds: 1..2\n"), "--output", "other")
    assert other["trials"][0]["settings"] != first["settings"]


def test_a_failed_trial_has_no_score_and_is_tried_again(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_search(here, trials=3)
    whole = searched(file, "--output", "whole")
    fails = "import sys; 'trial-002' in sys.argv[-1] and sys.exit('error: no memory'); exec(open('worker.py').read())"
    monkeypatch.setattr(sweep_work, "worker", lambda choice: [sys.executable, "-c", fails])
    result = invoke(file)
    assert result.exit_code == 1
    assert "trial-002_seed-1  failed (exit code 1): no memory" in result.stdout
    assert "1 of 3 runs failed; the same command tries them again." in result.stderr
    assert [trial["score"] for trial in json.loads(Path("sweeps/found/search.json").read_text())["trials"]][1] is None
    monkeypatch.setattr(sweep_work, "worker", lambda choice: made_up())
    assert searched(file) == whole


def test_a_space_that_is_used_up_ends_the_search(here: Path) -> None:
    file = write_search(here, trials=9)
    text = file.read_text(encoding="utf-8").replace("{low: 0.01, high: 1.0, log: true}", "[0.1]")
    file.write_text(text, encoding="utf-8")
    result = invoke(file)
    assert result.exit_code == 0, result.output
    assert "random proposes nothing that was not tried: 6 trials were not needed." in result.stdout
    assert sorted(settings["aggregator.every_epochs"] for settings in tried("sweeps/found")) == [1, 2, 3]
    assert invoke("sweeps/found").exit_code == 0


def test_a_narrower_space_keeps_the_trials(here: Path) -> None:
    file = write_search(here, trials=2)
    before = searched(file)["trials"]
    text = file.read_text(encoding="utf-8").replace("low: 0.01", "low: 0.9").replace("trials: 2", "trials: 4")
    file.write_text(text, encoding="utf-8")
    after = searched(file)["trials"]
    assert after[:2] == before
    assert all(trial["settings"][LR] >= 0.9 for trial in after[2:])
    assert len(after) == 4
