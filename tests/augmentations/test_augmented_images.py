"""Each augmented image is one that the definition allows, and every one of those comes up as often as it should."""

from __future__ import annotations

from collections import Counter

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from robustkit_augmentations import Cutout, GaussianNoise, HorizontalFlip, RandomCrop
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from robustkit import Augmentation
from robustkit.errors import ComponentError, InputError


def pictures(count: int, channels: int = 2, height: int = 5, width: int = 6) -> Tensor:
    """Images without two equal pixels, so that where one came from can be told."""
    return torch.rand(count, channels, height, width, generator=torch.Generator().manual_seed(0)) * 0.9 + 0.05


def shifts(image: Tensor, padding: int, mode: str) -> dict[tuple[int, int], numpy.ndarray]:
    """Every crop of the padded image, made by numpy, by its offset."""
    around = ((0, 0), (padding, padding), (padding, padding))
    padded = numpy.pad(image.numpy(), around, mode="constant" if mode == "zero" else "reflect")  # type: ignore[call-overload]
    height, width = image.shape[1:]
    places = [(row, column) for row in range(2 * padding + 1) for column in range(2 * padding + 1)]
    return {(row, col): padded[:, row : row + height, col : col + width] for row, col in places}


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    padding=st.integers(1, 4),
    mode=st.sampled_from(["zero", "reflect"]),
    n=st.integers(1, 5),
)
def test_a_crop_is_a_window_of_the_padded_image(seed: int, padding: int, mode: str, n: int) -> None:
    images = pictures(n)
    torch.manual_seed(seed)
    for image, cropped in zip(images, RandomCrop(padding=padding, mode=mode)(images), strict=True):  # type: ignore[arg-type]
        windows = shifts(image, padding, mode).values()
        assert sum(bool((window == cropped.numpy()).all()) for window in windows) >= 1


def test_every_offset_of_a_crop_is_as_likely() -> None:
    torch.manual_seed(0)
    image = pictures(1)
    cropped = RandomCrop(padding=1)(image.expand(9000, -1, -1, -1))
    counts = Counter(cropped[:, 0, 2, 2].tolist())  # which pixel has come to this place
    assert set(counts) == set(image[0, 0, 1:4, 1:4].flatten().tolist())
    assert all(abs(count - 1000) < 5 * (9000 * 1 / 9 * 8 / 9) ** 0.5 for count in counts.values())


def test_rows_and_columns_shift_independently_and_images_apart() -> None:
    torch.manual_seed(0)
    cropped = RandomCrop(padding=2)(pictures(1).expand(5000, -1, -1, -1))
    offsets = Counter(tuple(image.flatten().tolist()) for image in cropped)
    assert len(offsets) == 25


def test_flips_are_mirror_images_at_the_given_rate() -> None:
    torch.manual_seed(0)
    images = pictures(4000)
    flipped = HorizontalFlip(probability=0.3)(images)
    mirrored = torch.from_numpy(images.numpy()[..., ::-1].copy())
    is_mirrored = (flipped == mirrored).flatten(1).all(1)
    assert ((flipped == images).flatten(1).all(1) ^ is_mirrored).all()
    assert float(is_mirrored.float().mean()) == pytest.approx(0.3, abs=5 * (0.3 * 0.7 / 4000) ** 0.5)


def test_flips_with_certainty_and_never() -> None:
    images = pictures(50)
    assert torch.equal(HorizontalFlip(probability=1)(images), images.flip(3))
    assert torch.equal(HorizontalFlip(probability=0)(images), images)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), size=st.integers(1, 5), fill=st.sampled_from([0.0, 0.5, 1.0]))
def test_a_cutout_is_a_square_around_some_pixel(seed: int, size: int, fill: float) -> None:
    images = pictures(4)
    torch.manual_seed(seed)
    covered = Cutout(size=size, fill=fill)(images)
    for image, cut in zip(images, covered, strict=True):
        allowed = []
        for row in range(5):
            for column in range(6):
                expected = image.clone()
                top, left = row - size // 2, column - size // 2
                expected[:, max(top, 0) : top + size, max(left, 0) : left + size] = fill
                allowed.append(expected)
        assert any(torch.equal(cut, expected) for expected in allowed)


def test_every_pixel_is_the_centre_of_as_many_cutouts() -> None:
    torch.manual_seed(0)
    covered = Cutout(size=1)(pictures(1).expand(9000, -1, -1, -1))
    counts = (covered[:, 0] == 0).sum(0).flatten()
    assert int(counts.sum()) == 9000
    assert (counts.sub(300).abs() < 5 * 300**0.5).all()


def test_noise_has_its_spread_and_no_bias() -> None:
    torch.manual_seed(0)
    noise = GaussianNoise(std=0.05)(torch.full((20, 3, 32, 32), 0.5)) - 0.5
    count = noise.numel()
    assert float(noise.mean()) == pytest.approx(0, abs=5 * 0.05 / count**0.5)
    assert float(noise.std()) == pytest.approx(0.05, abs=5 * 0.05 / (2 * count) ** 0.5)
    assert len(noise.unique()) > 0.5 * count  # every pixel of every channel its own


def test_noise_is_clipped() -> None:
    torch.manual_seed(0)
    noisy = GaussianNoise(std=1.0)(torch.tensor([0.0, 1.0]).expand(1, 1, 50, 2))
    assert float(noisy.min()) == 0.0
    assert float(noisy.max()) == 1.0


@pytest.mark.parametrize(
    "augmentation",
    [RandomCrop(), RandomCrop(mode="reflect"), HorizontalFlip(), Cutout(size=3), GaussianNoise()],
    ids=repr,
)
def test_the_seed_decides_and_low_precision_stays(augmentation: Augmentation) -> None:
    images = pictures(16)
    draws = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        draws.append(augmentation(images))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert augmentation(images.half()).dtype == torch.float16


class Count(TorchDispatchMode):
    """Counts operations on tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):  # type: ignore[no-untyped-def]
        self.count += 1
        return function(*arguments, **(keywords or {}))


@pytest.mark.parametrize(
    "augmentation",
    [RandomCrop(), RandomCrop(mode="reflect"), HorizontalFlip(), Cutout(size=3), GaussianNoise()],
    ids=repr,
)
def test_whole_batches_are_changed_on_their_device_without_a_look_at_them(augmentation: Augmentation) -> None:
    counts = []
    for size in (2, 64):
        with Count() as mode:
            changed = augmentation(torch.empty(size, 3, 6, 6, device="meta"))  # it has no values to look at
        assert changed.device.type == "meta"
        counts.append(mode.count)
    assert 0 < counts[0] == counts[1] < 30


@pytest.mark.parametrize(
    ("augmentation", "expected"),
    [
        (RandomCrop(padding=5, mode="reflect"), "mirrored padding of 5 needs images larger than that, got 5x6"),
        (Cutout(), "a square of 16 pixels is larger than the images, 5x6"),
    ],
)
def test_images_that_are_too_small_are_refused(augmentation: Augmentation, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        augmentation(pictures(2))


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (RandomCrop, {"padding": 0}),
        (RandomCrop, {"mode": "mirror"}),
        (HorizontalFlip, {"probability": 1.5}),
        (Cutout, {"size": 0}),
        (Cutout, {"fill": 255}),
        (GaussianNoise, {"std": 0}),
    ],
)
def test_what_makes_no_sense_is_refused(kind: type[Augmentation], fields: dict[str, object]) -> None:
    with pytest.raises(ComponentError, match=f"{kind.name}: {next(iter(fields))}: expected"):
        kind(**fields)
