"""`robustkit estimate`: what it prints, that it writes nothing, and its errors."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from cli_parts import Invoke, process

from robustkit import load_recipe
from robustkit.cli.forecast import forecast_text
from robustkit.engine.cost import bookkeeping, step_cost
from robustkit.engine.cost.estimate import Cost, Estimate, estimate
from robustkit.engine.folder import RunFolder
from robustkit.engine.launch import surroundings
from robustkit.engine.run import Run
from robustkit.plugin.manager import installed


@pytest.fixture
def known_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_cost, "convolution_peak", lambda device, dtype: 2e12)


def test_the_command_tells_time_operations_and_memory_and_writes_nothing(tiny: Path) -> None:
    before = sorted(tiny.parent.rglob("*"))
    done = process("estimate", "tiny.yaml", "--seconds", "0.5", cwd=tiny.parent)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == "tiny: small-cnn on digits, 2 learners, 2 epochs of 2 batches of 64 on cpu"
    assert lines[2].split() == ["time", "at", "most", "FLOP", "at", "most"]
    assert [line[:16].strip() for line in lines[3:7]] == ["training", "validation", "final evaluation", "whole run"]
    assert re.search(r"[\d,]+ images/s, [\d.]+ s an epoch, \d+\.\d % of the peak, \d+ kFLOP an image\.", done.stdout)
    assert re.search(r"Memory: [\d.]+ [MG]B at its highest; weights [\d.]+ kB, gradients [\d.]+ kB", done.stdout)
    assert "Assumed of measuring: 90 % of the examples are right without an attack" in done.stdout
    assert "first look" not in done.stdout
    assert sorted(tiny.parent.rglob("*")) == before


def test_json_is_one_object(invoke: Invoke, tiny: Path, known_peak: None) -> None:
    found = json.loads(invoke("estimate", tiny, "--seconds", 0.3, "--json").stdout)
    assert (found["name"], found["device"]) == ("tiny", "cpu")
    total = sum(found[part]["seconds"] for part in ("training", "validation", "final_evaluation"))
    assert found["total"]["seconds"] == pytest.approx(total)
    assert set(found["final_evaluation"]["parts"]) == {"natural", "pgd-2", "noise"}
    assert found["step"]["peaks"] == {"float32": 2e12}


def test_overrides_count(invoke: Invoke, tiny: Path, known_peak: None) -> None:
    def flops(*words: str) -> float:
        found = json.loads(invoke("estimate", tiny, "--seconds", 0.2, "--json", *words).stdout)
        return float(found["training"]["flops_at_most"])

    once = flops()
    assert flops("epochs=20") == pytest.approx(10 * once)
    assert flops("learners.robust.strategy.attack.steps=5") > 1.5 * once


def test_bad_input_ends_with_2(invoke: Invoke, tiny: Path) -> None:
    assert invoke("estimate", "nowhere.yaml").exit_code == 2
    assert invoke("estimate", tiny, "epochs=0").exit_code == 2
    assert invoke("estimate", tiny, "--seconds", 0).exit_code == 2
    result = invoke("estimate", tiny, "batch_size=500")
    assert result.exit_code == 2
    assert "batch_size is 500, but only 128 training examples" in result.stderr


def test_ctrl_c_ends_it_with_one_word_and_leaves_nothing(
    invoke: Invoke, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bookkeeping, "save_checkpoint", pressed)
    monkeypatch.setattr("tempfile.tempdir", str(tiny.parent))
    result = invoke("estimate", tiny, "--seconds", 0.2)
    assert (result.exit_code, result.stdout, result.stderr.strip()) == (130, "", "interrupted")
    assert list(tiny.parent.iterdir()) == [tiny]


@pytest.fixture
def found(tiny: Path, known_peak: None) -> tuple[Run, Estimate]:
    recipe = load_recipe(str(tiny))
    with surroundings(recipe):
        run = Run(recipe, RunFolder(tiny.parent / "nowhere"), installed())
        return run, estimate(run, 0.2)


def test_of_a_long_run_it_says_how_to_have_a_first_look(found: tuple[Run, Estimate]) -> None:
    run, short = found
    long = replace(short, training=Cost(72_000.0, 72_000.0, 1e18), epochs=120)
    text = forecast_text(run, long, "my.yaml")
    assert (
        "A first look: robustkit run my.yaml --stop-after 1 takes 10:00 min, and --resume goes on from there." in text
    )
    assert "20:00 h" in text
    quick = replace(short, training=Cost(3500.0, 3500.0, 1e18), epochs=120)
    assert "--stop-after 20 takes 9:4" in forecast_text(run, quick, "my.yaml")


def test_it_says_when_only_a_part_of_a_batch_was_used_or_something_was_compiled(found: tuple[Run, Estimate]) -> None:
    run, whole = found
    part = replace(whole, trial=replace(whole.trial, images=20, steps=3, compilation=70.0))
    text = forecast_text(run, part, "my.yaml")
    assert ": 3 steps, with 20 of a batch's 64 images, timed." in text
    assert "Compiling takes 1:10 min of the training." in text
    entire = replace(whole, trial=replace(whole.trial, images=64))
    assert "of a batch's" not in forecast_text(run, entire, "my.yaml")
