"""Two networks of others, evaluated from end to end: the accuracies that their authors published come out."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from robustkit.models.files import save_tensors

PLUGIN = Path(__file__).parent / "cifar_resnet.py"
WEIGHTS = Path(__file__).parents[3] / "shared" / "data" / "weights"
CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
NAMES = {
    "natural": [(r"layer(\d)\.", lambda found: f"stages.{int(found[1]) - 1}.")],
    "adversarial": [
        (r"stage_(\d)\.", lambda found: f"stages.{int(found[1]) - 1}."),
        (r"conv_1_3x3", lambda _: "conv1"),
        (r"bn_1", lambda _: "bn1"),
        (r"classifier", lambda _: "linear"),
        (r"(conv|bn)_([ab])", lambda found: found[1] + {"a": "1", "b": "2"}[found[2]]),
    ],
}
RECIPE = """\
name: published
epochs: 1
dataset: {{use: arrays, train: "{train}", test: "{test}", class_names: [{classes}]}}
architecture: {{use: cifar-resnet, zeros: {zeros}}}
learners:
  natural:
    strategy: natural
    optimizer: {{use: sgd, lr: 0.1}}
aggregator: single
"""


def renamed(key, network):
    for pattern, name in NAMES[network]:
        key = re.sub(pattern, name, key)
    return key


def converted(network, zeros, path):
    """The published weights as a file of robustkit's: other names, and a header that says what network it is."""
    published = load_file(WEIGHTS / f"resnet20-{network}.safetensors")
    tensors = {renamed(key, network): tensor for key, tensor in published.items()}
    for key in [key for key in tensors if key.endswith("running_mean")]:
        tensors.setdefault(key.replace("running_mean", "num_batches_tracked"), torch.tensor(0))
    header = {
        "architecture": {"use": "cifar-resnet", "zeros": zeros},
        "class_names": CLASSES,
        "image_shape": [3, 32, 32],
        "normalization": IMAGENET if network == "natural" else None,
    }
    save_tensors(path, tensors, header)


@pytest.fixture
def evaluated(shared_data, tmp_path):
    """`evaluated("natural", "fgsm:eps=2/255")`: accuracies in percent on the 10,000 test images, by the command."""
    if not WEIGHTS.is_dir():
        pytest.skip("needs the published networks in ../shared/data/weights, which are not here")
    data = shared_data("cifar10") / "cifar10"

    def evaluate(network, *attacks):
        zeros = {"natural": "around", "adversarial": "after"}[network]
        converted(network, zeros, tmp_path / "network.safetensors")
        files = {split: data / f"{split}.npz" for split in ("train", "test")}
        recipe = RECIPE.format(**files, classes=", ".join(CLASSES), zeros=zeros)
        (tmp_path / "recipe.yaml").write_text(recipe, encoding="utf-8")
        command = [sys.executable, "-m", "robustkit", "evaluate", "network.safetensors", "--plugin", str(PLUGIN)]
        command += ["--data", "recipe.yaml", "--json", "-q"]
        command += [word for attack in attacks for word in ("--attack", attack)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert done.returncode == 0, done.stderr
        (found,) = json.loads(done.stdout)["networks"].values()
        assert found["natural"]["examples"] == 10_000
        return {name: 100 * figures["accuracy"] for name, figures in found.items()}

    return evaluate


def test_a_natural_network(evaluated):
    assert evaluated("natural")["natural"] == pytest.approx(91.73, abs=0.05)


def test_an_adversarially_trained_network(evaluated):
    found = evaluated("adversarial", *(f"fgsm-{radius}=fgsm:eps={radius}/255" for radius in (2, 4, 8)))
    assert found["natural"] == pytest.approx(88.03, abs=0.05)
    assert found["fgsm-2"] == pytest.approx(74.94, abs=0.05)
    assert found["fgsm-4"] == pytest.approx(60.25, abs=0.05)
    assert found["fgsm-8"] == pytest.approx(35.06, abs=0.05)


@pytest.mark.slow
def test_an_adversarially_trained_network_under_seven_steps(evaluated):
    """The published attack starts at random, and its starts are not known: hence 0.3 points."""
    found = evaluated("adversarial", "pgd-7=pgd:eps=8/255,step_size=0.01,steps=7,keep=last")
    assert found["pgd-7"] == pytest.approx(22.26, abs=0.3)
