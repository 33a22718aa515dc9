"""Broken array files: each is a DataError that names the file and says what is wrong; none runs what it holds."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from robustkit_datasets import Arrays
from safetensors.torch import save_file

from robustkit.errors import DataError

PIXELS = numpy.random.default_rng(0).integers(0, 256, (6, 3, 8, 8)).astype(numpy.uint8)
FLOATS = PIXELS.astype(numpy.float32) / 255
LABELS = numpy.array([0, 1, 2, 0, 1, 2])


@pytest.fixture
def load(tmp_path):
    """Load a good training split beside the given test file."""

    def load_beside(test: Path, **fields: Any):
        numpy.savez(tmp_path / "good.npz", images=PIXELS, labels=LABELS)
        return Arrays(train=str(tmp_path / "good.npz"), test=str(test), **fields).load("test")

    return load_beside


def message(file: Path, load, **fields: Any) -> str:
    with pytest.raises(DataError) as caught:
        load(file, **fields)
    assert str(file) in str(caught.value)
    return str(caught.value)


def changed(array: numpy.ndarray, value: float) -> numpy.ndarray:
    copy = array.copy()
    copy.flat[5] = value
    return copy


CONTENTS = {
    "floats of 0 to 255": ({"images": PIXELS.astype(numpy.float32)}, "values from 0 to 255. Divide them by 255"),
    "normalized floats": ({"images": FLOATS * 4 - 2}, "Undo their normalization"),
    "NaN": ({"images": changed(FLOATS, numpy.nan)}, "NaN or infinite"),
    "infinity": ({"images": changed(FLOATS, numpy.inf)}, "NaN or infinite"),
    "int64 pixels": (
        {"images": PIXELS.astype(numpy.int64)},
        "got int64. Save pixels of 0 to 255 with `.astype('uint8')`",
    ),
    "uint8 of 0 and 1": ({"images": PIXELS % 2}, "the largest value here is 1"),
    "complex images": ({"images": FLOATS.astype(numpy.complex64)}, "expected an array of numbers, got dtype complex64"),
    "object images": ({"images": numpy.array([PIXELS[0], None], object)}, "Python objects (dtype object)"),
    "object labels": ({"labels": numpy.array(list("abcabc"), object)}, "Python objects (dtype object)"),
    "text labels": ({"labels": numpy.array(list("abcabc"))}, "expected an array of numbers, got dtype <U1"),
    "flat images": ({"images": PIXELS.reshape(6, -1)}, "with 1 to 4 channels C, got (6, 192)"),
    "five channels": ({"images": numpy.zeros((6, 5, 8, 8), numpy.uint8)}, "1 to 4 channels C, got (6, 5, 8, 8)"),
    "two channel axes": ({"images": numpy.zeros((6, 3, 8, 3), numpy.uint8)}, "`layout: NCHW` or `layout: NHWC`"),
    "no pixels": ({"images": numpy.zeros((6, 3, 0, 8), numpy.uint8)}, "got (6, 3, 0, 8)"),
    "no images": ({"images": PIXELS[:0], "labels": LABELS[:0]}, "there are no images"),
    "another shape": ({"images": PIXELS[:, :1]}, "Both splits must have one shape"),
    "fewer labels": ({"labels": LABELS[:5]}, "expected 6 whole-number labels"),
    "float labels": ({"labels": LABELS.astype(float)}, "got float64. Save them with `.astype('int64')`"),
    "bool labels": ({"labels": LABELS > 0}, "expected integer class numbers, got bool"),
    "one-hot labels": ({"labels": numpy.eye(3)[LABELS]}, "one-hot labels of shape (6, 3)"),
    "label grids": ({"labels": numpy.full((6, 2), 2)}, "one label an image, shape (N,), got (6, 2)"),
    "negative labels": ({"labels": LABELS - 1}, "expected labels from 0 on, got -1"),
    "huge labels": (
        {"labels": LABELS * 10**9},
        "labels reach 2000000000, which makes more classes than the 12 examples",
    ),
    "wrong key": ({"images": None, "image": PIXELS}, "no array 'images'. Did you mean 'image'? Known: image, labels."),
    "no labels": ({"labels": None}, "no array 'labels'. Known: images."),
}


@pytest.mark.parametrize("case", CONTENTS)
def test_wrong_content(case, tmp_path, load):
    arrays, expected = CONTENTS[case]
    content = {key: array for key, array in {"images": PIXELS, "labels": LABELS, **arrays}.items() if array is not None}
    numpy.savez(tmp_path / "bad.npz", **content)
    assert expected in message(tmp_path / "bad.npz", load)


def test_labels_from_1_on(tmp_path):
    numpy.savez(tmp_path / "data.npz", images=PIXELS, labels=LABELS + 1)
    file = str(tmp_path / "data.npz")
    with pytest.raises(DataError, match="the smallest is 1. Subtract 1, or give `class_names`"):
        Arrays(train=file, test=file).load("train")


def test_labels_beyond_the_class_names(tmp_path, load):
    numpy.savez(tmp_path / "bad.npz", images=PIXELS, labels=LABELS)
    assert "expected labels 0 to 1, got 0 to 2" in message(tmp_path / "bad.npz", load, class_names=("a", "b"))


@pytest.mark.parametrize(("layout", "expected"), [("NHW", "(N, H, W)"), ("NHWC", "(N, H, W, C)")])
def test_a_stated_layout_that_the_shape_has_not(tmp_path, layout, expected):
    numpy.savez(tmp_path / "bad.npz", images=PIXELS, labels=LABELS)
    data = Arrays(train=str(tmp_path / "bad.npz"), test=str(tmp_path / "bad.npz"), layout=layout)
    with pytest.raises(DataError) as caught:
        data.load("train")
    assert f"expected images of shape {expected}" in str(caught.value)


def whole_npz(path: Path) -> bytes:
    numpy.savez(path, images=PIXELS, labels=LABELS)
    return path.read_bytes()


def flipped(content: bytes, position: int) -> bytes:
    return content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: b"<html>not found</html>",
        lambda content: flipped(content, 700),  # inside the pixels: only the zip's checksum shows it
        lambda content: flipped(content, content.index(b"NUMPY")),
    ],
    ids=["empty", "cut short", "a web page", "a flipped pixel", "a flipped header"],
)
def test_damaged_npz(tmp_path, load, damage):
    file = tmp_path / "bad.npz"
    file.write_bytes(damage(whole_npz(file)))
    assert "damaged, or no .npz file" in message(file, load)


def test_a_wrong_array_inside_a_zip(tmp_path, load):
    with zipfile.ZipFile(tmp_path / "bad.npz", "w") as archive:
        archive.writestr("images.npy", b"not an array")
        archive.writestr("labels.npy", b"not an array")
    assert "damaged, or no .npz file" in message(tmp_path / "bad.npz", load)


@pytest.mark.parametrize("damage", [lambda content: content[:-1], lambda content: content[:40], lambda content: b""])
def test_damaged_npy(tmp_path, load, damage):
    file = tmp_path / "bad.npy"
    numpy.save(file, PIXELS)
    numpy.save(tmp_path / "labels.npy", LABELS)
    file.write_bytes(damage(file.read_bytes()))
    assert "damaged, or no .npy file" in message(file, load, test_labels=str(tmp_path / "labels.npy"))


@pytest.mark.parametrize("damage", [lambda content: content[:-1], lambda content: b"", lambda content: b"\xff" * 64])
def test_damaged_safetensors(tmp_path, load, damage):
    file = tmp_path / "bad.safetensors"
    save_file({"images": torch.from_numpy(PIXELS), "labels": torch.from_numpy(LABELS)}, file)
    file.write_bytes(damage(file.read_bytes()))
    assert "damaged, or no .safetensors file" in message(file, load)


def test_a_wrong_key_in_safetensors(tmp_path, load):
    file = tmp_path / "bad.safetensors"
    save_file({"image": torch.from_numpy(PIXELS), "labels": torch.from_numpy(LABELS)}, file)
    assert "no array 'images'. Did you mean 'image'?" in message(file, load)


def test_an_array_larger_than_memory_is_no_crash(tmp_path, load):
    """A header is enough to ask for any amount of memory."""
    file = tmp_path / "bad.npy"
    with file.open("wb") as stream:
        header = {"descr": "|u1", "fortran_order": False, "shape": (10**12, 3, 8, 8)}
        numpy.lib.format.write_array_header_1_0(stream, header)
    numpy.save(tmp_path / "labels.npy", LABELS)
    text = message(file, load, test_labels=str(tmp_path / "labels.npy"))
    assert "does not fit into memory" in text


def test_a_missing_file(tmp_path, load):
    assert "there is no such file" in message(tmp_path / "none.npz", load)


def test_a_missing_relative_file_says_where_it_was_looked_for(tmp_path, load, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert f"working directory, {tmp_path}" in message(Path("none.npz"), load)


def test_a_folder(tmp_path, load):
    (tmp_path / "bad.npz").mkdir()
    assert "this is a folder" in message(tmp_path / "bad.npz", load)


def test_missing_labels_file(tmp_path, load):
    numpy.save(tmp_path / "images.npy", PIXELS)
    assert "there is no such file" in message(
        tmp_path / "labels.npy", lambda labels: load(tmp_path / "images.npy", test_labels=str(labels))
    )


@dataclass
class Trap:
    """Unpickling this makes a file."""

    path: str

    def __reduce__(self):
        return (Path.touch, (Path(self.path),))


@pytest.mark.parametrize("key", ["images", "labels"])
def test_nothing_is_unpickled(tmp_path, load, key):
    trap = numpy.array([Trap(str(tmp_path / "sprung"))], dtype=object)
    numpy.savez(tmp_path / "bad.npz", **{"images": PIXELS, "labels": LABELS, key: trap})
    assert "Python objects" in message(tmp_path / "bad.npz", load)
    assert not (tmp_path / "sprung").exists()
    with numpy.load(tmp_path / "bad.npz", allow_pickle=True) as loaded:
        loaded[key]
    assert (tmp_path / "sprung").exists()  # the trap works, so the refusal above is what kept it shut
