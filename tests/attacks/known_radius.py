"""Networks whose smallest perturbation is known exactly, for each norm and inside [0, 1]."""

from __future__ import annotations

import torch
from torch import nn

SHAPE = (2, 5, 3)


def images_and_weights(count=6, classes=2, seed=0, margin=0.0):
    """Images (count, 2, 5, 3) in [margin, 1 - margin] and as many weights a class, all float64."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(count, *SHAPE, generator=generator, dtype=torch.float64) * (1 - 2 * margin) + margin
    return images, torch.randn(classes, *SHAPE, generator=generator, dtype=torch.float64)


def gain(direction, rooms, norm, eps):
    """How much a linear score can grow inside ball and box: weights |direction| (D,), `rooms` (D,) for each move."""
    weights = direction.abs()
    if norm == "Linf":
        return (weights * rooms.clamp_max(eps)).sum()
    if norm == "L1":  # the largest weights first
        order = weights.argsort(descending=True)
        filled = rooms[order].cumsum(0).clamp_max(eps)
        return (weights[order] * filled.diff(prepend=torch.zeros(1).double())).sum()
    low, high = 0.0, 1e6  # L2: all grow along the weights until they meet the box
    for _ in range(80):
        middle = (low + high) / 2
        inside = (middle * weights).minimum(rooms).norm() <= eps
        low, high = (middle, high) if inside else (low, middle)
    return (weights * (low * weights).minimum(rooms)).sum()


def linear_radius(direction, image, need, norm):
    """The smallest perturbation of the image that raises the score by `need`."""
    direction, image = direction.flatten(), image.flatten()
    rooms = torch.where(direction > 0, 1 - image, image)
    if gain(direction, rooms, norm, 1e3) < need:
        return torch.inf
    low, high = 0.0, 1e2
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if gain(direction, rooms, norm, middle) >= need else (middle, high)
    return high


class Linear(nn.Module):
    """Scores that are linear in the image."""

    def __init__(self, weights, offsets):
        super().__init__()
        self.register_buffer("weights", weights.flatten(1))
        self.register_buffer("offsets", offsets)

    def forward(self, images):
        return images.flatten(1) @ self.weights.T + self.offsets


class Valley(nn.Module):
    """Class 1 scores the smallest of several linear pieces on pixels of their own, class 0 nothing.

    All pieces must be raised at once: a perturbation has to divide its budget among them, and the gradient shows only
    the lowest. In Linf the radius is the largest of the pieces' own, in L1 their sum, in L2 the root of their squares'.
    """

    def __init__(self, pieces, offsets):
        super().__init__()
        self.register_buffer("pieces", pieces.flatten(1))
        self.register_buffer("offsets", offsets)

    def forward(self, images):
        score = (images.flatten(1) @ self.pieces.T + self.offsets).amin(dim=1)
        return torch.stack([torch.zeros_like(score), score], 1)


def two_classes(norm):
    """A plane between two classes; the images fill [0, 1], so that many pixels meet its limits. One radius an image."""
    images, weights = images_and_weights(count=3)
    direction = weights[1] - weights[0]
    need = 0.3 * torch.minimum(images, 1 - images).flatten(1) @ direction.flatten().abs()
    # A margin of its own for each image: a further pixel, which the network reads as offset, would be no pixel.
    models = [Linear(weights, torch.tensor([0.0, 0.0])) for _ in images]
    for model, image, wanted in zip(models, images, need, strict=True):
        model.offsets = torch.stack([torch.zeros(()), -(image * direction).sum() - wanted]).double()
    radii = [linear_radius(direction, image, wanted, norm) for image, wanted in zip(images, need, strict=True)]
    return models, images, radii


def many_classes(norm, classes=10):
    """Planes between several classes, of which the nearest counts. Returns model, images, labels, radii."""
    images, weights = images_and_weights(count=6, classes=classes, margin=0.4)
    model = Linear(weights, torch.zeros(classes).double())
    logits = model(images)
    labels = logits.argmax(1)
    radii = []
    for image, label, scores in zip(images, labels, logits, strict=True):
        others = [other for other in range(classes) if other != label]
        ways = [(weights[other] - weights[label], scores[label] - scores[other]) for other in others]
        radii.append(min(linear_radius(direction, image, need, norm) for direction, need in ways))
    return model, images, labels, torch.tensor(radii)


def valley(norm, pieces=3):
    """A valley of so many pieces and one image; returns model, images, radius."""
    generator = torch.Generator().manual_seed(3)
    weights = torch.rand(pieces, 10, generator=generator, dtype=torch.float64) + 0.1
    signs = torch.randn(pieces, 10, generator=generator, dtype=torch.float64).sign()
    matrix = torch.block_diag(*(weights * signs))
    images = torch.full((1, *SHAPE), 0.5).double()
    needs = torch.tensor([0.02, 0.05, 0.03]).double()[:pieces]
    dual = {"Linf": 1, "L2": 2, "L1": torch.inf}[norm]
    own = needs / torch.linalg.vector_norm(matrix, dual, dim=1)
    radius = torch.linalg.vector_norm(own, {"Linf": torch.inf, "L2": 2, "L1": 1}[norm]).item()
    return Valley(matrix, -(matrix @ images.flatten()) - needs), images, radius
