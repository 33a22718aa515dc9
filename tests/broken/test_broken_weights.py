"""Broken weights, checkpoints and results folders: nothing is unpickled, and what is there stays as it is."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from broken_input import BASE, assert_refused, run_command, write
from safetensors.torch import save_file

from robustkit.models.files import read_tensors, save_tensors

WEIGHTS = Path("run/weights/global.safetensors")
CHECKPOINT = Path("run/checkpoint.safetensors")


class Touch:
    """Unpickling it would make a file."""

    def __reduce__(self):
        return (Path.touch, (Path("touched"),))


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A finished run of one epoch."""
    folder = tmp_path_factory.mktemp("finished")
    text = BASE.replace("epochs: 3", "epochs: 1\ntrain_examples: 64\nvalidation_examples: 16").replace(
        "3: 0.01", "1: 0.01"
    )
    text = text.replace("small-cnn", "{use: small-cnn, width: 2}").replace(
        "evaluation:", "evaluation:\n  test_examples: 16"
    )
    write(folder, {"recipe.yaml": text})
    tried = run_command("run", "-q", str(folder / "recipe.yaml"), "--output", str(folder / "run"))
    assert tried.exit_code == 0, tried.text
    return folder


@pytest.fixture(autouse=True)
def inside(finished, tmp_path, monkeypatch):
    """A copy of it, to be broken."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)


def half(path: Path) -> Callable[[], object]:
    return lambda: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped() -> None:
    """One byte of the header's length."""
    content = bytearray(WEIGHTS.read_bytes())
    content[3] ^= 0xFF
    WEIGHTS.write_bytes(content)


def header(**changes: object) -> Callable[[], None]:
    """The weights with keys of their header replaced, or removed where `...` stands."""

    def change() -> None:
        tensors, found = read_tensors(WEIGHTS)
        found |= changes
        save_tensors(WEIGHTS, tensors, {key: value for key, value in found.items() if value is not ...})

    return change


def tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[], None]:
    def apply() -> None:
        found, kept = read_tensors(WEIGHTS)
        change(found)
        save_tensors(WEIGHTS, found, kept)

    return apply


FILES = {
    "half a file": (half(WEIGHTS), "it is damaged: "),
    "nothing": (lambda: WEIGHTS.write_bytes(b""), "it is damaged: "),
    "a damaged header": (flipped, "it is damaged: "),
    "text": (lambda: WEIGHTS.write_text("weights"), "it is damaged: "),
    "a pickle": (lambda: WEIGHTS.write_bytes(pickle.dumps(Touch())), "it is damaged: "),
    "a pickle of torch": (lambda: torch.save({"weight": Touch()}, WEIGHTS), "it is damaged: "),
    "another's safetensors": (
        lambda: save_file({"weight": torch.zeros(3)}, WEIGHTS),
        "expected a header of format 'robustkit-1' naming the architecture, got None.",
    ),
    "no architecture": (header(architecture=...), "its header lacks architecture."),
    "an unknown architecture": (
        header(architecture={"use": "smal-cnn"}),
        "unknown architecture 'smal-cnn'. Did you mean",
    ),
    "another width": (header(architecture={"use": "small-cnn", "width": 3}), "the weights do not fit the network: "),
    "no shape": (header(image_shape="grey"), "its header's image_shape or class_names cannot be read: "),
    "an impossible shape": (
        header(image_shape=[1, 0, 8]),
        "its header's image_shape (1, 0, 8) or its 10 classes make no sense",
    ),
    "fewer classes": (
        header(class_names=["a", "b"]),
        "the weights do not fit the network: 'classifier.weight' has shape (10, ",
    ),
    "no classes": (header(class_names=3), "its header's image_shape or class_names cannot be read: "),
    "an impossible normalization": (
        header(normalization={"mean": [0], "std": [0]}),
        "normalization.std[0]: expected a number ab",
    ),
    "a missing tensor": (tensors(lambda t: t.pop("classifier.bias")), "'classifier.bias' is missing"),
    "a tensor too many": (tensors(lambda t: t.update(extra=torch.zeros(1))), "'extra' is unknown."),
    "weights that are no numbers": (
        tensors(lambda t: t["classifier.bias"].fill_(torch.nan)),
        "the model's logits are not finite",
    ),
}


@pytest.mark.parametrize(("damage", "expected"), FILES.values(), ids=FILES)
@pytest.mark.parametrize("source", ["run", str(WEIGHTS)], ids=["folder", "file"])
def test_broken_weights(damage, expected, source, tmp_path):
    damage()
    place = [] if "logits" in expected else [str(WEIGHTS)]
    assert_refused(tmp_path, ("evaluate", "-q", source, "--output", "result.json"), expected, *place)


