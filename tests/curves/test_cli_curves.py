"""`curves`, `mix` and `export`: files that are written once, tables, and errors that say what is wrong."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result

from robustkit import load_model, load_run, mixed_network, read_curves
from robustkit.cli.main import cli
from robustkit.cli.verbs.export import read_shares
from robustkit.errors import InputError
from robustkit.models.files import read_tensors

Invoke = Callable[..., Result]


@pytest.fixture
def invoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """The command in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def invoked(*words: Any) -> Result:
        return CliRunner().invoke(cli, [str(word) for word in words], prog_name="robustkit")

    return invoked


def test_curves_are_written_with_their_figures(invoke: Invoke, finished: Path) -> None:
    result = invoke("curves", finished, "--output", "out", "--examples", 20, "--network", "all", "--json", "-q")
    assert result.exit_code == 0, result.output
    names = ["eps", "steps", "surface-global", "surface-natural", "surface-robust", "trade-off"]
    found = json.loads(result.stdout)
    assert found["files"] == [str(Path("out", f"{name}.{ending}")) for name in names for ending in ("svg", "json")]
    for name in names:
        assert json.loads(Path(f"out/{name}.json").read_text(encoding="utf-8")) == found["curves"][name]
        assert Path(f"out/{name}.svg").read_text(encoding="utf-8").startswith("<svg")
        for label, curve in read_curves(f"out/{name}.json").items():
            assert curve.plain() == found["curves"][name]["curves"][label]
    assert list(found["curves"]["eps"]["curves"]) == ["global", "natural", "robust"]
    assert found["curves"]["eps"]["examples"] == {"test": 20}


def test_the_point_at_the_attacks_own_settings_is_the_reports(invoke: Invoke, finished: Path) -> None:
    result = invoke("curves", finished, "--kind", "eps,steps", "--eps", "0,0.1", "--steps", "2", "--output", "o", "-q")
    assert result.exit_code == 0, result.output
    figures = load_run(finished).report["networks"]["global"]
    curves: Any = {kind: read_curves(f"o/{kind}.json")["global"] for kind in ("eps", "steps")}
    assert [found.plain() for found in curves["eps"].accuracies] == [figures["natural"], figures["pgd-2"]]
    assert [found.plain() for found in curves["steps"].accuracies] == [figures["pgd-2"]]
    share = f"{100 * figures['pgd-2']['accuracy']:.1f} %"
    assert result.stdout.splitlines()[2].startswith(f"0.1  {share}")


def test_several_sources_share_a_plot_and_png_is_there_on_demand(invoke: Invoke, finished: Path) -> None:
    weights = finished / "weights" / "robust.safetensors"
    words = ["--kind", "eps", "--attack", "fgsm:eps=0.1", "--eps", "0.1", "--output", "o", "--png", "--examples", 10]
    result = invoke("curves", finished, weights, *words)
    assert result.exit_code == 0, result.output
    assert list(read_curves("o/eps.json")) == ["run", "robust"]
    assert Path("o/eps.png").read_bytes().startswith(b"\x89PNG")
    assert "run, eps 0.1" in result.stderr


def test_nothing_is_overwritten_and_nothing_computed_for_it(invoke: Invoke, finished: Path) -> None:
    Path("o").mkdir()
    Path("o/steps.svg").write_text("mine", encoding="utf-8")
    result = invoke("curves", finished, "--output", "o")
    assert result.exit_code == 2
    assert "steps.svg: is there already" in result.stderr
    assert [path.name for path in Path("o").iterdir()] == ["steps.svg"]
    Path("o/mix.json").write_text("mine", encoding="utf-8")
    assert "mix.json: is there already" in invoke("mix", finished, "--output", "o").stderr
    assert "steps.svg: expected a folder" in invoke("mix", finished, "--output", "o/steps.svg").stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--kind", "epsilon"], "expected some of eps, steps, surface, trade-off, separated by commas, got 'epsilon'."),
        (["--kind", "steps", "--attack", "fgsm:eps=0.1"], "steps needs an attack with steps, got fgsm"),
        (["--kind", "eps", "--attack", "deepfool"], "eps needs an attack with an eps, got deepfool"),
        (["--kind", "eps", "--eps", "0,far"], "--eps '0,far': expected numbers separated by commas"),
        (["--kind", "steps", "--steps", "1.5"], "--steps 1.5: expected whole numbers"),
        (["--kind", "surface", "--example", 50], "--example 50: there are 50 test examples, the first is 0."),
    ],
)
def test_curves_that_cannot_be_drawn_end_with_2(
    invoke: Invoke, finished: Path, words: list[Any], expected: str
) -> None:
    result = invoke("curves", finished, "--output", "o", *words)
    assert result.exit_code == 2, result.output
    assert expected in " ".join(result.stderr.split())
    assert not Path("o").exists()


def test_a_weights_file_has_no_trade_off(invoke: Invoke, finished: Path) -> None:
    weights = finished / "weights" / "robust.safetensors"
    result = invoke("curves", weights, "--kind", "trade-off", "--output", "o")
    assert (result.exit_code, "expected a results folder" in result.stderr) == (2, True)


