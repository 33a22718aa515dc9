"""timm's networks as an architecture."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from torch import nn

from robustkit import Architecture, Normalization
from robustkit.errors import InputError, Problem, did_you_mean
from robustkit_timm.options import Option, arguments, reserved

_ELSEWHERE = {
    **dict.fromkeys(["num_classes", "in_chans", "img_size"], "it comes from the data set"),
    **dict.fromkeys(["model_name", "pretrained"], "it is a key of its own beside `options`"),
    **dict.fromkeys(
        ["checkpoint_path", "pretrained_cfg", "pretrained_cfg_overlay", "pretrained_strict"],
        "weights from elsewhere are not loaded here",
    ),
    "features_only": "a network for classification is needed",
}


@dataclass(frozen=True)
class TimmArchitecture(Architecture):
    """Any of timm's networks (Wightman: PyTorch Image Models), with the head, channels and size the data set asks for.

    Networks made for one image size (vision transformers) are built for the data set's; their `patch_size` is best
    given for small images. The others keep their ImageNet stem, which shrinks small images early.
    """

    name = "timm"

    model: str
    """A name from `timm.list_models()`, such as `resnet50`; with pretrained weights also with their tag,
    `resnet50.a1_in1k`."""
    pretrained: bool = False
    """Start from timm's pretrained weights, with a new head. Brings their normalization along, and needs a network
    connection, or the weights in Hugging Face's cache."""
    options: Mapping[str, Option] = field(default_factory=dict)
    """Further arguments of the network by timm's names, such as `drop_path_rate: 0.1` or `patch_size: 4`."""

    def problems(self) -> Iterable[Problem]:
        """The name, its tag, its pretrained weights and the options must be timm's."""
        from timm.models import is_model_pretrained, list_models

        networks = list_models()
        network, _, tag = self.model.partition(".")
        if network not in networks:
            near = did_you_mean(network, networks)
            yield Problem(("model",), f"timm has no model {self.model!r}.{near} `timm.list_models()` lists them all.")
        elif tag and self.model not in (tags := list_models(f"{network}.*", pretrained=True)):
            yield Problem(("model",), f"timm's {network} has no weights {tag!r}. Known: {', '.join(tags) or 'none'}.")
        elif self.pretrained and not is_model_pretrained(network):
            yield Problem(("pretrained",), f"timm has no pretrained weights for {network!r}.")
        yield from reserved(self.options, _ELSEWHERE)

    def build(self, num_classes: int, image_shape: tuple[int, int, int]) -> nn.Module:
        """The network with a new head of `num_classes` outputs.

        Raises:
            InputError: it does not take an option or such images, or its pretrained weights cannot be loaded.
        """
        channels, *size = image_shape
        given: dict[str, Any] = {**arguments(self.options), "num_classes": num_classes, "in_chans": channels}
        if self._settings().fixed_input_size:
            given["img_size"] = tuple(size)
        if self.pretrained:
            return self._pretrained(given)
        return self._created(given)

    @property
    def normalization(self) -> Normalization | None:
        """What the pretrained weights were trained with; one value where all colours share it."""
        if not self.pretrained:
            return None
        settings = self._settings()
        mean, std = (values[:1] if len(set(values)) == 1 else values for values in (settings.mean, settings.std))
        return Normalization(tuple(mean), tuple(std))

    def _settings(self) -> Any:
        """timm's record of the network's weights and input."""
        from timm.models import get_pretrained_cfg

        return get_pretrained_cfg(self.model)

    def _created(self, given: Mapping[str, Any], *, pretrained: bool = False) -> nn.Module:
        from timm import create_model

        try:
            return cast(nn.Module, create_model(self.model, pretrained=pretrained, **given))
        except TypeError as error:
            unexpected = re.search(r"unexpected keyword argument '(\w+)'", str(error))
            if unexpected and unexpected[1] in self.options:
                raise InputError(f"timm's {self.model} takes no option {unexpected[1]!r}.") from error
            raise InputError(f"timm's {self.model} cannot be built with {dict(given)}: {error}.") from error

    def _pretrained(self, given: Mapping[str, Any]) -> nn.Module:
        try:
            with _no_unpickling():
                return self._created(given, pretrained=True)
        except InputError:
            raise
        except Exception as error:  # hub clients raise what their network library does; all of it means: no weights
            raise InputError(
                f"the pretrained weights of timm's {self.model} could not be loaded: {type(error).__name__}: {error} "
                "They come from the Hugging Face hub, which needs a network connection once. Afterwards they are read "
                "from its cache folder ($HF_HOME/hub, or ~/.cache/huggingface/hub), which can be copied from a machine "
                "that has them. Or train from scratch, with `pretrained: false`."
            ) from error


@contextmanager
def _no_unpickling() -> Iterator[None]:
    """Keep torch from running code out of downloaded weights, which older versions of timm would let it do."""
    name = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        os.environ.pop(name) if before is None else os.environ.update({name: before})
