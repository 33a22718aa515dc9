"""`robustkit doctor`: any model, its options, its exit codes, and what it writes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from click.testing import Result

from robustkit import load_run
from robustkit.evaluation.checks.diagnosis import CLOSING, RULES

Doctor = Callable[..., Result]
PLUGIN = Path(__file__).parent / "planted_plugin.py"
QUICK = ["--check", "clean-accuracy", "--check", "deterministic", "--examples", 60]


def answered(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def statuses(found: dict[str, Any]) -> dict[str, str]:
    return {check["name"]: check["status"] for check in found["checks"]}


def test_a_run_is_examined_whole_with_its_own_attacks(doctor: Doctor, finished: Path) -> None:
    found = answered(doctor(finished, "--json", "--examples", 60))
    assert list(statuses(found)) == [rule.name for rule in RULES]
    assert "skipped" not in statuses(found).values(), found
    assert found["budget"] == {"norm": "Linf", "eps": 0.1}
    assert list(found["attacks"]) == ["pgd-5", "noise"]
    assert (found["badge"], found["examples"], found["caution"]) == ("C", 60, CLOSING)
    again = answered(doctor(finished, "--json", *QUICK, "--network", "robust"))
    assert again["checks"][0]["figure"] != found["checks"][0]["figure"]


def test_the_table_says_what_to_do_and_what_checks_cannot_say(doctor: Doctor, finished: Path) -> None:
    result = doctor(finished, *QUICK, "--check", "attack-list-diverse")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["status", "check", "found"]
    assert lines[1].startswith("ok      clean-accuracy")
    assert "  what to do  Evaluate by `autoattack`" in result.stdout
    assert lines[-2].startswith("on 60 test examples, with Linf 0.1, in ")
    assert lines[-1] == CLOSING
    assert "  global, deterministic: 60 examples in " in result.stderr


def test_a_weights_file_with_a_recipe(doctor: Doctor, finished: Path) -> None:
    shutil.copy(finished / "weights" / "robust.safetensors", "mine.safetensors")
    found = answered(doctor("mine.safetensors", "--data", finished / "lock.yaml", "--json", "-q", *QUICK))
    assert statuses(found) == {"clean-accuracy": "ok", "deterministic": "ok"}
    assert found["model"] == "mine.safetensors"


def test_an_architecture_of_a_plugin_file(doctor: Doctor, finished: Path) -> None:
    model = f"rounded:weights={finished}/weights/global.safetensors,levels=8"
    words = ["--plugin", PLUGIN, "--data", finished, "--json", "-q", "--examples", 60]
    found = answered(doctor(model, *words, "--check", "gradients-not-masked", "--check", "test-set-chose-nothing"))
    assert statuses(found) == {"gradients-not-masked": "fail", "test-set-chose-nothing": "skipped"}


def test_an_untrained_timm_network(doctor: Doctor) -> None:
    model = "{use: timm, model: resnet10t, pretrained: false}"
    found = answered(doctor(model, "--data", "pgd-at", "--check", "clean-accuracy", "--examples", 20, "--json"))
    assert statuses(found) == {"clean-accuracy": "fail"}


def test_a_missed_gate_ends_with_1_and_says_by_how_much(doctor: Doctor, finished: Path) -> None:
    words = [finished, *QUICK, "--gate", "natural>=20, pgd-5>=99.9, no-fail", "--junit", "found.xml"]
    result = doctor(*words, "--output", "found.json")
    assert result.exit_code == 1, result.output
    missed = [line for line in result.stderr.splitlines() if line.startswith("gate missed:")]
    assert len(missed) == 1
    assert missed[0].startswith("gate missed: pgd-5>=99.9: pgd-5 is ")
    written = json.loads(Path("found.json").read_text(encoding="utf-8"))
    assert [entry["holds"] for entry in written["gate"]] == [True, False, True]
    assert list(written["accuracies"]) == ["natural", "pgd-5"]
    assert written["accuracies"]["natural"]["examples"] == 60
    suites = Xml.parse("found.xml").getroot()  # noqa: S314 - our own file
    cases = {case.get("name"): case for case in suites.iter("testcase")}
    assert list(cases) == ["clean-accuracy", "deterministic", "natural>=20", "pgd-5>=99.9", "no-fail"]
    assert [name for name, case in cases.items() if case.find("failure") is not None] == ["pgd-5>=99.9"]
    assert (suites.get("tests"), suites.get("failures"), suites.get("errors")) == ("5", "1", "0")


def test_a_gate_that_holds_ends_with_0(doctor: Doctor, finished: Path) -> None:
    result = doctor(finished, *QUICK, "--gate", "natural>=20, fgsm>=0, worst-case>=0", "-q")
    assert result.exit_code == 0, result.output
    assert "gate worst-case>=0: holds (worst-case is " in result.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--gate", "pgd-6>=1"], "no accuracy 'pgd-6'. Did you mean 'pgd-5'?"),
        (["--gate", "no-fale"], "Did you mean 'no-fail'?"),
        (["--check", "determinstic"], "Did you mean 'deterministic'?"),
        (["--eps", "8"], "at most 1 in Linf, got 8: for 8 of 255 write 8/255"),
        (["--eps", "x"], "--eps: expected a number"),
        (["--norm", "linf"], "expected Linf, L2, L1, got 'linf'. Did you mean 'Linf'?"),
        (["--norm", "L2"], "there is no radius to examine with in L2: give one"),
        (["--network", "robst"], "Did you mean 'robust'?"),
        (["--network", "all"], "one network is examined at a time"),
        (["epochs=3"], "has no effect on an evaluation"),
        (["--output", "nowhere/found.json"], "its folder is not there"),
        (["--attack", "pgd:epz=1"], "Did you mean 'eps'?"),
    ],
)
def test_bad_input_ends_with_2_before_anything_is_measured(
    doctor: Doctor, finished: Path, words: list[str], expected: str
) -> None:
    result = doctor(finished, *words)
    assert result.exit_code == 2, result.output
    assert expected in result.stderr
    assert "evaluating" not in result.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["nowhere/run"], "there is no such results folder or weights file"),
        (["smal-cnn", "--data", "generalist"], "Did you mean 'small-cnn'?"),
        (["small-cnn"], "is an architecture: name the recipe whose dataset to use, --data RECIPE"),
        (["small-cnn:width", "--data", "generalist"], "MODEL 'small-cnn:width': expected FIELD=VALUE, got 'width'"),
        (["small-cnn:width=0", "--data", "generalist"], "width: expected"),
        (["small-cnn", "--data", "generalist", "--network", "x"], "--network chooses among the networks"),
    ],
)
def test_models_that_are_none(doctor: Doctor, words: list[str], expected: str) -> None:
    result = doctor(*words)
    assert result.exit_code == 2, result.output
    assert expected in result.stderr


def test_files_are_not_overwritten(doctor: Doctor, finished: Path) -> None:
    Path("found.xml").write_text("mine", encoding="utf-8")
    result = doctor(finished, "--junit", "found.xml")
    assert result.exit_code == 2
    assert "found.xml: is there already. Name another file behind --junit." in result.stderr


def test_an_unfinished_run_has_no_record_yet(doctor: Doctor, finished: Path) -> None:
    shutil.copytree(finished, "run")
    Path("run/report.json").unlink()
    found = answered(doctor("run", "--json", "--check", "report-is-complete", "--examples", 20))
    assert statuses(found) == {"report-is-complete": "skipped"}


def test_a_report_that_was_changed_is_found_out(doctor: Doctor, finished: Path) -> None:
    shutil.copytree(finished, "run")
    report = load_run(finished).report
    report["networks"]["global"]["pgd-5"]["correct"] += 5
    report["selection"]["split"] = "test"
    Path("run/report.json").write_text(json.dumps(report), encoding="utf-8")
    checks = ["--check", "report-is-complete", "--check", "test-set-chose-nothing"]
    found = answered(doctor("run", "--json", *checks, "--examples", 20))
    assert set(statuses(found).values()) == {"fail"}


def test_as_a_process(finished: Path, tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ROBUSTKIT", "FORCE_COLOR"))}
    model = f"rounded:weights={finished}/weights/global.safetensors"
    words = [
        "--plugin",
        PLUGIN,
        "--data",
        finished,
        *QUICK,
        "--check",
        "gradients-not-masked",
        "--gate",
        "no-fail",
        "-q",
    ]
    command = [sys.executable, "-m", "robustkit", "doctor", model, *(str(word) for word in words)]
    environment = {**kept, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert done.stderr.strip() == "gate missed: no-fail: gradients-not-masked"
    assert done.stdout.splitlines()[-1] == CLOSING
