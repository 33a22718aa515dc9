"""What the command refuses, always with exit code 2 and a message that names the file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from report_parts import Page, Reported, changed


def _cut(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def _wrong_count(report: dict[str, Any]) -> None:
    report["networks"]["global"]["natural"]["correct"] += 1


def _impossible(report: dict[str, Any]) -> None:
    report["networks"]["robust"]["noise"]["correct"] = 121


@pytest.mark.parametrize(
    ("file", "damage", "said"),
    [
        ("report.json", _cut, "expected JSON"),
        ("report.json", lambda path: path.write_text("[1]"), "expected a report"),
        ("report.json", lambda path: changed(path, lambda report: report.pop("cost")), "cost"),
        ("report.json", lambda path: changed(path, lambda report: report["networks"].clear()), "no network"),
        ("report.json", lambda path: changed(path, _impossible), "121 of 120"),
        ("report.json", lambda path: changed(path, _wrong_count), "two evaluations"),
        ("report.json", Path.unlink, "4 of 4 epochs"),
        ("lock.yaml", lambda path: path.write_text("a: [b"), "lock.yaml"),
        ("lock.yaml", lambda path: path.write_bytes(b"\xff\xfe\xff"), "lock.yaml"),
        ("lock.yaml", Path.unlink, "expected a results folder"),
        ("metrics.jsonl", lambda path: path.write_text(path.read_text()[:-9]), "metrics.jsonl"),
        ("metrics.jsonl", lambda path: path.write_text('{"epoch": 1}\n'), "global"),
        ("examples/global.safetensors", _cut, "damaged"),
        ("weights/global.safetensors", _cut, "damaged"),
        ("doctor.json", lambda path: path.write_text('{"status": "ok"}'), "checks"),
        ("curves/eps.json", lambda path: path.write_text('{"curves": {"global": {"curve": "eps"}}}'), "damaged"),
        ("curves/eps.json", lambda path: path.write_text("{}"), "expected JSON with curves"),
    ],
)
def test_damaged_files(file: str, damage: Callable[[Path], object], said: str, run: Path, reported: Reported) -> None:
    path = run / file
    path.parent.mkdir(exist_ok=True)
    damage(path)
    code, output = reported(run)
    assert code == 2, output
    assert said in output
    assert "not foreseen" not in output
    assert not (run / "report.html").exists()


def test_only_pages_of_ours_are_replaced(made: Path, reported: Reported, tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    target.write_text("<html>the reader's own</html>", encoding="utf-8")
    code, output = reported(made / "evaluation", "--output", target)
    assert (code, target.read_text(encoding="utf-8")) == (2, "<html>the reader's own</html>")
    assert "--force" in output
    for words in (["--force"], []):  # then it is a page of ours
        assert reported(made / "evaluation", "--output", target, *words) == (0, f"wrote {target}\n")
        Page(target.read_text(encoding="utf-8"))


def test_places_that_cannot_be_written(made: Path, reported: Reported, tmp_path: Path) -> None:
    for target in (tmp_path, tmp_path / "missing" / "page.html"):
        code, output = reported(made / "evaluation", "--output", target)
        assert code == 2
        assert str(target) in output


def test_wrong_words(made: Path, reported: Reported, tmp_path: Path) -> None:
    run, evaluation = made / "run", made / "evaluation"
    assert "named twice" in reported(run, run)[1]
    assert "--doctor" in reported(run, evaluation, "--doctor", tmp_path / "doctor.json")[1]
    assert "no such file" in reported(run, "--doctor", tmp_path / "doctor.json")[1]
    code, output = reported(run, evaluation, "--network", "robus", "--output", tmp_path / "page.html")
    assert code == 2
    assert "Did you mean 'robust'?" in output
    assert "no network 'global'" in reported(run, evaluation, "--output", tmp_path / "page.html")[1]


def test_an_unfinished_evaluation_is_told_how_to_go_on(made: Path, reported: Reported, tmp_path: Path) -> None:
    lock = (made / "evaluation" / "lock.yaml").read_text(encoding="utf-8")
    (tmp_path / "lock.yaml").write_text(lock, encoding="utf-8")
    code, output = reported(tmp_path)
    assert code == 2
    assert "robustkit evaluate" in output


def test_the_page_lies_in_the_run_and_can_be_shown(
    run: Path, reported: Reported, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    monkeypatch.setattr("click.launch", shown.append)
    assert reported(run, "--open") == (0, f"wrote {run / 'report.html'}\n")
    assert shown == [(run / "report.html").resolve().as_uri()]
    assert json.loads((run / "report.json").read_text(encoding="utf-8"))["name"] == "small"
