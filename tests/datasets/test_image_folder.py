"""Folders of image files: found in a fixed order, decoded as torchvision would, refused clearly where broken."""

from __future__ import annotations

import pickle
import tempfile
import threading
from pathlib import Path

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from robustkit_torchvision import ImageFolder, image_files
from torchvision import transforms
from torchvision.datasets import ImageFolder as TorchvisionFolder

from robustkit.errors import ComponentError, DataError

SIZES = {"a.png": (40, 30), "B.JPG": (16, 24), "c/deep.webp": (10, 10), "d.bmp": (33, 16)}


def draw(path: Path, size: tuple[int, int] = (20, 20), mode: str = "RGB", **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = sum(path.name.encode())
    shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
    pixels = numpy.random.default_rng(seed).integers(0, 256, shape).astype(numpy.uint8)
    Image.fromarray(pixels).save(path, **options)
    return path


@pytest.fixture
def root(tmp_path):
    """Two classes with images of several kinds and sizes."""
    for split in ("train", "test"):
        for name in ("dog", "cat"):
            for file, size in SIZES.items():
                draw(tmp_path / split / name / file, size)
    return tmp_path


def everything(examples):
    return examples.images(torch.arange(len(examples)))


def failure(data, *, decode=False, split="train") -> str:
    with pytest.raises(DataError) as caught:
        everything(data.load(split)) if decode else data.load(split)
    return str(caught.value)


@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_those_of_torchvision(root, channels, cache):
    gray = [transforms.Grayscale()] if channels == 1 else []
    steps = [*gray, transforms.Resize(16), transforms.CenterCrop(16), transforms.ToTensor()]
    theirs = TorchvisionFolder(root / "train", transforms.Compose(steps))
    ours = ImageFolder(root=str(root), image_size=16, channels=channels, cache=cache).load("train")
    assert ours.image_shape == (channels, 16, 16)
    assert ours.class_names == tuple(theirs.classes) == ("cat", "dog")
    by_file = {Path(path): (image, label) for (path, label), (image, _) in zip(theirs.samples, theirs, strict=True)}
    assert set(by_file) == set(ours.files)
    for _ in range(2):  # the second time from the cache
        for file, image, label in zip(ours.files, everything(ours), ours.labels, strict=True):
            assert torch.equal(image, by_file[file][0])
            assert label == by_file[file][1]


@settings(max_examples=40)
@given(width=st.integers(1, 70), height=st.integers(1, 70), size=st.integers(1, 40), channels=st.sampled_from([1, 3]))
def test_any_size_is_cut_as_torchvision_cuts_it(width, height, size, channels):
    with tempfile.TemporaryDirectory() as folder:
        file = draw(Path(folder, "x.png"), (width, height))
        steps = [transforms.Resize(size), transforms.CenterCrop(size), transforms.PILToTensor()]
        with Image.open(file) as image:
            expected = transforms.Compose(steps)(image.convert("RGB" if channels == 3 else "L"))
        pixels = image_files.decode(file, size, channels)
        assert torch.equal(pixels, expected)
        assert pixels.is_contiguous()


@pytest.mark.parametrize("cache", [True, False])
def test_what_another_process_decoded_is_kept_where_there_is_a_cache(root, cache):
    here = ImageFolder(root=str(root), image_size=8, cache=cache).load("train")
    here.images(torch.tensor([3]))
    there = pickle.loads(pickle.dumps(here))  # noqa: S301 - our own, as multiprocessing sends it
    every, some = torch.arange(8), torch.tensor([6, 3, 1])
    assert torch.equal(there.pixels(every), here.pixels(every))
    again = ImageFolder(root=str(root), image_size=8, cache=cache).load("train")
    assert again.missing(some).tolist() == [6, 3, 1]
    decoded = there.pixels(some)
    assert torch.equal(again.complete(some, some, decoded), decoded)
    assert again.missing(every).tolist() == ([0, 2, 4, 5, 7] if cache else list(range(8)))
    assert not again.resident


def test_no_cache_is_sent_to_another_process(root):
    examples = ImageFolder(root=str(root), image_size=500).load("train")
    everything(examples)  # 6 MB of pixels
    assert len(pickle.dumps(examples)) < 5000
    assert examples.missing(torch.arange(8)).tolist() == []


def test_order_is_by_class_and_path(root):
    files = ImageFolder(root=str(root), image_size=8).load("train").files
    names = [file.relative_to(root / "train").as_posix() for file in files]
    assert names == [f"{kind}/{file}" for kind in ("cat", "dog") for file in ("B.JPG", "a.png", "c/deep.webp", "d.bmp")]


def test_indices_in_any_order_and_twice(root):
    examples = ImageFolder(root=str(root), image_size=8).load("train")
    whole = everything(ImageFolder(root=str(root), image_size=8, cache=False).load("train"))
    for chosen in ([5, 1, 5], [1, 2], [], [7, 6, 5, 4, 3, 2, 1, 0]):
        assert torch.equal(examples.images(torch.tensor(chosen, dtype=torch.int64)), whole[chosen])
    assert torch.equal(examples.subset(torch.tensor([3, 6])).images(torch.tensor([1, 0])), whole[[6, 3]])
    examples.images(torch.tensor([0])).zero_()  # what is handed out is nobody's memory
    assert torch.equal(examples.images(torch.tensor([0])), whole[:1])


@pytest.mark.parametrize(("cache", "times"), [(True, 1), (False, 3)])
def test_each_file_is_decoded_once_with_the_cache(root, cache, times, monkeypatch):
    decoded, lock, decode = [], threading.Lock(), image_files.decode

    def counting(file, *arguments):
        with lock:
            decoded.append(file)
        return decode(file, *arguments)

    monkeypatch.setattr(image_files, "decode", counting)
    examples = ImageFolder(root=str(root), image_size=8, cache=cache).load("train")
    assert decoded == []
    for _ in range(3):
        everything(examples)
    assert {decoded.count(file) for file in examples.files} == {times}


def test_hidden_and_other_files_are_passed_over(root):
    (root / "train/.ipynb_checkpoints").mkdir()
    (root / "train/cat/.cache").mkdir()
    draw(root / "train/cat/.cache/x.png")
    (root / "train/cat/._a.png").write_bytes(b"a resource fork")
    (root / "train/cat/notes.txt").write_text("")
    assert len(ImageFolder(root=str(root), image_size=8).load("train")) == 8


def test_other_names_for_the_splits(root):
    (root / "test").rename(root / "val")
    assert len(ImageFolder(root=str(root), image_size=8, test="val").load("test")) == 8


def test_one_split_alone_can_be_used(root):
    (root / "train").rename(root / "elsewhere")
    assert len(ImageFolder(root=str(root), image_size=8).load("test")) == 8


def test_gray_and_transparent_images_become_colour(tmp_path):
    draw(tmp_path / "train/a/gray.png", (8, 8), "L")
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 255, 128, 0])
    palette.save(tmp_path / "train/a/palette.png", transparency=b"\x00\x80")
    Image.new("RGBA", (8, 8), (10, 20, 30, 0)).save(tmp_path / "train/a/transparent.png")
    gray, palette, transparent = everything(ImageFolder(root=str(tmp_path), image_size=8).load("train"))
    assert torch.equal(gray[0], gray[1])
    assert (palette[:, 0, 0] * 255).tolist() == [255, 128, 0]
    assert (transparent[:, 0, 0] * 255).round().tolist() == [10, 20, 30]


