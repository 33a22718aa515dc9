"""Weights files: safetensors with a JSON header that says what network they are, so that nothing is unpickled."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from robustkit.components.architecture import Architecture, Normalization
from robustkit.components.weights import Weights, copy_
from robustkit.errors import WeightsError, did_you_mean
from robustkit.models.classifier import Classifier, build_classifier
from robustkit.plugin.manager import installed
from robustkit.plugin.registry import Registry
from robustkit.recipe.builder import Builder
from robustkit.recipe.lock import plain

FORMAT = "robustkit-1"
_KEYS = ("architecture", "class_names", "image_shape", "normalization")


def save_tensors(path: Path, tensors: Weights, header: Mapping[str, Any]) -> None:
    """Write tensors and a JSON header, beside the file first and then in its place, so that it is never half there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with replaced(path) as beside:
        save_file(contiguous, beside, metadata={"format": FORMAT, "robustkit": json.dumps(header)})


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all."""
    with replaced(path) as beside:
        beside.write_text(text, encoding="utf-8")


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A place beside `path` to write to; what was written then takes its place."""
    beside = path.with_name(f".{path.name}.partial")
    yield beside
    with beside.open("rb") as file:
        os.fsync(file.fileno())
    beside.replace(path)


def read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The tensors and the JSON header of a file written by `save_tensors`.

    Raises:
        WeightsError: the file is missing, damaged, or not robustkit's.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: there is no such file.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise WeightsError(
                    f"{path}: expected a header of format {FORMAT!r} naming the architecture, got "
                    f"{metadata.get('format')!r}. Such weights can be loaded into a network of your own in Python."
                )
            header = json.loads(metadata["robustkit"])
            if not isinstance(header, dict):
                raise WeightsError(f"{path}: expected a mapping as its header, it is damaged: {header!r}.")
            return {name: file.get_tensor(name) for name in file.keys()}, header  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError, KeyError, json.JSONDecodeError) as error:
        raise WeightsError(
            f"{path}: expected a safetensors file written by robustkit, it is damaged: {error}"
        ) from error


def model_header(
    architecture: Architecture, classifier: Classifier, class_names: tuple[str, ...], image_shape: tuple[int, ...]
) -> dict[str, Any]:
    """What `load_model` needs to build the network again."""
    normalization = classifier.normalization
    return {
        "architecture": plain(architecture),
        "class_names": list(class_names),
        "image_shape": list(image_shape),
        "normalization": None if normalization is None else asdict(normalization),
    }


def load_model(path: str | Path, *, device: str | torch.device = "cpu", registry: Registry | None = None) -> Classifier:
    """Build the network that a weights file names and load its weights; returned in eval mode.

    Args:
        path: a `.safetensors` file written by a run.
        device: where to put it.
        registry: where its architecture is looked up; by default, the installed plugins.

    Raises:
        WeightsError: the file is missing, damaged, or its weights do not fit the network it names.
    """
    tensors, header = read_tensors(Path(path))
    return model_from(tensors, header, str(path), registry).to(device)


def model_from(
    tensors: Weights, header: Mapping[str, Any], source: str, registry: Registry | None = None
) -> Classifier:
    """As `load_model`, for tensors and a header that are already read; `source` is named in errors."""
    missing = [key for key in _KEYS if key not in header]
    if missing:
        raise WeightsError(f"{source}: its header lacks {', '.join(missing)}.")
    builder = Builder(registry or installed().registry)
    # The weights are in the file: an architecture must not fetch its pretrained ones first.
    described = header["architecture"]
    if isinstance(described, Mapping) and described.get("pretrained"):
        described = {**described, "pretrained": False}
    architecture, problems = builder.build(Architecture, described, ("architecture",))
    normalization, more = builder.build(Normalization | None, header["normalization"], ("normalization",))
    if problems or more:
        raise WeightsError("\n".join(f"{source}: {problem}" for problem in [*problems, *more]))
    try:
        shape = tuple(int(size) for size in header["image_shape"])
        classes = len(header["class_names"])
    except (TypeError, ValueError, OverflowError) as error:
        raise WeightsError(f"{source}: its header's image_shape or class_names cannot be read: {error}.") from error
    if len(shape) != 3 or min(shape) < 1 or classes < 1:
        raise WeightsError(f"{source}: its header's image_shape {shape} or its {classes} classes make no sense.")
    classifier = build_classifier(architecture, classes, shape, normalization)
    load_weights(classifier, tensors, source)
    return classifier.eval()


def load_weights(classifier: Classifier, tensors: Weights, source: str) -> None:
    """Put tensors read from a file into a network of the same architecture; `source` is named in errors.

    Raises:
        WeightsError: they do not fit it.
    """
    own = classifier.weights()
    wrong = [f"{name!r} is missing" for name in own if name not in tensors]
    wrong += [f"{name!r} is unknown.{did_you_mean(name, own)}" for name in tensors if name not in own]
    wrong += [
        f"{name!r} has shape {tuple(tensors[name].shape)}, expected {tuple(tensor.shape)}"
        for name, tensor in own.items()
        if name in tensors and tensors[name].shape != tensor.shape
    ]
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise WeightsError(f"{source}: the weights do not fit the network: {'; '.join(wrong[:5])}{more}.")
    if any(tensor.dtype == torch.float64 for tensor in tensors.values()):
        classifier.double()
    copy_(classifier.weights(), tensors)