def test_a_mix_is_chosen_exported_and_measured(invoke: Invoke, finished: Path) -> None:
    words = ["--grid", 3, "--weight", 0.25, "--output", "o"]
    result = invoke("mix", finished, *words)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["natural", "robust", "natural", "pgd-1", "score"]
    assert sum("<- best" in line for line in lines) == 1
    assert "on 40 validation examples" in result.stdout
    assert "score = 0.25 * natural + 0.75 * pgd-1" in result.stdout
    assert "natural=0.5,robust=0.5, pgd-1: " in result.stderr
    data = json.loads(Path("o/mix.json").read_text(encoding="utf-8"))
    path: Any = read_curves("o/mix.json")["mix"]
    assert data["best"]["shares"] == path.best(0.25).shares
    keep = next(line for line in lines if line.startswith("to keep it: robustkit "))
    words = keep.removeprefix("to keep it: robustkit ").replace("FILE", "chosen").split()
    assert invoke(*words).exit_code == 0
    measured = invoke("evaluate", "chosen.safetensors", "--data", finished, "--json", "-q")
    (network,) = json.loads(measured.stdout)["networks"]
    assert network.startswith("mix ")


def test_the_test_split_is_measured_only_on_demand_and_said(invoke: Invoke, finished: Path) -> None:
    words = ["--split", "test", "--grid", 2, "--attack", "noise:eps=0.1", "--examples", 10]
    result = invoke("mix", finished, *words)
    assert "These are the 10 test examples: a mix chosen here has no unbiased test figures left." in result.stdout
    found = json.loads(invoke("mix", finished, *words, "--json", "-q").stdout)
    assert found["best"]["split"] == "test"
    assert list(found["curves"]["mix"]["attacks"]) == ["noise"]


@pytest.mark.parametrize("batch_norm", ["average", "recompute"])
def test_an_exported_mix_is_the_mix_and_says_so(invoke: Invoke, finished: Path, batch_norm: Any) -> None:
    words = ["--mix", "natural=1/4, robust=0.75", "--batch-norm", batch_norm, "--output", "mine.safetensors"]
    result = invoke("export", finished, *words, "--json")
    assert result.exit_code == 0, result.output
    expected = mixed_network(load_run(finished), {"natural": 0.25, "robust": 0.75}, batch_norm=batch_norm).weights()
    loaded = load_model("mine.safetensors").weights()
    assert loaded.keys() == expected.keys()
    for name, tensor in loaded.items():  # statistics computed on other numbers of threads differ in their last bits
        torch.testing.assert_close(tensor, expected[name], rtol=1e-5, atol=1e-6)
    header = read_tensors(Path("mine.safetensors"))[1]
    assert header["mix"] == {"natural": 0.25, "robust": 0.75}
    assert (header["batch_norm"], header["network"]) == (batch_norm, "mix natural=0.25,robust=0.75")
    assert json.loads(result.stdout) == {"output": "mine.safetensors", **header}
    assert "is there already" in invoke("export", finished, *words).stderr


@pytest.mark.parametrize(
    ("verb", "words", "expected"),
    [
        ("export", ["--mix", "natral=1", "--output", "x.safetensors"], "Did you mean 'natural'?"),
        ("export", ["--mix", "natural=0.4", "--output", "x.safetensors"], "add up to 1, got natural=0.4: 0.4"),
        ("export", ["--mix", "natural", "--output", "x.safetensors"], "expected NAME=SHARE,NAME=SHARE"),
        ("export", ["--mix", "natural=1", "--output", "x.pt"], "expected a name that ends in .safetensors"),
        ("export", ["epochs=3", "--mix", "natural=1", "--output", "x.safetensors"], "the run is what it was"),
        ("mix", ["--png"], "--png needs a folder to write to"),
        ("mix", ["--weight", 2], "is not in the range 0<=x<=1"),
        ("mix", ["--attack", "pdg"], "Did you mean 'pgd'?"),
        ("mix", ["seed=3"], "override 'seed=3'"),
    ],
)
def test_errors_end_with_2_and_leave_nothing(
    invoke: Invoke, finished: Path, verb: str, words: list[Any], expected: str
) -> None:
    result = invoke(verb, finished, *words)
    assert result.exit_code == 2, result.output
    assert expected in " ".join(result.stderr.split())
    assert not list(Path().iterdir())


def test_a_run_without_weights_names_the_way_out(invoke: Invoke, finished: Path) -> None:
    shutil.copytree(finished, "run")
    shutil.rmtree("run/weights")
    assert "robustkit run run --resume" in invoke("mix", "run").stderr


def test_shares_are_read_in_many_spellings() -> None:
    assert read_shares(" a = 1/4 ,b=0.75") == {"a": 0.25, "b": 0.75}
    for text in ("", "a", "a=b", "a=1,a=0", "=1"):
        with pytest.raises(InputError, match="expected NAME=SHARE"):
            read_shares(text)


def test_the_command_works_as_a_process(finished: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "robustkit", "curves", finished, "--kind", "trade-off", "--output", tmp_path / "o"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "o" / "trade-off.svg").is_file()