def png_cut_short(file: Path) -> None:
    file.write_bytes(draw(file).read_bytes()[:-40])


def no_image(file: Path) -> None:
    file.write_bytes(b"<html>not found</html>")


def empty(file: Path) -> None:
    file.write_bytes(b"")


def sixteen_bits(file: Path) -> None:
    Image.fromarray(numpy.full((8, 8), 40_000, numpy.uint16)).save(file)


def damaged_inside(file: Path) -> None:
    content = bytearray(draw(file).read_bytes())
    content[60:80] = b"\xff" * 20
    file.write_bytes(content)


def above_the_limit(file: Path) -> None:
    draw(file, (60, 60))  # 3,600 pixels; the limit is set to 3,000 below, and Pillow itself raises above 6,000


def far_above_the_limit(file: Path) -> None:
    draw(file, (90, 90))


def a_very_long_strip(file: Path) -> None:
    draw(file, (1, 2000))  # would become 8 x 16,000


@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize(
    ("breaks", "expected"),
    [
        (png_cut_short, "cannot be decoded as an image"),
        (no_image, "cannot be decoded as an image"),
        (empty, "cannot be decoded as an image"),
        (damaged_inside, "cannot be decoded as an image"),
        (Path.unlink, "cannot be decoded as an image: FileNotFoundError"),
        (sixteen_bits, "more than 8 bits a channel (mode I;16)"),
        (above_the_limit, "Pillow's limit of 3,000 pixels"),
        (far_above_the_limit, "Pillow's limit of 3,000 pixels"),
        (a_very_long_strip, "Pillow's limit of 3,000 pixels"),
    ],
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_broken_image_is_named(tmp_path, monkeypatch, breaks, expected, cache):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 3000)
    file = draw(tmp_path / "train/a/x.png")
    draw(tmp_path / "train/a/y.png")
    examples = ImageFolder(root=str(tmp_path), image_size=8, cache=cache).load("train")
    breaks(file)
    with pytest.raises(DataError) as caught:
        everything(examples)
    assert str(file) in str(caught.value)
    assert expected in str(caught.value)
    draw(file)
    assert everything(examples).shape == (2, 3, 8, 8)  # and nothing of it stayed in the cache


