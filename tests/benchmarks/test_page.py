"""docs/benchmarks.md is what the results say, and the results are what was measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import page, results
from benchmarks.machine import facts
from benchmarks.options import Options
from benchmarks.programs.scaling import SERIES
from benchmarks.results import Record
from benchmarks.rounds import Spread, interleaved, ratios
from benchmarks.tables import table
from benchmarks.workers import Worker

SECONDS = {"engine": [1.1, 1.2], "bare": [1.0, 1.0]}
RESULT = {
    "cases": {"tiny": {"what": "a net", "arithmetic": {"attack": "full", "training": "full"}, "seconds": SECONDS}}
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    return tmp_path


def record(**machine: Any) -> Record:
    options = Options(data=Path("/somewhere/private"), rounds=2, threads=1)
    return Record("overhead", {**facts(1, "cpu"), **machine}, options, 125.4, RESULT)


def test_the_committed_page_is_that_of_the_committed_results() -> None:
    assert page.PAGE.read_text(encoding="utf-8") == page.text(), "give `python -m benchmarks --write`"


def test_a_record_comes_back_as_it_was_without_where_data_lie(folder: Path) -> None:
    file = record().save()
    assert file == folder / "overhead.json"
    assert "private" not in file.read_text(encoding="utf-8")
    back = results.load(file)
    assert (back.program, back.seconds, back.result) == ("overhead", 125, RESULT)
    assert back.command == "python -m benchmarks overhead --data DIR --rounds 2"


def test_the_page_holds_what_was_measured_and_names_what_was_not(folder: Path) -> None:
    record(features=["avx512_bf16"]).save()
    text = page.text()
    assert "15.0 % (12.5 to 17.5)" in text
    assert "2 minutes" in text
    assert "Not measured yet: `step`" in text
    assert "`overhead`" not in text.rpartition("Not measured yet")[2]


@pytest.mark.parametrize(
    ("features", "said"),
    [(["avx512_bf16"], page.WITHOUT_TILES), (["avx2"], page.WITHOUT_BFLOAT16), (["avx512_bf16", "amx_bf16"], None)],
)
def test_the_page_says_what_bfloat16_is_worth_here(folder: Path, features: list[str], said: str | None) -> None:
    record(features=features).save()
    found = [text for text in (page.WITHOUT_TILES, page.WITHOUT_BFLOAT16) if text in page.text()]
    assert found == ([said] if said else [])


def test_contestants_take_turns_and_each_begins_once() -> None:
    heard: list[str] = []

    def contestant(name: str) -> float:
        heard.append(name)
        return float(len(heard))

    seconds = interleaved({name: lambda name=name: contestant(name) for name in "abc"}, 3)
    assert "".join(heard) == "abcbcacab"
    assert seconds == {"a": [1.0, 6.0, 8.0], "b": [2.0, 4.0, 9.0], "c": [3.0, 5.0, 7.0]}


def test_ratios_are_taken_round_by_round() -> None:
    spread = ratios([2.0, 6.0, 4.0], [1.0, 2.0, 4.0])
    assert spread == Spread(2.0, 1.5, 2.5)
    assert spread.times() == "2.00 (1.50-2.50)"


def test_tables_are_markdown() -> None:
    assert table(["a", "bc"], [["long", "1"]]) == "| a    | bc |\n| ---- | -: |\n| long |  1 |"


def test_a_worker_that_dies_says_so() -> None:
    with pytest.raises(SystemExit, match="ended with 1"):
        Worker("benchmarks.authors_step:serve", {"case": "no such"}, threads=1)


def test_the_plot_of_growth_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib", reason="the plot needs the extra `docs`")
    monkeypatch.syspath_prepend(str(page.PAGE.parent / "figures"))
    import draw_scaling

    points = [{"size": size, "seconds": [size * 0.1, size * 0.2, size * 0.3]} for size in (1, 2, 4)]
    file = tmp_path / "scaling.json"
    file.write_text(json.dumps({"result": {"series": dict.fromkeys(draw_scaling.LABELS, points)}}), encoding="utf-8")
    monkeypatch.setattr(draw_scaling, "RESULTS", file)
    svg = draw_scaling.draw()
    assert svg.startswith("<svg")
    assert all(label in svg for label in draw_scaling.LABELS.values())
    assert svg == draw_scaling.draw()  # the same page from the same results
    assert set(draw_scaling.LABELS) == set(SERIES)
