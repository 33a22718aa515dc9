"""`check`, `show`, `list`, `schema` and `init`: reading what is there."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from cli_parts import Invoke, environment, process

from robustkit.plugin.manager import installed


def test_check_says_ok_in_one_line(invoke: Invoke, tiny: Path) -> None:
    result = invoke("check", tiny)
    assert result.exit_code == 0
    assert (
        result.stdout
        == "ok: tiny: small-cnn on digits, 2 epochs, 2 learners (natural, robust), aggregator generalist\n"
    )


def test_check_shows_every_problem_at_once_and_ends_with_2(invoke: Invoke, tiny: Path) -> None:
    result = invoke("check", tiny, "epochs=no", "learners.natural.optimizer.lrr=1", "aggregator.decay=2")
    assert result.exit_code == 2
    assert result.stdout == ""
    for word in ("epochs", "unknown key 'lrr'", "aggregator.decay"):
        assert word in result.stderr
    assert result.stderr.splitlines()[-1] == "error: 3 problems in " + str(tiny) + "."
    assert "Traceback" not in result.stderr


def test_check_as_json(invoke: Invoke, tiny: Path) -> None:
    assert json.loads(invoke("check", tiny, "--json").stdout) == {"ok": True, "name": "tiny", "problems": []}
    result = invoke("check", tiny, "epochs=0", "--json")
    assert result.exit_code == 2
    found = json.loads(result.stdout)
    assert found["ok"] is False
    assert [problem["path"] for problem in found["problems"]] == ["epochs"]


def test_check_of_an_unknown_recipe_names_near_ones(invoke: Invoke) -> None:
    result = invoke("check", "generalst")
    assert result.exit_code == 2
    assert "Did you mean 'generalist'?" in result.stderr


def test_check_needs_no_data_and_no_heavy_library_and_is_fast(tiny: Path) -> None:
    heavy = ("torchvision", "timm", "sklearn", "torchattacks", "rich")
    code = f"""
