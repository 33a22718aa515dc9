"""`robustkit sweep`: the command, also killed and in two processes at a time."""

from __future__ import annotations

import json
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sweep_parts import TINY, guard_is_free, runs_of, start, wait_for

from robustkit.cli import sweep_work
from robustkit.cli.main import cli
from robustkit.engine.sweep.folder import SweepFolder
from robustkit.engine.sweep.jobs import Jobs
from robustkit.models.files import read_tensors

LONG = ("epochs=30", "batch_size=16")  # long enough to be met at work
GRID = ("--grid", "aggregator.mix.robust=0.25", "seed=1..2")


def invoke(*words: Any) -> Result:
    return CliRunner().invoke(cli, ["sweep", *(str(word) for word in words)], prog_name="robustkit")


def weights(folder: Path) -> dict[str, bytes]:
    """The bytes of every kept tensor, and the figures."""
    found = {}
    for file in sorted(folder.glob("runs/*/weights/*.safetensors")):
        for name, tensor in read_tensors(file)[0].items():
            found[f"{file.relative_to(folder)}:{name}"] = tensor.numpy().tobytes()
    for file in sorted(folder.glob("runs/*/report.json")):
        report = json.loads(file.read_text(encoding="utf-8"))
        found[str(file.relative_to(folder))] = json.dumps(report["networks"]).encode()
    return found


