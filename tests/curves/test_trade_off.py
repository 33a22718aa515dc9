"""The trade-off plane, read from what runs wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from robustkit import Accuracy, TradeOff, load_run, trade_off
from robustkit.errors import InputError, WeightsError


def run_folder(
    path: Path, *, attacks: tuple[str, ...] = ("pgd-1",), finals: tuple[str, ...] = ("pgd-2",), eps: float = 0.1
) -> Path:
    """A results folder whose figures are easy to know: two epochs measured, one not."""
    path.mkdir()
    (path / "lock.yaml").write_text("name: made up\n", encoding="utf-8")
    lines: list[dict[str, Any]] = []
    for epoch in (1, 2, 3):
        line: dict[str, Any] = {"epoch": epoch, "global": {}, "learners": {"one": {"loss": 1.0}}}
        for number, network in enumerate((line["global"], line["learners"]["one"])):
            if epoch != 2 and attacks:
                figures = dict.fromkeys(attacks, epoch / 10 + number / 100)
                network["validation"] = {"natural": 0.5 + epoch / 10, **figures}
        lines.append(line)
    (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    figures = {"natural": Accuracy(9, 10).plain(), **{name: Accuracy(4, 10).plain() for name in finals}}
    report = {
        "networks": {"global": figures, "one": figures},
        "attacks": {name: {"use": "pgd", "eps": eps} for name in finals if name != "worst-case"},
        "examples": {"test": 10},
    }
    (path / "report.json").write_text(json.dumps(report), encoding="utf-8")
    return path


def test_paths_and_ends_are_what_the_run_wrote(tmp_path: Path) -> None:
    plane = trade_off(run_folder(tmp_path / "a"))
    assert (plane.attack, plane.final_attack, plane.notes) == ("pgd-1", "pgd-2", ())
    merged, one = plane.traces
    assert (merged.run, merged.network, merged.epochs) == ("a", "global", (1, 3))
    assert (merged.natural, merged.robust) == (pytest.approx((0.6, 0.8)), pytest.approx((0.1, 0.3)))
    assert (one.network, one.robust) == ("one", pytest.approx((0.11, 0.31)))
    assert merged.final == one.final == (Accuracy(9, 10), Accuracy(4, 10))
    assert TradeOff.from_plain(json.loads(json.dumps(plane.plain()))) == plane


def test_a_real_run_is_read(finished: Path) -> None:
    run, plane = load_run(finished), trade_off([finished])
    assert [trace.network for trace in plane.traces] == ["global", "natural", "robust"]
    assert plane.final_attack == "worst-case"
    for trace in plane.traces:
        found = run.report["networks"][trace.network]
        assert trace.final
        assert [part.plain() for part in trace.final] == [found["natural"], found["worst-case"]]
    assert plane.traces[0].natural == tuple(line["global"]["validation"]["natural"] for line in run.metrics)
    assert trade_off(run, final_attack="noise").final_attack == "noise"


def test_an_unfinished_run_has_only_its_path(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "a")
    (folder / "report.json").unlink()
    plane = trade_off(folder)
    assert plane.final_attack is None
    assert [trace.final for trace in plane.traces] == [None, None]
    assert plane.traces[0].epochs == (1, 3)


def test_a_run_without_validation_has_only_its_ends(tmp_path: Path) -> None:
    plane = trade_off(run_folder(tmp_path / "a", attacks=()))
    assert (plane.attack, [trace.network for trace in plane.traces]) == (None, ["global", "one"])
    assert [trace.epochs for trace in plane.traces] == [(), ()]
    assert plane.traces[0].final == (Accuracy(9, 10), Accuracy(4, 10))


def test_runs_meet_in_the_attacks_they_share(tmp_path: Path) -> None:
    first = run_folder(tmp_path / "a", attacks=("x", "pgd-1"), finals=("y", "pgd-2"))
    second = run_folder(tmp_path / "b", attacks=("pgd-1",), finals=("pgd-2",), eps=0.2)
    plane = trade_off([first, second])
    assert (plane.attack, plane.final_attack) == ("pgd-1", "pgd-2")
    assert [trace.run for trace in plane.traces] == ["a", "a", "b", "b"]
    assert plane.notes == ("pgd-2 is not the same attack in a and b.",)
    with pytest.raises(InputError, match="no validation attack 'x' in common. Known: pgd-1."):
        trade_off([first, second], attack="x")


def test_runs_of_one_name_are_told_apart_by_their_paths(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    folders = [run_folder(tmp_path / number / "run") for number in "12"]
    assert {trace.run for trace in trade_off(folders).traces} == set(map(str, folders))


def test_nothing_to_draw_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to draw"):
        trade_off(run_folder(tmp_path / "a", attacks=(), finals=()))
    others = [run_folder(tmp_path / "b", attacks=("x",)), run_folder(tmp_path / "c", attacks=("y",))]
    with pytest.raises(InputError, match="no validation attack in common: x; y"):
        trade_off(others)
    with pytest.raises(WeightsError, match="expected a results folder"):
        trade_off(tmp_path)
