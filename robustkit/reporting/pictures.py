"""Images in a page: the data set's own, and pixels as PNG inside the page."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from robustkit.components.dataset import Dataset
from robustkit.components.examples import Examples
from robustkit.errors import RobustkitError
from robustkit.evaluation.classification import names_of
from robustkit.evaluation.outcome import Record
from robustkit.plugin.registry import Registry
from robustkit.recipe.builder import Builder
from robustkit.reporting.markup import Html, element

_LEAST = 88  # pixels: smaller images are enlarged to at least so many


@dataclass(frozen=True)
class CleanImages:
    """The test images that a record speaks of, as far as they can be had."""

    examples: Examples | None
    reason: str = ""
    """Why there are none."""

    def of(self, record: Record, chosen: Tensor) -> Tensor | None:
        """The images (n, C, H, W) of these examples (n,); None where there are none, or others."""
        if self.examples is None or len(self.examples) < len(record.labels):
            return None
        if not torch.equal(self.examples.labels[: len(record.labels)].cpu(), record.labels):
            return None
        images = self.examples.images(chosen)
        return images.cpu() if torch.equal(names_of(images), record.names[chosen]) else None

    def why_not(self) -> str:
        """Why `of` gives none."""
        return self.reason or "the data set's test images are not those that were evaluated."


def clean_images(recipe: Mapping[str, Any], registry: Registry) -> CleanImages:
    """Load the data set of a recipe; where that fails, the reason is kept instead, for the page to say."""
    data = recipe.get("dataset")
    dataset, problems = Builder(registry).build(Dataset, data, ("dataset",))
    if problems:
        return CleanImages(None, "; ".join(map(str, problems)))
    try:
        return CleanImages(dataset.load("test"))
    except RobustkitError as error:
        return CleanImages(None, str(error))


def picture(pixels: Tensor, text: str) -> Html:
    """An image (C, H, W) in [0, 1] as a PNG in the page: each pixel of a small one becomes a square.

    It is rounded to 8 bits a channel. Of images with neither one nor three channels, the channels' mean is shown.
    """
    if pixels.shape[0] not in (1, 3):
        pixels = pixels.mean(0, keepdim=True)
    bytes_ = (pixels.clamp(0, 1) * 255).round().to(torch.uint8)
    array = bytes_.permute(1, 2, 0).contiguous().numpy()
    image = Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)
    factor = max(1, math.ceil(_LEAST / max(image.size)))
    image = image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    file = io.BytesIO()
    image.save(file, format="PNG", optimize=True)
    data = base64.b64encode(file.getvalue()).decode("ascii")
    return element("img", src=f"data:image/png;base64,{data}", alt=text, width=image.width, height=image.height)


def amplification(perturbations: Tensor) -> float:
    """By how much to multiply perturbations so that the largest fills the range from black to white, in two digits."""
    largest = float(perturbations.abs().max())
    if largest == 0:
        return 1.0
    factor = 0.5 / largest
    unit = 10.0 ** (math.floor(math.log10(factor)) - 1)
    # Rounding down keeps all of it visible; 1e-9 is what a division may lack.
    return math.floor(factor / unit + 1e-9) * unit


def amplified(perturbation: Tensor, factor: float) -> Tensor:
    """A perturbation as an image: grey is none, white is up and black is down."""
    return 0.5 + factor * perturbation