@pytest.fixture(scope="module")
def two_at_a_time(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """The folder of a sweep that nothing disturbed, two runs at a time, and what was printed."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "tiny.yaml").write_text(TINY, encoding="utf-8")
    return folder / "here", invoke(folder / "tiny.yaml", *LONG, *GRID, "--jobs", 2, "--output", folder / "here")


def test_one_line_a_run_and_one_table(two_at_a_time: tuple[Path, Result]) -> None:
    folder, result = two_at_a_time
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == f"2 runs of 1 setting; 2 at a time with 1 thread each; results in {folder}"
    assert sorted(line.split()[1] for line in lines[1:3]) == sorted(path.name for path in folder.glob("runs/*"))
    assert [line.split()[0] for line in lines[1:3]] == ["1/2", "2/2"]
    assert "  natural " in lines[1]
    assert lines[4].split() == ["recipe", "seeds", "natural", "fgsm"]
    assert lines[5].split()[:3] == ["robust-0.25", "1,", "2"]
    assert lines[5].count(" ± ") == 2
    assert lines[-1] == f"All runs on one page: robustkit report {folder}/runs/* --output {folder}/comparison.html"


def test_the_comparison_is_of_the_runs_own_reports(two_at_a_time: tuple[Path, Result]) -> None:
    folder, _ = two_at_a_time
    content = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
    assert content["settings"] == {"robust-0.25": ["aggregator.mix.robust=0.25"]}
    assert (content["warnings"], content["missing"]) == ([], [])
    (row,) = content["rows"]
    assert row["runs"] == ["robust-0.25_seed-1", "robust-0.25_seed-2"]
    reports = [json.loads((folder / "runs" / run / "report.json").read_text()) for run in row["runs"]]
    shares = [report["networks"]["global"]["fgsm"]["accuracy"] for report in reports]
    assert row["figures"]["fgsm"]["mean"] == pytest.approx(sum(shares) / 2)
    assert row["figures"]["fgsm"]["deviation"] == pytest.approx(abs(shares[0] - shares[1]) / 2**0.5)
    text = (folder / "comparison.md").read_text(encoding="utf-8")
    assert "| robust-0.25 |" in text
    assert "- robust-0.25: `aggregator.mix.robust=0.25`" in text


def test_killed_it_goes_on_and_ends_with_the_same_bits_as_two_at_a_time(
    tiny: Path, two_at_a_time: tuple[Path, Result]
) -> None:
    folder, words = SweepFolder("here"), (tiny, *LONG, *GRID, "--output", "here")
    run = runs_of(tiny, *LONG, grid=GRID[1:])[0]
    killed = start(*words, cwd=Path.cwd())
    wait_for(lambda: folder.epochs_done(run) > 2)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    wait_for(lambda: guard_is_free(folder), 25)
    done = folder.epochs_done(run)
    assert folder.state(run) == "unfinished", "the worker stops with the sweep"
    assert 2 < done < 30

    result = invoke("here")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("2 runs of 1 setting; 1 at a time")
    log = folder.log(run).read_text(encoding="utf-8")
    assert any(f"going on after epoch {epoch}\n" in log for epoch in (done - 1, done)), "a checkpoint follows metrics"
    assert weights(folder.path) == weights(two_at_a_time[0])
    assert len(weights(folder.path)) > 20


def test_finished_runs_are_kept(two_at_a_time: tuple[Path, Result]) -> None:
    folder, _ = two_at_a_time
    before = {path: path.stat().st_mtime_ns for path in (folder / "runs").rglob("*")}
    result = invoke(folder)
    assert result.exit_code == 0
    assert result.stdout.startswith("2 runs of 1 setting, 2 finished; 1 at a time")
    assert {path: path.stat().st_mtime_ns for path in (folder / "runs").rglob("*")} == before


def test_ctrl_c_says_how_to_go_on(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: Jobs, runs: Any, listener: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Jobs, "work", interrupted)
    result = invoke(tiny, *GRID, "--output", "he re", "--disable", "timm")
    assert result.exit_code == 130
    go_on = "robustkit sweep 'he re' --disable timm"
    assert f"Interrupted: 0 of 2 runs are finished, the others can go on: {go_on}" in result.stderr


def test_more_seeds_are_added_and_one_that_fails_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, two_at_a_time: tuple[Path, Result]
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(two_at_a_time[0], folder)
    failing = [sys.executable, "-c", "print('error: the disk is full'); raise SystemExit(1)"]
    monkeypatch.setattr(sweep_work, "worker", lambda choice: failing)
    result = invoke(folder, "--grid", "seed=1..3", "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert [run["state"] for run in found["runs"]] == ["finished", "finished", "unfinished"]
    assert [row["seeds"] for row in found["comparison"]["rows"]] == [[1, 2]]
    failure = "3/3 robust-0.25_seed-3  failed (exit code 1): the disk is full Log: "
    assert failure in result.stderr
    assert "1 of 3 runs failed; the same command tries them again." in result.stderr
    assert "- Not finished: robust-0.25_seed-3\n" in (folder / "comparison.md").read_text(encoding="utf-8")
    assert len(runs_of(folder)) == 3


def test_a_dry_run_lists_and_estimates_and_writes_nothing(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("robustkit.cli.sweep_plan._SECONDS", 0.3)
    before = sorted(tiny.parent.rglob("*"))
    result = invoke(tiny, "--grid", "epochs=2,3", "seed=1..2", "--dry-run", "--estimate", "--jobs", 2)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split()[:3] == ["run", "state", "time"]
    assert [line.split()[:2] for line in lines[1:5]] == [
        [f"epochs-{epochs}_seed-{seed}", "new"] for seed in (1, 2) for epochs in (2, 3)
    ]
    assert lines[-1].startswith("About ")
    assert lines[-1].endswith(" with 2 at a time if they do not slow each other.")
    listed = json.loads(invoke(tiny, "--grid", "seed=1..2", "--dry-run", "--json").stdout)
    assert [(run["name"], run["seed"], run["state"]) for run in listed["runs"]] == [
        (f"tiny_seed-{seed}", seed, "new") for seed in (1, 2)
    ]
    assert sorted(tiny.parent.rglob("*")) == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--grid",), "Option '--grid' requires an argument"),
        (("--grid", "--dry-run"), "Option '--grid' requires an argument"),
        (("--estimate",), "--estimate goes with --dry-run"),
        (("seed=1..5", "--dry-run"), "seed: expected a whole number of at least 0"),
        (("--grid", "epochs=1,x"), "1 of 2 settings are no recipes"),
    ],
)
def test_wrong_words_are_explained_and_nothing_is_written(tiny: Path, words: tuple[str, ...], said: str) -> None:
    result = invoke(tiny, *words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert [path.name for path in tiny.parent.iterdir()] == ["tiny.yaml"]


def test_options_end_the_words_of_the_grid(tiny: Path) -> None:
    words = ("--grid", "seed=1..2", "epochs=2,3", "--jobs", 2, "batch_size=16", "--dry-run", "--json")
    listed = json.loads(invoke(tiny, *words).stdout)
    assert len(listed["runs"]) == 4
    assert listed["jobs"] == 2
