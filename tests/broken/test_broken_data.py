"""Broken data files, through the command: named, nothing in them is run, and no results folder.

What else can be wrong with each data set is tried beside its reader, in tests/datasets.
"""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy
import pytest
import torch
from broken_input import BASE, assert_refused, run_command, write

PIXELS = numpy.random.default_rng(0).integers(0, 256, (40, 1, 8, 8)).astype(numpy.uint8)
LABELS = numpy.arange(40) % 4


class Touch:
    """Unpickling it would make a file."""

    def __reduce__(self):
        return (Path.touch, (Path("results"),))


def archive(**arrays: numpy.ndarray) -> bytes:
    buffer = io.BytesIO()
    numpy.savez(buffer, **arrays)
    return buffer.getvalue()


def saved(value: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


GOOD = archive(images=PIXELS, labels=LABELS)
OBJECTS = numpy.array([Touch(), None], dtype=object)
BROKEN = {
    "nothing": (b"", "train.npz"),
    "half a file": (GOOD[: len(GOOD) // 2], "train.npz"),
    "text": (b"images,labels\n1,2\n", "train.npz"),
    "a pickle": (pickle.dumps(Touch()), "train.npz"),
    "a pickle inside": (archive(images=OBJECTS, labels=LABELS), "Python objects"),
    "weights of torch": (saved({"images": torch.zeros(3)}), "train.npz"),
    "normalized pixels": (archive(images=PIXELS / 64.0 - 2.0, labels=LABELS), "Undo their normalization"),
    "pixels up to 255 as floats": (archive(images=PIXELS.astype(numpy.float32), labels=LABELS), "Divide them by 255"),
    "missing labels": (archive(images=PIXELS), "no array 'labels'"),
    "too few labels": (archive(images=PIXELS, labels=LABELS[:-1]), "40"),
    "negative labels": (archive(images=PIXELS, labels=LABELS - 1), "expected labels from 0 on, got -1"),
    "flat images": (archive(images=PIXELS.reshape(40, -1), labels=LABELS), "got (40, 64)"),
    "another shape than the test images": (archive(images=PIXELS[..., :7], labels=LABELS), "one shape"),
    "nan": (archive(images=numpy.full((40, 1, 8, 8), numpy.nan), labels=LABELS), "NaN or infinite"),
}


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dataset = "dataset: {use: arrays, train: train.npz, test: test.npz}"
    text = BASE.replace("dataset: digits", dataset).replace("batch_size: 32", "batch_size: 8")
    write(tmp_path, {"recipe.yaml": text, "test.npz": GOOD})


@pytest.mark.parametrize(("content", "expected"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_of_arrays(content, expected, tmp_path):
    write(tmp_path, {"train.npz": content})
    assert_refused(tmp_path, ("run", "recipe.yaml", "--output", "results"), expected, "train.npz")


def test_the_sound_file_is_accepted(tmp_path):
    write(tmp_path, {"train.npz": GOOD})
    assert run_command("run", "recipe.yaml", "--dry-run").exit_code == 0


FOLDERS = {
    "no folder": ({}, "pictures"),
    "no classes": ({"pictures/train/readme.txt": "x", "pictures/test/readme.txt": "x"}, "pictures"),
    "a picture that is none": (
        {f"pictures/{split}/{name}/1.png": "no picture" for split in ("train", "test") for name in ("cat", "dog")},
        "1.png",
    ),
}


@pytest.mark.parametrize(("files", "expected"), FOLDERS.values(), ids=FOLDERS)
def test_a_broken_folder_of_images(files, expected, tmp_path):
    write(tmp_path, files)
    word = "dataset={use: image-folder, root: pictures, image_size: 8}"
    assert_refused(
        tmp_path, ("run", "recipe.yaml", word, "batch_size=1", "validation_examples=0", "--output", "r"), expected
    )
