"""The page of several runs."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from report_parts import Page, Reported, changed

from robustkit import paired, read_record
from robustkit.models.files import read_tensors, save_tensors


def _another(run: Path, name: str, seed: int) -> Path:
    """A run of the same recipe with another seed, whose global learner is as good as the robust one was."""
    other = Path(shutil.copytree(run, run.parent / name))
    shutil.copy(run / "examples" / "robust.safetensors", other / "examples" / "global.safetensors")

    def change(report: dict[str, object]) -> None:
        report["seed"] = seed
        report["networks"]["global"] = report["networks"]["robust"]  # type: ignore[index]

    changed(other / "report.json", change)
    lock = (other / "lock.yaml").read_text(encoding="utf-8")
    (other / "lock.yaml").write_text(
        re.sub(r"^seed: \d+$", f"seed: {seed}", lock, flags=re.MULTILINE), encoding="utf-8"
    )
    return other


def test_pairs_are_those_of_the_records(run: Path, page_of: Callable[..., Page]) -> None:
    other = _another(run, "other", 7)
    page = page_of(run, other)
    assert "http" not in page.text
    assert len(page.ids) == len(set(page.ids))
    records = [read_record(folder / "examples" / "global.safetensors")[0] for folder in (run, other)]
    _, *rows = page.table("example by example").rows
    found = paired(*records)
    assert (
        [row[1] for row in rows]
        == [difference.part for difference in found]
        == ["natural", "pgd-3", "noise", "worst-case"]
    )
    for (label, _, count, _, lost, won, _, verdict), difference in zip(rows, found, strict=True):
        assert (label, count) == (str(other), str(difference.examples))
        assert (lost, won) == (str(len(difference.only_first)), str(len(difference.only_second)))
        assert (verdict == "within noise") == difference.is_noise


def test_seeds_of_one_recipe_are_averaged(run: Path, page_of: Callable[..., Page]) -> None:
    page = page_of(run, _another(run, "other", 7))
    (row,) = page.table("sample standard deviation").rows[1:]
    assert row[0] == "small"
    assert row[1].split(", ")[-1] == "7"
    assert all("±" in cell for cell in row[2:])
    assert re.search(r"seed: \d+ → 7", page.text)


def test_other_data_and_attacks_are_warned_of(run: Path, page_of: Callable[..., Page]) -> None:
    other = _another(run, "other", 7)
    lock = (other / "lock.yaml").read_text(encoding="utf-8")
    (other / "lock.yaml").write_text(lock.replace("use: digits", "use: mnist"), encoding="utf-8")
    changed(other / "report.json", lambda report: report["attacks"]["pgd-3"].update(steps=50))
    for path in (other / "examples").glob("*.safetensors"):
        tensors, header = read_tensors(path)
        save_tensors(path, {**tensors, "names": torch.arange(len(tensors["names"]))}, header)
    page = page_of(run, other)
    assert "Not everything here compares" in page.text
    assert "the data set is not the same everywhere" in page.text
    assert "pgd-3 is not the same attack everywhere" in page.text
    assert "measured on different examples" in page.text
    assert "steps 50" in page.text


def test_runs_without_examples_are_compared_by_their_figures(run: Path, reported: Reported, tmp_path: Path) -> None:
    other = _another(run, "other", 7)
    shutil.rmtree(other / "examples")
    target = tmp_path / "comparison.html"
    code, output = reported(run, other, "--output", target)
    assert code == 0, output
    page = Page(target.read_text(encoding="utf-8"))
    assert f"{other} does not say what became of each example" in page.text
    assert page.table("sample standard deviation").rows[1][0] == "small"


def test_networks_of_any_name(made: Path, reported: Reported, tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    code, output = reported(made / "run", made / "evaluation", "--network", "robust", "--output", target)
    assert code == 0, output
    page = Page(target.read_text(encoding="utf-8"))
    assert page.table("Accuracy of the network robust").rows[0][2:] == [
        "natural",
        "pgd-3",
        "noise",
        "fgsm",
        "worst-case",
    ]