import atexit, sys
atexit.register(lambda: print("HEAVY", [name for name in {heavy!r} if name in sys.modules]))
from robustkit.cli.main import main
sys.argv = ["robustkit", "check", "generalist"]
main()
"""

    def timed(command: list[str]) -> tuple[float, str]:
        started = time.perf_counter()
        found = subprocess.run(command, env=environment(), check=True, capture_output=True, text=True)
        return time.perf_counter() - started, found.stdout

    checks = [timed([sys.executable, "-c", code]) for _ in range(2)]
    torch = [timed([sys.executable, "-c", "import torch"]) for _ in range(2)]
    assert "HEAVY []" in checks[0][1]
    assert min(checks)[0] < 2 * min(torch)[0]


def test_show_a_component_by_name(invoke: Invoke) -> None:
    result = invoke("show", "pgd")
    assert result.exit_code == 0
    assert result.stdout.startswith("pgd, an attack of plugin attacks (robustkit-torch ")
    assert "Projected gradient descent" in result.stdout
    assert "\n  eps: a number of at least 0; required\n" in result.stdout
    assert "; default cross-entropy\n" in result.stdout


def test_show_inherited_fields_with_their_docs(invoke: Invoke) -> None:
    fields = json.loads(invoke("show", "optimizer", "sgd", "--json").stdout)["fields"]
    rate = fields[0]
    assert (rate["name"], rate["required"], rate["default"]) == ("lr", True, None)
    assert rate["doc"].startswith("Learning rate: a number, `{epoch: value}`")


def test_show_names_the_ways_where_a_name_is_not_unique(invoke: Invoke) -> None:
    result = invoke("show", "generalist")
    assert result.exit_code == 2
    assert "robustkit show aggregator generalist or robustkit show recipe generalist" in result.stderr
    assert invoke("show", "aggregators", "generalist").exit_code == 0
    assert yaml.safe_load(invoke("show", "recipe", "generalist").stdout)["name"] == "generalist"


def test_show_a_recipe_gives_what_check_accepts(invoke: Invoke, tiny: Path) -> None:
    result = invoke("show", tiny, "epochs=7")
    data = yaml.safe_load(result.stdout)
    assert data["epochs"] == 7
    assert data["learners"]["natural"]["strategy"]["criterion"]["use"] == "cross-entropy"
    Path("whole.yaml").write_text(result.stdout, encoding="utf-8")
    assert invoke("check", "whole.yaml").exit_code == 0
    assert json.loads(invoke("show", tiny, "epochs=7", "--json").stdout)["epochs"] == 7


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["pdg"], "nothing is named 'pdg'. Did you mean 'pgd'?"),
        (["attak", "pgd"], "there is no kind 'attak'. Did you mean 'attacks'?"),
        (["attack", "trades"], "There is a strategy of that name."),
        (["pgd", "eps=1"], "eps=1 changes recipes, 'pgd' is a component."),
        (["a", "b", "c"], "expected NAME or KIND NAME"),
        (["eps=1"], "expected NAME or KIND NAME, got neither"),
    ],
)
def test_show_explains_what_it_cannot_show(invoke: Invoke, words: list[str], expected: str) -> None:
    result = invoke("show", *words)
    assert result.exit_code == 2
    assert expected in result.stderr


def test_every_component_and_recipe_can_be_shown(invoke: Invoke) -> None:
    for kind, name, registered in installed().registry.listing():
        result = invoke("show", kind, name, "--json")
        assert result.exit_code == 0, (kind, name, result.output)
        shown = json.loads(result.stdout)
        assert shown["doc"]
        undocumented = [field["name"] for field in shown["fields"] if not field["doc"]]
        if registered.origin.distribution == "robustkit-torch":
            assert not undocumented or kind == "schedule", (kind, name, undocumented)
    for name in installed().registry.recipes:
        assert invoke("show", "recipe", name).exit_code == 0


def test_list_shows_every_component_in_one_line_each(invoke: Invoke) -> None:
    lines = invoke("list").stdout.splitlines()
    for _, name, registered in installed().registry.listing():
        assert any(line.split()[:2] == [name, registered.origin.plugin] for line in lines)
    assert any(line.split()[:2] == ["generalist", "recipes"] for line in lines)


def test_list_one_kind(invoke: Invoke) -> None:
    for word in ("attack", "attacks"):
        lines = invoke("list", word).stdout.splitlines()
        assert lines[0] == "attacks"
        assert any(line.startswith("  pgd ") and "Projected gradient descent" in line for line in lines)
        assert not any("trades" in line for line in lines)


def test_list_as_json(invoke: Invoke) -> None:
    found = json.loads(invoke("list", "recipes", "--json").stdout)
    assert [row["name"] for row in found["recipe"]] == sorted(installed().registry.recipes)
    assert all(row["summary"] and row["plugin"] == "recipes" for row in found["recipe"])


def test_list_shows_the_bundled_sweeps_with_what_they_vary(invoke: Invoke) -> None:
    files = sorted((Path(__file__).parents[2] / "recipes" / "sweeps").glob("*.yaml"))
    lines = invoke("list").stdout.split("\nsweeps\n")[1].splitlines()
    assert [line.split()[:2] for line in lines] == [[file.stem, "recipes"] for file in files]
    assert "(figure 4a of the paper)" in next(line for line in lines if line.startswith("  figure-4a "))
    found = json.loads(invoke("list", "sweeps", "--json").stdout)["sweep"]
    assert [row["name"] for row in found] == [file.stem for file in files]
    for row, file in zip(found, files, strict=True):
        assert file.read_text(encoding="utf-8").startswith(f"# {row['summary'][:40]}")
    assert list(json.loads(invoke("list", "--json").stdout))[-2:] == ["recipe", "sweep"]


def test_schema_is_json_that_knows_the_components(invoke: Invoke, median: Path) -> None:
    result = invoke("schema", "--plugin", median)
    assert result.exit_code == 0
    assert "aggregator.median" in json.loads(result.stdout)["$defs"]


def test_init_copies_a_recipe_that_runs_as_its_comment_says(invoke: Invoke, tiny: Path) -> None:
    result = invoke("init", "trades")
    assert result.exit_code == 0
    assert "robustkit run trades.yaml" in result.stdout
    text = Path("trades.yaml").read_text(encoding="utf-8")
    assert "#   robustkit run trades.yaml" in text
    assert "recipes/" not in text
    assert invoke("check", "trades.yaml").exit_code == 0


def test_init_refuses_to_overwrite(invoke: Invoke, tiny: Path) -> None:
    before = tiny.read_text(encoding="utf-8")
    result = invoke("init", "trades", tiny)
    assert result.exit_code == 2
    assert "is there already" in result.stderr
    assert tiny.read_text(encoding="utf-8") == before


def test_init_into_a_folder_or_nowhere(invoke: Invoke, tiny: Path) -> None:
    Path("mine").mkdir()
    assert invoke("init", "trades.yaml", "mine").exit_code == 0
    assert Path("mine", "trades.yaml").is_file()
    assert "No such file" in invoke("init", "trades", "nowhere/x.yaml").stderr
    result = invoke("init", "tradess")
    assert result.exit_code == 2
    assert "Did you mean 'trades'?" in result.stderr


def test_a_closed_pipe_is_no_error() -> None:
    command = f"{sys.executable} -m robustkit list | head -1"
    found = subprocess.run(command, shell=True, env=environment(), capture_output=True, text=True, check=True)
    assert found.stdout == "attacks\n"
    assert found.stderr == ""


def test_the_module_can_be_run() -> None:
    assert process("--version").stdout.startswith("robustkit ")
