"""`run` where no terminal is: plain lines, JSON, dry runs, resuming."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from cli_parts import Invoke

from robustkit import load_run
from robustkit.cli import progress
from robustkit.cli.progress import Lines, duration
from robustkit.engine.folder import claimed_folder


def test_plain_lines_one_an_epoch_then_the_results(invoke: Invoke, tiny: Path) -> None:
    result = invoke("run", tiny, "evaluation.every_epochs=2")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[0] == "tiny: small-cnn on digits, 2 learners (natural, robust), 2 epochs of 2 batches on cpu; " + (
        "results in runs/tiny"
    )
    epochs = [line for line in lines if line.startswith("epoch ")]
    assert len(epochs) == 2
    assert epochs[0].startswith("epoch 1/2  loss natural ")
    assert "images/s" in epochs[0]
    assert epochs[0].endswith(" left")
    assert "validation" not in epochs[0]
    assert "validation natural/pgd-1: global " in epochs[1]
    assert "(best so far)" in epochs[1]
    assert "\x1b" not in result.stdout
    assert "\r" not in result.stdout


def test_the_final_table_is_the_report(invoke: Invoke, tiny: Path) -> None:
    lines = invoke("run", tiny, "-q").stdout.splitlines()
    report = load_run("runs/tiny").report
    assert lines[0].split() == ["accuracy", "global", "natural", "robust"]
    assert [line.split()[0] for line in lines[1:5]] == ["natural", "pgd-2", "noise", "worst-case"]
    assert f"{100 * report['networks']['global']['pgd-2']['accuracy']:.1f} % (" in lines[2]
    assert "on 50 test examples, with 95 % intervals" in lines
    assert report["selection"]["text"] in lines
    assert report["caution"] in lines
    assert lines[-1] == "Results: runs/tiny"


def test_json_is_the_report_and_progress_goes_to_stderr(invoke: Invoke, tiny: Path) -> None:
    result = invoke("run", tiny, "--json", "--output", "here")
    assert json.loads(result.stdout) == json.loads(Path("here/report.json").read_text(encoding="utf-8"))
    assert "epoch 2/2" in result.stderr
    assert invoke("run", tiny, "--json", "--quiet", "--output", "there").stderr == ""


def test_dry_run_says_what_would_happen_and_writes_nothing(invoke: Invoke, tiny: Path) -> None:
    before = sorted(tiny.parent.rglob("*"))
    result = invoke("run", tiny, "epochs=6", "--dry-run")
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    assert "1 x 8 x 8 images in 10 classes" in text
    assert "128 to train on, 40 for validation, 50 to test" in text
    assert "6 epochs of 2 batches of 64, 12 steps a learner" in text
    assert (
        "robust adversarial(attack=pgd(eps=0.1, steps=1)) sgd(lr=0.1) offers its moving average with decay 0.5" in text
    )
    assert "every learner goes on from the global learner after the last batch of epochs 2, 4, 6" in text
    assert "the weights of the best pgd-1 accuracy of the global learner are kept" in text
    assert text.endswith("results runs/tiny")
    assert sorted(tiny.parent.rglob("*")) == before


@pytest.mark.parametrize(
    ("redistribute", "batches", "text"),
    [
        ("every_batch", [1, 2], "after every batch of epoch 2"),
        ("epoch_start", [0], "before the first batch of epoch 2"),
        ("never", None, "the learners never get the global learner's weights"),
    ],
)
def test_dry_run_knows_the_moments_of_redistribution(
    invoke: Invoke, tiny: Path, redistribute: str, batches: list[int] | None, text: str
) -> None:
    words = ["run", tiny, f"aggregator.redistribute={redistribute}", "--dry-run"]
    assert text in invoke(*words).stdout
    plan = json.loads(invoke(*words, "--json").stdout)
    assert plan["redistributions"] == ([{"epoch": 2, "batches": batches}] if batches else [])


def test_dry_run_as_json(invoke: Invoke, tiny: Path) -> None:
    plan = json.loads(invoke("run", tiny, "--dry-run", "--json").stdout)
    assert plan["examples"] == {"train": 128, "validation": 40, "test": 50}
    assert (plan["steps"], plan["batches_per_epoch"], plan["image_shape"]) == (4, 2, [1, 8, 8])
    assert plan["recipe"]["learners"]["natural"]["strategy"]["use"] == "natural"
    assert plan["parameters"] > 100
    assert plan["output"] == "runs/tiny"


def test_dry_run_finds_what_checking_alone_cannot(invoke: Invoke, tiny: Path) -> None:
    assert invoke("check", tiny, "batch_size=500").exit_code == 0
    result = invoke("run", tiny, "batch_size=500", "--dry-run")
    assert result.exit_code == 2
    assert "batch_size is 500, but only 128 training examples" in result.stderr
    assert invoke("run", tiny, "--dry-run", "--resume").exit_code == 2


def test_bad_input_ends_with_2_and_leaves_nothing(invoke: Invoke, tiny: Path) -> None:
    assert invoke("run", tiny, "epochs=x").exit_code == 2
    assert invoke("run", "nowhere.yaml").exit_code == 2
    assert invoke("run", tiny, "epochs").exit_code == 2
    assert invoke("run", tiny, "--nonsense").exit_code == 2
    assert not Path("runs").exists()


def test_a_failing_run_ends_with_1_and_says_what_is_kept(invoke: Invoke, tiny: Path) -> None:
    result = invoke("run", tiny, "learners.natural.optimizer.lr=1e30", "epochs=3")
    assert result.exit_code == 1
    assert "error: learner 'natural': " in result.stderr or "no longer finite" in result.stderr


def test_an_output_that_is_there_is_not_overwritten(invoke: Invoke, tiny: Path, finished: Path) -> None:
    result = invoke("run", tiny, "--output", finished)
    assert result.exit_code == 2
    assert "is there already" in result.stderr


def test_a_finished_run_is_repeated_from_its_folder(invoke: Invoke, tiny: Path, finished: Path) -> None:
    assert invoke("run", finished, "-q", "--output", "again").exit_code == 0
    first, again = load_run(finished).report, load_run("again").report
    assert {**first, "cost": None} == {**again, "cost": None}


def test_resuming_a_finished_run_measures_it_again(invoke: Invoke, tiny: Path) -> None:
    invoke("run", tiny, "-q", "--output", "done")
    Path("done/report.json").unlink()
    result = invoke("run", "done", "--resume")
    assert result.exit_code == 0
    assert "going on after epoch 2" in result.stdout
    assert not any(line.startswith("epoch ") for line in result.stdout.splitlines())
    assert Path("done/report.json").is_file()


def test_resuming_nothing_says_how_to(invoke: Invoke, tiny: Path) -> None:
    result = invoke("run", tiny, "--resume")
    assert result.exit_code == 2
    assert "robustkit run runs/NAME --resume" in result.stderr


def test_runs_that_start_together_get_a_folder_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folders: list[Path] = []
    threads = [threading.Thread(target=lambda: folders.append(claimed_folder("x"))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(folders)) == 16


def test_a_recipe_runs_by_its_name(invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small = ["epochs=1", "train_examples=64", "evaluation.test_examples=20", "architecture.width=4"]
    found = invoke("run", "natural", *small, "learners.natural.optimizer.lr=0.1", "evaluation.final_attacks={}")
    assert found.exit_code == 0, found.output
    assert found.stdout.splitlines()[-1] == "Results: runs/natural"
    assert "  global, natural: 20 examples in " in found.stdout


def test_a_long_attack_says_now_and_then_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = Lines()
    lines.evaluation_started(["global"], ["square"])
    lines.measuring("global", "natural", 9000, 9000)
    lines.measuring("global", "square", 500, 9000)
    monkeypatch.setattr(progress, "_PLAIN_SECONDS", -1.0)  # a minute has passed
    lines.measuring("global", "square", 1000, 9000)
    lines.measuring("global", "square", 9000, 9000)
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == ["evaluating global", "  global, square: 1,000 of 9,000 examples"]
    assert said[2].startswith("  global, square: 9,000 examples in ")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (59.4, "59 s"), (60, "1:00 min"), (3599, "59:59 min"), (3720, "1:02 h")],
)
def test_durations_are_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_stop_after_says_how_far_it_went_and_the_printed_command_goes_on(invoke: Invoke, tiny: Path) -> None:
    result = invoke("run", tiny, "-q", "--stop-after", 1)
    assert result.exit_code == 0, result.output
    assert result.stdout == "Stopped after epoch 1 of 2, as asked. Go on with: robustkit run runs/tiny --resume\n"
    assert invoke("run", "runs/tiny", "--resume", "-q").exit_code == 0
    assert load_run("runs/tiny").report["epochs"] == 2


def test_stop_after_in_json(invoke: Invoke, tiny: Path) -> None:
    told = json.loads(invoke("run", tiny, "--json", "--stop-after", 1).stdout)
    assert told == {"finished": False, "epoch": 1, "epochs": 2, "path": "runs/tiny"}
