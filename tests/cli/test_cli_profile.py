"""`run --profile` and `--trace`: the table, the files, and what they leave alone."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest
from cli_parts import Invoke, process

from robustkit.cli.costs import amount, profile_text, step_table, step_time
from robustkit.engine.cost import step_cost


@pytest.fixture
def known_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_cost, "convolution_peak", lambda device, dtype: 2e12)


def test_the_command_says_where_time_goes_and_writes_it_down(tiny: Path) -> None:
    done = process("run", "tiny.yaml", "-q", "--trace", "train_examples=640", cwd=tiny.parent)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    table = lines[lines.index("Results: runs/tiny") + 2 :]
    assert table[0].split() == ["phase", "time", "a", "step", "share", "FLOP", "FLOP/s", "of", "peak"]
    names = ["data", "attack", "training passes", "optimizer", "averaging", "aggregator", "other", "step"]
    assert [line[:15].strip() for line in table[1:9]] == names
    assert re.match(r"attack +\d.* ms +\d+\.\d % +4\.55 MFLOP +\d.*FLOP/s +\d+\.\d % +float32$", table[2])
    assert table[8].split()[3:5] == ["100.0", "%"]
    text = "\n".join(table)
    assert re.search(r"[\d,]+ images/s over 15 steps of 64 examples; 5 more are not in it", text)
    assert re.search(r"The peak is that of ResNet-18's 3x3 convolutions alone, measured here: \d+.* in float32\.", text)
    assert table[-1].startswith("Profile: runs/tiny/profile.json, the trace in trace.json.gz beside it")
    folder = tiny.parent / "runs" / "tiny"
    profile = json.loads((folder / "profile.json").read_text(encoding="utf-8"))
    assert profile["step"]["peaks"]["float32"] > 1e8
    assert json.loads(gzip.decompress((folder / "trace.json.gz").read_bytes()))["traceEvents"]


def test_the_report_is_the_same_with_and_without(invoke: Invoke, tiny: Path, known_peak: None) -> None:
    watched = json.loads(invoke("run", tiny, "--json", "--profile", "--output", "watched").stdout)
    plain = json.loads(invoke("run", tiny, "--json", "--output", "plain").stdout)
    assert {**watched, "cost": None} == {**plain, "cost": None}
    assert Path("watched/profile.json").is_file()
    assert not Path("plain/profile.json").exists()


def test_a_first_look_ends_with_the_profile(invoke: Invoke, tiny: Path, known_peak: None) -> None:
    result = invoke("run", tiny, "-q", "--profile", "--stop-after", 1, "train_examples=320")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].startswith("Stopped after epoch 1 of 2, as asked.")
    assert "over 3 steps of 64 examples; 2 more are not in it" in result.stdout
    assert lines[-1] == "Profile: runs/tiny/profile.json"


def test_too_few_steps_are_said_to_be_too_few(invoke: Invoke, tiny: Path, known_peak: None) -> None:
    result = invoke("run", tiny, "-q", "--profile", "epochs=1")
    assert result.exit_code == 0, result.output
    last = result.stdout.splitlines()[-1]
    assert last == "Only 2 steps ran, and the first are not timed: no profile. See runs/tiny/profile.json"


def test_a_failing_run_leaves_no_profile(invoke: Invoke, tiny: Path, known_peak: None) -> None:
    result = invoke("run", tiny, "--profile", "learners.natural.optimizer.lr=1e30", "epochs=3")
    assert result.exit_code == 1
    assert not Path("runs/tiny/profile.json").exists()


STEP = {
    "images": 128,
    "images_per_second": 512.0,
    "seconds": 0.25,
    "flops": 3e11,
    "flops_per_image": 2.3e9,
    "flops_per_second": 1.2e12,
    "share_of_peak": 0.615,
    "phases": {
        "data": {"seconds": 0.0005, "share_of_time": 0.002, "flops": 0.0},
        "attack": {
            "seconds": 0.2,
            "share_of_time": 0.8,
            "flops": 2.9e11,
            "flops_per_second": 1.45e12,
            "precision": "bfloat16",
            "share_of_peak": 0.725,
        },
    },
    "peaks": {"bfloat16": 2e12, "float32": 5e11},
}


def test_a_step_as_a_table() -> None:
    assert step_table(STEP).replace("\x1b[1m", "").replace("\x1b[0m", "").splitlines() == [
        "phase   time a step  share    FLOP       FLOP/s        of peak",
        "data    0.50 ms      0.2 %",
        "attack  200.0 ms     80.0 %   290 GFLOP  1.45 TFLOP/s  72.5 %   bfloat16",
        "step    250.0 ms     100.0 %  300 GFLOP  1.20 TFLOP/s  61.5 %",
    ]


def test_a_gpu_that_was_waited_for_is_said_to_be_slower() -> None:
    profile = {
        "steps": {"timed": 10, "left_out": 2},
        "step": STEP,
        "seconds_outside_steps": {"evaluation": 3.0, "other": 0.5},
        "waits_for_device": True,
        "peak_memory": 12_345_678_901,
        "trace": None,
    }
    text = profile_text(profile, "x/profile.json")
    assert "The GPU was waited for at each phase's edges: without --profile, the run is faster." in text
    assert "Outside of steps: 3.0 s of evaluation, 0.5 s of checkpoints and checks. Peak memory: 12.3 GB." in text
    assert "2.00 TFLOP/s in bfloat16 and 500 GFLOP/s in float32." in text


def test_amounts_have_three_digits_and_a_prefix() -> None:
    values = [0, 7, 999, 999.6, 1234, 99_949, 99_951, 1.5e6, 2.5e18, 4e21]
    assert [amount(value, "B") for value in values] == [
        "0 B", "7 B", "999 B", "1.00 kB", "1.23 kB", "99.9 kB", "100 kB", "1.50 MB", "2.50 EB", "4000 EB",
    ]  # fmt: skip


def test_times_of_steps() -> None:
    found = [step_time(seconds) for seconds in (0.00012, 0.0123, 0.9, 1.234, 12.0, 100.0)]
    assert found == ["0.12 ms", "12.3 ms", "900.0 ms", "1.23 s", "12 s", "1:40 min"]
