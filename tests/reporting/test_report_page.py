"""The page of a run: sound HTML that needs nothing, and the report's own figures."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from report_parts import Page, Reported, changed

from robustkit import read_record
from robustkit.evaluation.measurement import Accuracy
from robustkit.models.files import read_tensors, save_tensors

HOSTILE = '<script>alert("1")</script> $\\frac{ & \' -->'


@pytest.fixture(scope="module")
def page(made: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Page]:
    """The run's page, as text and taken apart."""
    from click.testing import CliRunner

    from robustkit.cli.main import cli

    target = tmp_path_factory.mktemp("page") / "page.html"
    result = CliRunner().invoke(cli, ["report", str(made / "run"), "--output", str(target)])
    assert result.exit_code == 0, result.output
    text = target.read_text(encoding="utf-8")
    return text, Page(text)


def test_nothing_is_loaded_and_no_address_is_missing(page: tuple[str, Page]) -> None:
    text, parts = page
    assert text.startswith("<!DOCTYPE html>\n<html")
    assert not {"script", "link", "iframe", "object", "embed", "base", "form"} & parts.tags
    assert "http" not in text
    assert "@import" not in text
    assert len(parts.ids) == len(set(parts.ids))
    for link in parts.links:
        assert link.startswith("data:image/png;base64,") or link[0] == "#", link
        assert link[0] != "#" or link[1:] in parts.ids, link
    for name in re.findall(r"url\(([^)]*)\)", text):
        assert name[1:] in parts.ids
    assert len(re.findall("<svg", text)) >= 7


def test_figures_are_those_of_the_report(made: Path, page: tuple[str, Page]) -> None:
    report = json.loads((made / "run" / "report.json").read_text(encoding="utf-8"))
    head, *rows = page[1].table("Accuracy in percent on 120 test examples").rows
    assert head == ["accuracy", "global", "natural", "robust"]
    assert [row[0] for row in rows] == ["natural", "pgd-3", "noise", "worst-case"]
    for part, *cells in rows:
        for network, cell in zip(head[1:], cells, strict=True):
            found = report["networks"][network][part]
            low, high = found["interval"]
            assert cell == f"{100 * found['accuracy']:.1f} [{100 * low:.1f}, {100 * high:.1f}]"
    head, *rows = page[1].table("The evaluation's cost").rows
    passes = report["cost"]["evaluation_passes"]
    assert len(rows) == sum(map(len, passes.values()))
    for network, part, _, forward, backward, _ in rows:
        counted = passes[network][part]
        assert (forward, backward) == (f"{counted['forwards']:,}", f"{counted['backwards']:,}")


def test_classes_are_counted_from_the_examples(made: Path, page: tuple[str, Page]) -> None:
    record, _ = read_record(made / "run" / "examples" / "global.safetensors")
    _, *rows = page[1].table("Accuracy of each true class").rows
    assert len(rows) == 10
    for number, (name, count, natural, worst, *_) in enumerate(rows):
        own = record.labels == number
        right = own & (record.outcomes["natural"].prediction == record.labels)
        stand = right.clone()
        for attack in ("pgd-3", "noise"):
            stand &= record.outcomes[attack].prediction == record.labels
        assert (name, count) == (str(number), str(int(own.sum())))
        for cell, correct in ((natural, right), (worst, stand)):
            share = Accuracy(int(correct.sum()), int(own.sum())).share
            assert cell.startswith(f"{100 * share:.1f} [")


def test_what_a_paper_needs_is_there(page: tuple[str, Page]) -> None:
    said = page[1].text
    for words in (
        "95 % Wilson",
        "Robust accuracy is an upper bound",
        "step_size",
        "random_start true",
        "robustkit run",
        "robustkit doctor",
        "robustkit curves",
        "git_commit",
        "torch",
        "no split chose them",
    ):
        assert words in said, words


def test_the_same_folder_gives_the_same_bytes(made: Path, reported: Reported, tmp_path: Path) -> None:
    for name in ("a.html", "b.html"):
        assert reported(made / "run", "--output", tmp_path / name)[0] == 0
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_hostile_names_stay_names(run: Path, page_of: Callable[..., Page]) -> None:
    attack = HOSTILE.replace("/", "")  # a slash is between an ensemble and its member

    def renamed(names: dict[str, Any]) -> dict[str, Any]:
        return {name.replace("noise", attack): held for name, held in names.items()}

    def rename(report: dict[str, Any]) -> None:
        report["name"] = HOSTILE
        report["attacks"] = renamed(report["attacks"])
        report["networks"] = {name: renamed(found) for name, found in report["networks"].items()}

    changed(run / "report.json", rename)
    for path in (run / "examples").glob("*.safetensors"):
        tensors, header = read_tensors(path)
        save_tensors(path, renamed(tensors), {**header, "cost": renamed(header["cost"])})
    path = run / "weights" / "global.safetensors"
    tensors, header = read_tensors(path)
    save_tensors(path, tensors, {**header, "class_names": [f"{number}{HOSTILE}\x00\ud800" for number in range(10)]})
    page = page_of(run)
    assert "script" not in page.tags
    assert f"3{HOSTILE}\ufffd\ufffd" in page.text
    assert f"{HOSTILE}: robustness report" in page.text


def test_an_evaluation_has_its_page_too(made: Path, page_of: Callable[..., Page]) -> None:
    page = page_of(made / "evaluation")
    assert page.table("Accuracy in percent").rows[0] == ["accuracy", "robust"]
    assert [row[0] for row in page.table("Accuracy in percent").rows[1:]] == ["natural", "fgsm"]
    digest = json.loads((made / "evaluation" / "report.json").read_text(encoding="utf-8"))["weights"]["robust"][
        "sha256"
    ]
    assert digest in page.text
    assert not page.images
    assert "--keep-images" in page.text


def test_a_folder_of_an_older_run_has_a_page(run: Path, page_of: Callable[..., Page]) -> None:
    shutil.rmtree(run / "examples")
    (run / "metrics.jsonl").unlink()

    def older(report: dict[str, Any]) -> None:
        for key in ("manner", "saved_images", "computed_in"):
            report.pop(key, None)
        del report["cost"]["evaluation_passes"]

    changed(run / "report.json", older)
    page = page_of(run)
    assert "does not say what became of each example" in page.text
    assert not page.images
    assert [row[3:] for row in page.table("The evaluation's cost").rows[1:]] == [["–"] * 3] * 9


def test_a_data_set_that_is_gone_is_said(run: Path, page_of: Callable[..., Page]) -> None:
    whole = len(page_of(run).images)
    lock = run / "lock.yaml"
    text = re.sub(
        r"dataset:\n  use: digits\n  test_examples: \d+", "dataset:\n  use: cifar10\n  root: nowhere", lock.read_text()
    )
    lock.write_text(text, encoding="utf-8")
    page = page_of(run)
    assert len(page.images) == whole // 3
    assert "Clean images and perturbations are left out" in page.text
    assert "nowhere" in page.text


def test_a_run_without_attacks_claims_no_robustness(run: Path, page_of: Callable[..., Page]) -> None:
    shutil.rmtree(run / "examples")

    def unattacked(report: dict[str, Any]) -> None:
        report["attacks"] = {}
        report["networks"] = {name: {"natural": found["natural"]} for name, found in report["networks"].items()}

    changed(run / "report.json", unattacked)
    page = page_of(run)
    assert "these figures say nothing about robustness" in page.text
    assert "under an attack" not in page.table("Accuracy in percent").caption
    assert not page.images
