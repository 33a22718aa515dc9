"""The rules that keep the code readable, held by the tests so that no review has to."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = sorted(
    path
    for folder in ("robustkit", "plugins", "tests", "docs", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
    if not {"_build", "_generated"} & set(path.parts)
)
SOURCES = [path for path in PYTHON if path.relative_to(ROOT).parts[0] in ("robustkit", "plugins")]


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_above_300_lines_and_no_function_above_60(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 300
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = {node.name: length for node in functions if (length := (node.end_lineno or 0) - node.lineno + 1) > 60}
    assert not long


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_swallowed_errors_and_no_stubs(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"bare except in line {node.lineno}"
            assert not (len(node.body) == 1 and isinstance(node.body[0], ast.Pass)), f"line {node.lineno}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("eval", "exec"), f"line {node.lineno}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            called = ast.unparse(node.func)
            assert called not in ("pickle.load", "pickle.loads", "torch.load", "yaml.load"), f"line {node.lineno}"


def test_every_recipe_opens_with_what_it_is_and_its_command() -> None:
    recipes = sorted((ROOT / "recipes").glob("*.yaml"))
    assert len(recipes) >= 11
    for path in recipes:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        head = "".join(line for line in lines if line.startswith("#"))
        assert f"robustkit run recipes/{path.name}" in head, path.name
        assert re.search(rf"^name: {path.stem}$", path.read_text(encoding="utf-8"), re.MULTILINE), path.name


def test_ci_runs_the_test_command_of_the_readme() -> None:
    readme, ci = (ROOT / "README.md").read_text(encoding="utf-8"), (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    command = next(line for line in readme.splitlines() if line.endswith(".venv/bin/pytest"))
    steps = [step.split()[1:] for step in command.removeprefix("$ ").split(" && ")][1:-1]
    assert re.search(r"^pytest$", ci, re.MULTILINE)
    for _, *words in steps:
        assert f'pip" install --quiet {" ".join(words)}' in ci


def test_nothing_tracked_is_generated_or_huge() -> None:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listing.returncode:
        pytest.skip("not a git checkout")
    for name in listing.stdout.decode().split("\0")[:-1]:
        path = ROOT / name
        assert not {"__pycache__", "runs", "_build", "_generated"} & set(Path(name).parts[:-1]), name
        assert not path.is_file() or path.stat().st_size < 1_000_000, name
