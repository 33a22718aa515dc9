"""Every data set of the two plugins passes the suite that other authors use."""

from __future__ import annotations

import subprocess
import sys

import numpy
import published_files
import pytest
import robustkit_datasets
import robustkit_torchvision
from PIL import Image

from robustkit.testing import DatasetSuite

PIXELS = numpy.random.default_rng(0).integers(0, 256, (8, 3, 6, 6)).astype(numpy.uint8)


class TestDigits(DatasetSuite):
    dataset = robustkit_datasets.Digits()


class TestArrays(DatasetSuite):
    @pytest.fixture(autouse=True)
    def in_place(self, tmp_path):
        numpy.savez(tmp_path / "data.npz", images=PIXELS, labels=numpy.arange(8) % 4)
        self.dataset = robustkit_datasets.Arrays(train=str(tmp_path / "data.npz"), test=str(tmp_path / "data.npz"))


@pytest.mark.parametrize("cache", [True, False])
class TestImageFolder(DatasetSuite):
    @pytest.fixture(autouse=True)
    def in_place(self, tmp_path, cache):
        for number, pixels in enumerate(PIXELS):
            folder = tmp_path / ("train" if number < 4 else "test") / f"class {number % 2}"
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.transpose(1, 2, 0)).save(folder / f"{number}.png")
        self.dataset = robustkit_torchvision.ImageFolder(root=str(tmp_path), image_size=8, cache=cache)


@pytest.mark.parametrize("name", ["Mnist", "FashionMnist", "Cifar10", "Cifar100", "Svhn"])
class TestPublished(DatasetSuite):
    @pytest.fixture(autouse=True)
    def in_place(self, name, tmp_path, monkeypatch):
        published_files.Network().install(monkeypatch)
        make = {"FashionMnist": "fashion_mnist"}.get(name, name.lower())
        getattr(published_files, make)(monkeypatch).place(tmp_path)
        self.dataset = getattr(robustkit_torchvision, name)(root=str(tmp_path))


def test_names():
    names = [cls.name for plugin in (robustkit_datasets, robustkit_torchvision) for cls in plugin.register_datasets()]
    assert names == ["digits", "arrays", "mnist", "fashion-mnist", "cifar10", "cifar100", "svhn", "image-folder"]


def test_importing_the_plugins_is_fast():
    """What takes a second to import is imported when a data set is loaded."""
    code = "import sys, robustkit_datasets, robustkit_torchvision; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not {"torchvision", "sklearn", "scipy", "timm"} & set(done.stdout.split())
