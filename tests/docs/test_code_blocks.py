"""Every code block of the documentation and the README runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from doc_blocks import blocks
from doc_session import Session, assert_shown, commands
from recipe_pieces import check_yaml

from robustkit.errors import RobustkitError

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *(page for page in sorted((ROOT / "docs").rglob("*.md")) if page.name not in ("contributing.md", "changelog.md")),
]
SOME_SKIPPED = {"README.md": 3, "CONTRIBUTING.md": 12, "index.md": 2, "tutorial.md": 6}
"""How many commands and fragments a page may have that are not run; 0 where it is not named."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_code_block_of_the_page_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick_runs: None
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipes").mkdir()
    shutil.copy(ROOT / "recipes" / "generalist.yaml", tmp_path / "recipes")
    shutil.copy(ROOT / "recipes" / "generalist.yaml", tmp_path / "my-recipe.yaml")
    session = Session(tmp_path)
    for block in blocks(page):
        try:
            session.take(block)
        except RobustkitError as error:
            raise AssertionError(f"{block}: {error}") from error
    allowed = SOME_SKIPPED.get(str(page.relative_to(ROOT)).removeprefix("docs/"), 0)
    assert len(session.skipped) <= allowed, "not run:\n" + "\n".join(session.skipped)


def test_there_is_something_to_run() -> None:
    languages = [block.language for page in PAGES for block in blocks(page)]
    assert languages.count("console") >= 20
    assert languages.count("python") >= 6
    assert languages.count("yaml") >= 6


def test_a_block_that_does_not_run_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = tmp_path / "page.md"
    broken = {
        "python": "import robustkit.no_such_module",
        "yaml": "learners: {robust: {strategy: no-such}}",
        "console": "$ robustkit show no-such",
        "javascript": "1",
    }
    for language, text in broken.items():
        page.write_text(f"words\n\n```{language}\n{text}\n```\n", encoding="utf-8")
        (block,) = blocks(page)
        with pytest.raises((AssertionError, ModuleNotFoundError, RobustkitError)):
            Session(tmp_path).take(block)


def test_output_that_is_not_printed_fails() -> None:
    assert_shown(["natural  97.1 %", "... done"], "x\nnatural 3 %\nall done\n", "here")
    with pytest.raises(AssertionError, match="does not print"):
        assert_shown(["natural  97.1 %"], "robust 97.1 %", "here")
    with pytest.raises(AssertionError, match="in its place"):
        assert_shown(["b", "a"], "a\nb\n", "here")


def test_commands_keep_their_output() -> None:
    text = "$ first \\\n  --more\nline\n\n$ second\n"
    assert commands(text) == [("first    --more", ["line"]), ("second", [])]


def test_pieces_of_recipes_are_told_apart() -> None:
    check_yaml({"aggregator": "single"}, "here")
    check_yaml({"learners": {"one": {"strategy": "natural", "optimizer": {"use": "sgd", "lr": 0.1}}}}, "here")
    check_yaml({"attack": {"use": "fgsm", "eps": "8/255"}}, "here")
    check_yaml({"strategy": {"use": "adversarial", "attack": {"use": "fgsm", "eps": 0.1}}}, "here")
    with pytest.raises(AssertionError, match="no part of a recipe"):
        check_yaml({"colour": "red"}, "here")
    with pytest.raises(RobustkitError):
        check_yaml({"attack": {"use": "fgsm", "epsilon": 0.1}}, "here")
