"""Every program works, on tiny sizes; its figures mean nothing then, but their structure does."""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

import pytest
import torch

from benchmarks import __main__ as command
from benchmarks import machine, page, results
from benchmarks.options import Options
from benchmarks.programs import accuracy, attack, evaluation, levers, overhead, peak, scaling, step
from benchmarks.results import Record

OPTIONS = Options(quick=True, threads=1, networks=("small-cnn",))


@pytest.fixture(scope="module")
def measured() -> dict[str, Record]:
    """Each program's record, made when it is first asked for."""
    return _Records()


class _Records(dict[str, Record]):
    def __missing__(self, program: str) -> Record:
        result = import_module(f"benchmarks.programs.{program}").measure(OPTIONS)
        self[program] = Record(program, machine.facts(1, "cpu"), OPTIONS, 61.0, result)
        return self[program]


def case(record: Record) -> Any:
    return record.result["cases"]["small-cnn"]


def all_positive(seconds: dict[str, list[float]]) -> bool:
    return all(len(taken) >= 2 and min(taken) > 0 for taken in seconds.values())


@pytest.mark.parametrize("program", results.PROGRAMS)
def test_a_program_runs_and_its_part_of_the_page_is_written(program: str, measured: dict[str, Record]) -> None:
    record = measured[program]
    json.dumps(record.result)
    parts = page.section(record)
    assert parts[0].startswith("## ")
    assert any(part.startswith("| ") for part in parts)
    assert f"`python -m benchmarks {program}" in parts[-1]
    assert "nan" not in "".join(parts)


def test_step(measured: dict[str, Record]) -> None:
    found = case(measured["step"])
    assert set(found["seconds"]) == {step.AUTHORS, "float32", "default"}
    assert all_positive(found["seconds"])
    assert found["arithmetic"]["float32"] == {"training": "full", "attack": "full"}
    assert found["first_step"]["default"] > 0


def test_overhead(measured: dict[str, Record]) -> None:
    found = case(measured["overhead"])
    assert all_positive(found["seconds"])
    assert len(found["seconds"]["engine"]) == len(found["seconds"]["bare"]) == OPTIONS.rounds_or(0)
    assert overhead.ROUNDS.keys() >= {"resnet18", "digits"}


def test_attack(measured: dict[str, Record]) -> None:
    found = measured["attack"].result
    assert all_positive(case(measured["attack"])["seconds"])
    robust = found["strength"]["robust"]
    assert {attack.BASE, "torchattacks"} <= set(robust) or "torchattacks" in found["missing"]
    peers = {count for name, count in robust.items() if not name.startswith("robustkit")}
    assert robust[attack.FIRST] <= robust[attack.BASE]
    assert peers <= {robust[attack.BASE]}  # the same start and the same arithmetic leave the same examples


def test_levers(measured: dict[str, Record]) -> None:
    found = measured["levers"].result
    assert all_positive(case(measured["levers"])["seconds"])
    random, trained = found["effects"]
    assert random["forms"]["+ folded, channels-last"]["signs"] > 0.99
    assert 0.8 < trained["forms"]["bfloat16, folded"]["signs"] < 1
    assert trained["forms"]["frozen parameters"]["signs"] == 1
    assert levers.RETURNED in "".join(case(measured["levers"])["seconds"])


def test_evaluation(measured: dict[str, Record]) -> None:
    found = measured["evaluation"].result
    for attacked in found["attacks"].values():
        assert all_positive(attacked["seconds"])
        assert attacked["differ"]["first, full"] == 0
        assert attacked["robust"]["best, bfloat16-first"] <= attacked["robust"][evaluation.BASE]


def test_accuracy(measured: dict[str, Record]) -> None:
    ways = measured["accuracy"].result["ways"]
    assert set(ways) == {accuracy.AUTHORS, "float32", "bfloat16"}
    for runs in ways.values():
        assert len(runs) == 2
        assert all(found["global"].keys() == found["robust"].keys() == {"natural", "pgd-20"} for found in runs)


def test_peak(measured: dict[str, Record]) -> None:
    found = case(measured["peak"])
    assert found["attack_flops"] == peak.STEPS * found["convolution_flops"] > 0
    assert 0 < found["profile"]["share_of_peak"] < 2
    assert found["profile"]["peak"] > 0


def test_scaling(measured: dict[str, Record]) -> None:
    found = measured["scaling"].result
    assert found["series"].keys() == scaling.SERIES.keys()
    tensors = found["memory"]["tensors"]
    assert len(tensors) == 3
    assert tensors[-1] == tensors[1]


def test_slopes_are_those_of_known_functions() -> None:
    sizes = [1.0, 2.0, 4.0, 8.0]
    assert scaling.exponent(sizes, [3 * size**2 for size in sizes]) == pytest.approx(2)
    assert scaling.straightness(sizes, [5 + 2 * size for size in sizes]) == pytest.approx(0)
    assert scaling.straightness(sizes, [size**2 for size in sizes]) > 0.2


def test_the_command_measures_and_prints(capsys: pytest.CaptureFixture[str]) -> None:
    threads = torch.get_num_threads()
    try:
        command.main(["overhead", "--quick", "--threads", "1", "--networks", "small-cnn", "--rounds", "2"])
    finally:
        torch.set_num_threads(threads)
    printed = capsys.readouterr().out
    assert printed.startswith(f"## {overhead.TITLE}")
    assert "--rounds 2 --networks small-cnn" in printed


def test_the_command_says_what_it_wants(capsys: pytest.CaptureFixture[str]) -> None:
    for words, text in (([], "name a program"), (["nothing"], "invalid choice"), (["--help"], "peak")):
        with pytest.raises(SystemExit):
            command.main(words)
        told = capsys.readouterr()
        assert text in told.out + told.err
