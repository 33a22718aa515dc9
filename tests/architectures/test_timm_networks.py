"""timm's networks: names and options are checked before a run, and size, channels and head are the data set's."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from robustkit_timm import TimmArchitecture
from torch import nn

from robustkit import Architecture, make
from robustkit.errors import ComponentError, InputError
from robustkit.models.classifier import build_classifier


def test_the_plugin_loads_without_timm() -> None:
    code = "import sys, robustkit_timm; sys.exit('timm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet", "test_convnext", "test_vit", "test_nfnet"])
@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 48, 64)])
def test_networks_take_the_data_sets_images_and_classes(name: str, shape: tuple[int, int, int]) -> None:
    classifier = build_classifier(TimmArchitecture(name), 7, shape)
    assert classifier(torch.rand(2, *shape)).shape == (2, 7)


def test_a_transformer_is_built_for_the_images_size() -> None:
    options = {"patch_size": 4, "drop_path_rate": "5e-2"}
    network = TimmArchitecture("test_vit", options=options).build(10, (1, 8, 12))
    assert network.patch_embed.grid_size == (2, 3)  # type: ignore[union-attr]
    paths = [module.drop_prob for module in network.modules() if type(module).__name__ == "DropPath"]
    assert max(paths) == pytest.approx(0.05)


def test_recipe_words_become_the_same_network() -> None:
    built = make("architecture", "timm", model="test_vit", options={"patch_size": 4})
    assert built == TimmArchitecture("test_vit", options={"patch_size": 4})
    assert isinstance(built, Architecture)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"model": "resnet5O"}, "model: timm has no model 'resnet5O'. Did you mean 'resnet50'?"),
        ({"model": "hf-hub:someone/anything"}, "model: timm has no model 'hf-hub:someone/anything'."),
        ({"model": "resnet18.a9_in1k"}, "model: timm's resnet18 has no weights 'a9_in1k'. Known: resnet18.a1_in1k,"),
        (
            {"model": "test_vit", "options": {"num_classes": 3}},
            "options.num_classes: 'num_classes' is no option: it com",
        ),
        (
            {"model": "test_vit", "options": {"checkpoint_path": "x.pth"}},
            "'checkpoint_path' is no option: weights from",
        ),
        ({"model": "test_vit", "options": {"patch_size": {"a": 1}}}, "options.patch_size: expected a number or true"),
    ],
)
def test_what_timm_does_not_have_is_said_before_a_run(fields: dict[str, object], expected: str) -> None:
    with pytest.raises(ComponentError) as raised:
        TimmArchitecture(**fields)  # type: ignore[arg-type]
    assert expected in str(raised.value)


def test_pretrained_weights_must_exist() -> None:
    from timm.models import is_model_pretrained, list_models

    without = next(name for name in list_models() if not is_model_pretrained(name))
    with pytest.raises(ComponentError, match="pretrained: timm has no pretrained weights for"):
        TimmArchitecture(without, pretrained=True)
    TimmArchitecture(without)


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(InputError, match=r"timm's test_resnet takes no option 'patch_size'\."):
        TimmArchitecture("test_resnet", options={"patch_size": 4}).build(10, (3, 32, 32))


def test_an_options_value_that_does_not_fit_is_an_input_error() -> None:
    with pytest.raises(InputError, match="timm's test_vit cannot be built with"):
        TimmArchitecture("test_vit", options={"patch_size": "four"}).build(10, (3, 32, 32))


def test_images_that_are_too_small_are_an_input_error() -> None:
    with pytest.raises(InputError, match="cannot take images of shape"):
        build_classifier(TimmArchitecture("test_vit"), 10, (3, 8, 8))


def test_networks_are_as_random_as_torch_says() -> None:
    def drawn(seed: int) -> nn.Module:
        torch.manual_seed(seed)
        return TimmArchitecture("test_vit").build(10, (3, 32, 32))

    first, again, other = (torch.cat([p.flatten() for p in drawn(seed).parameters()]) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