EVALUATIONS = {
    "a folder that is not there": (("nowhere",), "nowhere: there is no such results folder or weights file."),
    "a folder of something else": (("run/weights",), "expected a results folder, it has no lock.yaml."),
    "a recipe": (("recipe.yaml",), "recipe.yaml: expected a safetensors file written by robustkit"),
    "an unknown network": (("run", "--network", "robst"), "no network 'robst'. Did you mean 'robust'?"),
    "an unknown attack": (("run", "--attack", "pgdd:eps=0.1"), "unknown attack 'pgdd'. Did you mean 'pgd'?"),
    "an attack without its field": (("run", "--attack", "pgd"), "needs 'eps', which has no default."),
    "a field without its value": (("run", "--attack", "pgd:eps"), "expected FIELD=VALUE, got 'eps'."),
    "eps in units of 255": (
        ("run", "--attack", "pgd:eps=8"),
        "expected at most 1 in Linf, got 8: pixels are in [0, 1]",
    ),
    "an override without effect": (("run", "epochs=3"), "override 'epochs=3': has no effect on an evaluation."),
    "a broken override": (("run", "dataset.rooot=x"), "unknown key 'rooot'."),
    "no examples": (("run", "--examples", "0"), "0 is not in the range x>=1"),
    "a device that is not there": (("run", "--device", "cuda:99"), "device 'cuda:99': expected auto, cpu, or one of "),
    "other data": (
        ("run", "dataset={use: arrays, train: a.npz, test: a.npz}"),
        "a.npz",
    ),
}


@pytest.mark.parametrize(("arguments", "expected"), EVALUATIONS.values(), ids=EVALUATIONS)
def test_evaluations_that_cannot_be(arguments, expected, tmp_path):
    assert_refused(tmp_path, ("evaluate", "-q", *arguments, "--output", "result.json"), expected)


def test_a_result_is_not_written_over(tmp_path):
    write(tmp_path, {"mine.json": "{}"})
    assert_refused(tmp_path, ("evaluate", "-q", "run", "--output", "mine.json"), "mine.json: is there already.")


RESUMES = {
    "another seed": (lambda: None, ("seed=2",), "run holds another run than this recipe:\n  seed: 1 then, 2 now"),
    "another attack": (
        lambda: None,
        ("learners.robust.strategy.attack.steps=9",),
        "learners.robust.strategy.attack.steps: 2 then, 9 now",
    ),
    "no lock": (lambda: Path("run/lock.yaml").unlink(), (), "run: nothing to resume, it has no lock.yaml."),
    "a broken lock": (lambda: Path("run/lock.yaml").write_text("name: [1"), (), "run/lock.yaml:1:9: this is not YAML"),
    "half a checkpoint": (
        half(CHECKPOINT),
        (),
        "run/checkpoint.safetensors: expected a safetensors file written by robus",
    ),
    "a pickle as checkpoint": (
        lambda: CHECKPOINT.write_bytes(pickle.dumps(Touch())),
        (),
        "run/checkpoint.safetensors: ",
    ),
    "weights as checkpoint": (
        lambda: shutil.copy(WEIGHTS, CHECKPOINT),
        (),
        "run/checkpoint.safetensors: this checkpoint does not fit the recipe: 'progress'",
    ),
}


@pytest.mark.parametrize(("damage", "words", "expected"), RESUMES.values(), ids=RESUMES)
def test_what_cannot_be_resumed(damage, words, expected, tmp_path):
    damage()
    resume = ("run", "-q", "recipe.yaml", *words, "--output", "run", "--resume")
    assert_refused(tmp_path, resume, expected)


def test_a_results_folder_is_not_written_over(tmp_path):
    assert_refused(
        tmp_path, ("run", "recipe.yaml", "--output", "run"), "run: is there already. Choose another --output, "
    )


REPORTS = {
    "no report": (lambda: Path("run/report.json").unlink(), "run: not finished, 1 of 1 epochs."),
    "half a report": (
        lambda: Path("run/report.json").write_text('{"name": '),
        "run/report.json: expected JSON, it cannot",
    ),
    "an empty report": (lambda: Path("run/report.json").write_text("{}"), "run: its report lacks "),
    "a broken lock": (lambda: Path("run/lock.yaml").write_text("name: [1"), "run/lock.yaml:1:9: this is not YAML"),
    "no lock": (lambda: Path("run/lock.yaml").unlink(), "run: expected a results folder, it has no lock.yaml."),
}


@pytest.mark.parametrize(("damage", "expected"), REPORTS.values(), ids=REPORTS)
def test_what_cannot_be_compared(damage, expected, tmp_path):
    damage()
    assert_refused(tmp_path, ("compare", "run"), expected)
