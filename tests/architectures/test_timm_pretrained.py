"""timm's pretrained weights, from a Hugging Face cache made by hand: nothing here uses a network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from robustkit_timm import TimmArchitecture
from safetensors.torch import save_file
from torch import Tensor

from robustkit import Normalization
from robustkit.errors import InputError
from robustkit.models.classifier import build_classifier

MODEL = "test_resnet.r160_in1k"
PRETRAINED = TimmArchitecture(MODEL, pretrained=True)


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    """Where Hugging Face's cache in `tmp_path` keeps the files of the model."""
    folder = tmp_path / f"models--timm--{MODEL}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("0123abc")
    (folder / "snapshots" / "0123abc").mkdir(parents=True)
    return folder / "snapshots" / "0123abc"


@pytest.fixture
def published(snapshot: Path) -> dict[str, Tensor]:
    """Weights of a network for 1000 classes, put where timm looks for them."""
    import timm

    torch.manual_seed(7)
    weights: dict[str, Tensor] = timm.create_model(MODEL).state_dict()
    save_file(weights, str(snapshot / "model.safetensors"))
    return weights


def test_everything_but_the_head_is_the_published_weights(published: dict[str, Tensor]) -> None:
    loaded = PRETRAINED.build(10, (3, 32, 32)).state_dict()
    assert loaded["fc.weight"].shape == (10, published["fc.weight"].shape[1])
    same = [name for name, tensor in loaded.items() if not name.startswith("fc.")]
    assert len(same) == len(published) - 2
    for name in same:
        assert torch.equal(loaded[name], published[name]), name


def test_colour_images_get_the_weights_own_normalization(published: dict[str, Tensor]) -> None:
    classifier = build_classifier(PRETRAINED, 10, (3, 32, 32))
    assert classifier.normalization == Normalization((0.5,), (0.5,))
    imagenet = TimmArchitecture("resnet18.a1_in1k", pretrained=True).normalization
    assert imagenet == Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert TimmArchitecture("resnet18.a1_in1k").normalization is None


def test_grey_images_see_the_colours_weights_summed_and_their_means_averaged(
    published: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    colours = Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    monkeypatch.setattr(TimmArchitecture, "normalization", colours)
    classifier = build_classifier(PRETRAINED, 10, (1, 32, 32))
    assert classifier.normalization is not None
    assert classifier.normalization.mean == pytest.approx((0.449,))
    assert classifier.normalization.std == pytest.approx((0.226,))
    first = next(name for name, tensor in published.items() if tensor.ndim == 4 and tensor.shape[1] == 3)
    torch.testing.assert_close(classifier.weights()[first], published[first].sum(1, keepdim=True))


def test_without_network_and_cache_the_error_names_the_model_and_the_cache() -> None:
    with pytest.raises(InputError) as raised:
        build_classifier(PRETRAINED, 10, (3, 32, 32))
    message = str(raised.value)
    assert f"the pretrained weights of timm's {MODEL} could not be loaded" in message
    assert "HF_HOME" in message
    assert "`pretrained: false`" in message


class Trap:
    """What would make a folder when it is unpickled."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.folder,)


def test_weights_that_would_run_code_are_refused(tmp_path: Path, snapshot: Path) -> None:
    torch.save({"conv1.weight": Trap(str(tmp_path / "sprung"))}, snapshot / "pytorch_model.bin")
    before = dict(os.environ)
    with pytest.raises(InputError, match="could not be loaded"):
        PRETRAINED.build(10, (3, 32, 32))
    assert not (tmp_path / "sprung").exists()
    assert dict(os.environ) == before
    torch.load(snapshot / "pytorch_model.bin", weights_only=False)  # the trap is a real one
    assert (tmp_path / "sprung").exists()