def test_a_bomb_is_refused_also_where_warnings_are_errors(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 300)
    draw(tmp_path / "train/a/x.png")
    assert "decompression bombs" in failure(ImageFolder(root=str(tmp_path), image_size=8), decode=True)


def test_no_such_folder(tmp_path):
    text = failure(ImageFolder(root=str(tmp_path / "none"), image_size=8))
    assert f"{tmp_path / 'none' / 'train'}: there is no such folder" in text


def test_images_without_class_folders(tmp_path):
    draw(tmp_path / "train/x.png")
    assert "Expected one folder of images for each class" in failure(ImageFolder(root=str(tmp_path), image_size=8))


def test_classes_that_differ_between_the_splits(root):
    (root / "test/dog").rename(root / "test/fox")
    for split in ("train", "test"):
        text = failure(ImageFolder(root=str(root), image_size=8), split=split)
        assert f"only in {root / 'train'}: dog" in text
        assert f"only in {root / 'test'}: fox" in text


def test_an_empty_class(root):
    (root / "train/eel").mkdir()
    (root / "test/eel").mkdir()
    assert f"{root / 'train/eel'}: has no images" in failure(ImageFolder(root=str(root), image_size=8))


def test_a_class_of_other_files_says_what_it_holds(root):
    for split in ("train", "test"):
        (root / split / "eel").mkdir()
        for number in range(3):
            (root / split / f"eel/{number}.heic").write_bytes(b"")
    assert "It holds 3 .heic." in failure(ImageFolder(root=str(root), image_size=8))


def test_a_folder_that_cannot_be_listed(root, monkeypatch):
    def forbidden(folder, onerror, **_):
        onerror(PermissionError(13, "Permission denied", str(folder)))

    monkeypatch.setattr("robustkit_torchvision.image_folder.os.walk", forbidden)
    assert "cannot be listed" in failure(ImageFolder(root=str(root), image_size=8))


def test_a_cache_larger_than_memory(root):
    text = failure(ImageFolder(root=str(root), image_size=4_000_000))
    assert "do not fit into memory. Set `cache: false`" in text


@pytest.mark.parametrize(("field", "value"), [("channels", 2), ("image_size", 0), ("cache", "maybe")])
def test_wrong_fields(field, value):
    with pytest.raises(ComponentError, match=field):
        ImageFolder(**{"root": "x", "image_size": 8, field: value})
