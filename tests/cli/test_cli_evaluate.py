"""`evaluate`: networks of a run or a file, measured as their run did or otherwise."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from cli_parts import Invoke

from robustkit import load_run, perturb, read_record
from robustkit.cli.attack_spec import parse_attacks
from robustkit.errors import InputError
from robustkit.evaluation import evaluator
from robustkit.models.files import read_tensors
from robustkit.plugin.manager import installed


def evaluated(invoke: Invoke, *words: Any) -> dict[str, Any]:
    result = invoke("evaluate", *words, "--json", "-q")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_run_is_measured_as_at_its_end(invoke: Invoke, finished: Path) -> None:
    report = load_run(finished).report
    assert evaluated(invoke, finished)["networks"] == {"global": report["networks"]["global"]}
    found = evaluated(invoke, finished, "--network", "all")
    assert found["networks"] == report["networks"]
    assert (found["attacks"], found["caution"]) == (report["attacks"], report["caution"])


def test_a_weights_file_finds_the_lock_of_its_run(invoke: Invoke, finished: Path) -> None:
    found = evaluated(invoke, finished / "weights" / "robust.safetensors")
    assert found["networks"] == {"robust": load_run(finished).report["networks"]["robust"]}


def test_a_weights_file_elsewhere_needs_a_recipe(invoke: Invoke, finished: Path, tiny: Path) -> None:
    shutil.copy(finished / "weights" / "global.safetensors", "mine.safetensors")
    result = invoke("evaluate", "mine.safetensors")
    assert result.exit_code == 2
    assert "--data RECIPE" in result.stderr
    found = evaluated(invoke, "mine.safetensors", "--data", tiny)
    assert found["networks"]["global"] == load_run(finished).report["networks"]["global"]


def test_the_table_has_accuracies_times_and_the_caution(invoke: Invoke, finished: Path) -> None:
    result = invoke("evaluate", finished, "--network", "all")
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["accuracy", "global", "natural", "robust", "time"]
    assert [line.split()[0] for line in lines[1:5]] == ["natural", "pgd-2", "noise", "worst-case"]
    assert lines[2].endswith(" s")
    assert lines[-2:] == ["on 50 test examples, with 95 % intervals", load_run(finished).report["caution"]]
    assert "evaluating global, natural, robust" in result.stderr
    assert "  natural, pgd-2: " in result.stderr
    assert "natural, natural" not in result.stderr


def test_other_attacks_examples_and_batches(invoke: Invoke, finished: Path) -> None:
    words = ["--attack", "pgd:eps=1/255,steps=1", "--attack", "far={use: pgd, eps: 1.0, steps: 5}", "--examples", 20]
    found = evaluated(invoke, finished, *words, "--batch-size", 7)
    assert list(found["networks"]["global"]) == ["natural", "pgd", "far", "worst-case"]
    assert found["attacks"]["pgd"]["eps"] == 1 / 255
    assert (found["examples"]["test"], found["batch_size"]) == (20, 7)
    assert found["networks"]["global"]["natural"]["examples"] == 20
    assert found["networks"]["global"]["far"]["correct"] == 0


def test_the_attacks_of_a_recipe(invoke: Invoke, finished: Path) -> None:
    found = evaluated(invoke, finished, "--attacks", "generalist", "--examples", 4, "--attack", "noise:eps=0.1")
    named = installed().registry.recipes["generalist"]
    assert named
    assert list(found["attacks"]) == ["pgd-20", "pgd-20-margin", "noise"]


def test_overrides_change_what_is_measured(invoke: Invoke, finished: Path) -> None:
    found = evaluated(invoke, finished, "evaluation.final_attacks={}", "evaluation.test_examples=10", "seed=5")
    assert list(found["networks"]["global"]) == ["natural"]
    assert (found["examples"]["test"], found["seed"]) == (10, 5)
    result = invoke("evaluate", finished, "epochs=3")
    assert result.exit_code == 2
    assert "override 'epochs=3': has no effect on an evaluation." in result.stderr


def test_output_is_written_once(invoke: Invoke, finished: Path, tiny: Path) -> None:
    before = sorted(finished.rglob("*"))
    found = evaluated(invoke, finished, "--output", "found", "--examples", 10)
    written = Path("found")
    assert json.loads((written / "report.json").read_text(encoding="utf-8")) == found
    assert sorted(path.name for path in written.iterdir()) == ["examples", "lock.yaml", "report.json", "report.md"]
    record, header = read_record(written / "examples" / "global.safetensors")
    assert (
        int((record.outcomes["natural"].prediction == record.labels).sum())
        == (found["networks"]["global"]["natural"]["correct"])
    )
    assert header["network"] == "global"
    assert sorted(finished.rglob("*")) == before
    result = invoke("evaluate", finished, "--output", "found")
    assert result.exit_code == 2
    assert "holds a finished result already" in result.stderr
    result = invoke("evaluate", finished, "--output", finished.parent)
    assert result.exit_code == 2
    assert "is there already" in result.stderr


def test_killed_it_goes_on_where_it_was(
    invoke: Invoke, finished: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--examples", 20, "--batch-size", 2, "--attack", "pgd:eps=0.3,steps=3", "--attack", "noise:eps=0.2"]
    asked, doomed = [0], [0]

    def counting(*arguments: Any, **named: Any) -> Any:
        asked[0] += 1
        if asked[0] == doomed[0]:
            raise KeyboardInterrupt
        return perturb(*arguments, **named)

    monkeypatch.setattr(evaluator, "perturb", counting)
    whole = evaluated(invoke, finished, *words, "--output", "whole", "--keep-images")
    batches, asked[0], doomed[0] = asked[0], 0, 3
    assert batches > 4
    assert invoke("evaluate", finished, *words, "--output", "parts", "--keep-images").exit_code != 0
    assert not Path("parts", "report.json").exists()
    other = invoke("evaluate", finished, *words, "seed=5", "--output", "parts", "--keep-images")
    assert other.exit_code == 2
    assert "was begun with another evaluation: seed" in other.stderr
    asked[0] = 0
    doomed[0] = -1
    result = evaluated(invoke, finished, *words, "--output", "parts", "--keep-images")
    assert asked[0] == batches - 2
    assert result["networks"] == whole["networks"]
    assert result["saved_images"]["global"]["float32"] == whole["networks"]["global"]["worst-case"]
    ours, theirs = (read_tensors(Path(name, "examples", "global.safetensors")) for name in ("whole", "parts"))
    assert ours[1] == theirs[1]
    assert all(tensor.numpy().tobytes() == theirs[0][name].numpy().tobytes() for name, tensor in ours[0].items())
    assert not Path("parts", "unfinished").exists()


def test_eps_goes_to_every_attack(invoke: Invoke, finished: Path) -> None:
    words = ["--attack", "pgd:eps=0.2,steps=4,step_size=0.1", "--attack", "autoattack:eps=0.1", "--eps", "1/10"]
    found = evaluated(invoke, finished, *words, "--examples", 4)
    assert found["attacks"]["pgd"]["eps"] == found["attacks"]["autoattack"]["eps"] == 0.1
    assert found["attacks"]["pgd"]["step_size"] == pytest.approx(0.05)


def test_broken_examples_can_be_dropped(invoke: Invoke, finished: Path) -> None:
    words = ["--attack", "pgd:eps=0.15,steps=4", "--attack", "noise:eps=0.05", "--examples", 40]
    each, dropped = (evaluated(invoke, finished, *words, *more) for more in ([], ["--drop-broken"]))
    one, other = each["networks"]["global"], dropped["networks"]["global"]
    assert one["worst-case"] == other["worst-case"] == other["noise"]
    assert dropped["manner"]["drop_broken"]
    spent = [found["cost"]["evaluation_passes"]["global"]["noise"]["forwards"] for found in (each, dropped)]
    assert spent[1] <= spent[0]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--network", "robst"], "no network 'robst'. Did you mean 'robust'? Known: all, global, natural, robust."),
        (["--attack", "pdg"], "--attack 'pdg': use: unknown attack 'pdg'. Did you mean 'pgd'?"),
        (["--attack", "pgd:eps"], "expected FIELD=VALUE, got 'eps'"),
        (["--attack", "pgd:eps=0.1", "--attack", "pgd:eps=0.2"], "two attacks are called 'pgd'"),
        (["--attack", "natural=pgd:eps=0.1"], "natural or worst-case"),
        (["--attack", "{use: pgd, eps: 1"], "this is not YAML"),
        (["--attack", ""], "expected pgd:eps=8/255,steps=20 or"),
        (["--examples", 0], "Invalid value for '--examples'"),
        (["--eps", "far"], "--eps 'far': expected a number of at least 0, such as 8/255"),
        (["--keep-images"], "--keep-images: where to? Name a folder behind --output."),
        (["--device", "cuda:99"], "expected auto, cpu, or one of"),
        (["--data", "generalist-cifar10"], "cifar"),
        (["dataset=mnist"], "mnist"),
    ],
)
def test_errors_say_what_is_wrong_and_end_with_2(
    invoke: Invoke, finished: Path, tiny: Path, words: list[Any], expected: str
) -> None:
    result = invoke("evaluate", finished, *words)
    assert result.exit_code == 2, result.output
    assert expected in result.stderr


def test_every_wrong_field_of_an_attack_is_reported(invoke: Invoke, finished: Path) -> None:
    result = invoke("evaluate", finished, "--attack", "pgd:stepz=3,eps=-1")
    assert "stepz: unknown key 'stepz'. Did you mean 'steps'?" in result.stderr
    assert "eps: expected a number of at least 0, got -1" in result.stderr


def test_a_source_that_is_none(invoke: Invoke, tiny: Path) -> None:
    nowhere = invoke("evaluate", "nowhere").stderr
    assert "there is no such results folder or weights file. MODEL 'nowhere': use: unknown architecture" in nowhere
    assert "there is no such results folder or weights file" in invoke("evaluate", "runs/nowhere").stderr
    assert "it has no lock.yaml" in invoke("evaluate", ".").stderr
    Path("x.safetensors").write_bytes(b"nonsense")
    result = invoke("evaluate", "x.safetensors", "--data", tiny)
    assert result.exit_code == 2
    assert "it is damaged" in result.stderr


def test_a_run_without_weights_names_the_way_out(invoke: Invoke, finished: Path, tiny: Path) -> None:
    shutil.copytree(finished, "run")
    shutil.rmtree("run/weights")
    assert "robustkit run run --resume" in invoke("evaluate", "run").stderr


def test_a_network_for_other_images_is_refused(invoke: Invoke, finished: Path, tiny: Path) -> None:
    import numpy

    images = numpy.zeros((4, 1, 9, 9), dtype=numpy.uint8)
    numpy.savez("other.npz", images=images, labels=numpy.arange(4))
    result = invoke("evaluate", finished, "dataset={use: arrays, train: other.npz, test: other.npz}")
    assert result.exit_code == 2
    assert "takes images (1, 8, 8) in 10 classes" in result.stderr


def test_specs_follow_nested_fields_and_brackets() -> None:
    specs = ["pgd:eps=8/255,loss={use: cross-entropy, label_smoothing: 0.1},steps=3", "b=pgd:eps=0.1,loss=margin"]
    attacks: Any = parse_attacks(specs, installed().registry)
    assert list(attacks) == ["pgd", "b"]
    assert (attacks["pgd"].eps, attacks["pgd"].steps, attacks["pgd"].loss.label_smoothing) == (8 / 255, 3, 0.1)
    assert attacks["b"].loss.name == "margin"
    dotted: Any = parse_attacks(["pgd:eps=0.1,loss=cross-entropy,loss.label_smoothing=0.2"], installed().registry)
    assert dotted["pgd"].loss.label_smoothing == 0.2
    with pytest.raises(InputError, match="pgd"):
        parse_attacks(["pgd"], installed().registry)


def test_an_architecture_with_weights_of_its_own(invoke: Invoke, tiny: Path) -> None:
    words = ["small-cnn:width=4", "--data", tiny, "--examples", 12]
    found, again = (evaluated(invoke, *words) for _ in range(2))
    assert list(found["networks"]) == ["small-cnn"]
    assert found["networks"] == again["networks"]
    assert found["weights"] == {}
    assert found["architecture"]["width"] == 4
    assert "name the recipe whose dataset to use, --data RECIPE" in invoke("evaluate", "small-cnn").stderr
