"""Attacks of several norms, as `run`, `evaluate`, `compare` and `report` show them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from cli_parts import TINY, Invoke

NORMS = TINY.replace("noise: {use: noise, eps: 0.1}", "pgd-l2: {use: pgd, norm: L2, eps: 1.0, steps: 2}")
LINES = ["worst-case Linf", "worst-case L2", "average of norms"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With `run`, of two norms, and what the command printed in `printed`."""
    from click.testing import CliRunner

    from robustkit.cli.main import cli

    folder = tmp_path_factory.mktemp("norms")
    (folder / "norms.yaml").write_text(NORMS, encoding="utf-8")
    result = CliRunner().invoke(cli, ["run", str(folder / "norms.yaml"), "--output", str(folder / "run"), "-q"])
    assert result.exit_code == 0, result.output
    (folder / "printed").write_text(result.stdout, encoding="utf-8")
    return folder


def test_a_run_prints_and_keeps_them(folder: Path) -> None:
    report = json.loads((folder / "run" / "report.json").read_text(encoding="utf-8"))
    printed = (folder / "printed").read_text(encoding="utf-8")
    assert [line.partition("  ")[0] for line in printed.splitlines()[1:7]] == ["natural", "pgd-2", "pgd-l2", *LINES]
    assert printed.splitlines()[7].startswith("worst-case   ")
    assert "is their union" in printed
    assert list(report["norms"]) == list(report["networks"])
    for network, norms in report["norms"].items():
        assert norms["Linf"]["attacks"] == ["pgd-2"]
        assert norms["Linf"]["correct"] == report["networks"][network]["pgd-2"]["correct"]
        shares = [norms[norm]["accuracy"] for norm in ("Linf", "L2")]
        assert norms["average"]["accuracy"] == pytest.approx(sum(shares) / 2)
    text = (folder / "run" / "report.md").read_text(encoding="utf-8")
    assert "| worst-case Linf | worst-case L2 | average of norms | worst-case" in " ".join(text.split())


def test_an_evaluation_does_as_the_run_did(invoke: Invoke, folder: Path) -> None:
    found = json.loads(invoke("evaluate", folder / "run", "--json", "-q").stdout)
    report = json.loads((folder / "run" / "report.json").read_text(encoding="utf-8"))
    assert found["norms"]["global"] == report["norms"]["global"]
    lines = invoke("evaluate", folder / "run", "-q").stdout.splitlines()
    assert [line for line in lines if line.startswith("worst-case L2")]


def test_dropped_examples_leave_them_out(invoke: Invoke, folder: Path, tmp_path: Path) -> None:
    words = ["evaluate", folder / "run", "--drop-broken", "-q", "--output", tmp_path / "dropped"]
    result = invoke(*words)
    assert "No figures by norm: broken examples were dropped" in result.stdout
    assert "worst-case L" not in result.stdout
    report = json.loads((tmp_path / "dropped" / "report.json").read_text(encoding="utf-8"))
    assert "norms" not in report
    compared = invoke("compare", folder / "run", tmp_path / "dropped")
    assert f"warning: {tmp_path / 'dropped'}: No figures by norm" in compared.stderr
    invoke("report", tmp_path / "dropped", "--output", tmp_path / "page.html")
    assert "No figures by norm" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_compare_has_a_column_of_each(invoke: Invoke, folder: Path) -> None:
    found = json.loads(invoke("compare", folder / "run", "--json").stdout)
    (row,) = found["rows"]
    assert list(row["figures"]) == ["natural", "pgd-2", "pgd-l2", *LINES, "worst-case"]
    report = json.loads((folder / "run" / "report.json").read_text(encoding="utf-8"))
    average = report["norms"]["global"]["average"]
    assert (row["figures"]["average of norms"]["mean"], row["figures"]["average of norms"]["interval"]) == (
        average["accuracy"],
        average["interval"],
    )


def test_the_pages_have_them(invoke: Invoke, folder: Path, tmp_path: Path) -> None:
    again = shutil.copytree(folder / "run", tmp_path / "again")
    for sources in ([folder / "run"], [folder / "run", again]):
        target = tmp_path / f"{len(sources)}.html"
        result = invoke("report", *sources, "--output", target)
        assert result.exit_code == 0, result.output
        assert all(f">{line}<" in target.read_text(encoding="utf-8") for line in LINES)
    assert "is their union. The average" in (tmp_path / "1.html").read_text(encoding="utf-8")


def test_a_damaged_figure_is_refused(invoke: Invoke, folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder / "run", tmp_path / "run"))
    report = json.loads((copy / "report.json").read_text(encoding="utf-8"))
    report["norms"]["global"]["Linf"]["correct"] = 1000
    (copy / "report.json").write_text(json.dumps(report), encoding="utf-8")
    result = invoke("report", copy, "--output", tmp_path / "page.html")
    assert result.exit_code != 0
    assert "global, worst-case Linf: 1000 of 50 examples cannot be right" in str(result.output) + str(result.exception)


def test_an_attack_of_several_balls_is_shown_with_all_of_them(invoke: Invoke, folder: Path, tmp_path: Path) -> None:
    words = ["--attack", "msd:linf=8/255,l2=0.5,steps=2", "--attack", "pgd:eps=0.1,steps=2", "--examples", 10, "-q"]
    result = invoke("evaluate", folder / "run", *words, "--output", tmp_path / "msd")
    assert result.exit_code == 0, result.output
    assert "norms" not in json.loads((tmp_path / "msd" / "report.json").read_text(encoding="utf-8")), "one norm alone"
    assert invoke("report", tmp_path / "msd", "--output", tmp_path / "page.html").exit_code == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert ">Linf or L2<" in page
    assert ">8/255 or 0.5<" in page
