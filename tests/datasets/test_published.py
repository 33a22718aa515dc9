"""The published data sets: read from the original formats, fetched whole or not at all, refused when tampered with."""

from __future__ import annotations

import http.client
import pickle
from pathlib import Path
from urllib.error import URLError

import numpy
import published_files
import pytest
import torch
import torchvision
from published_files import COUNTS, Network, idx
from robustkit_torchvision import Cifar10, Cifar100, FashionMnist, Mnist, Svhn
from torchvision.datasets import utils

from robustkit.errors import DataError

SETS = {
    "mnist": (Mnist, published_files.mnist, (1, 28, 28)),
    "fashion-mnist": (FashionMnist, published_files.fashion_mnist, (1, 28, 28)),
    "cifar10": (Cifar10, published_files.cifar10, (3, 32, 32)),
    "cifar100": (Cifar100, published_files.cifar100, (3, 32, 32)),
    "svhn": (Svhn, published_files.svhn, (3, 32, 32)),
}
every_set = pytest.mark.parametrize("name", SETS)


@pytest.fixture(autouse=True)
def network(monkeypatch) -> Network:
    """Nothing is reachable, unless a test serves it."""
    network = Network()
    network.install(monkeypatch)
    return network


@pytest.fixture
def original(name, monkeypatch, network):
    return SETS[name][1](monkeypatch)


@pytest.fixture
def served(original, network):
    network.pages = {url: original.downloads[file] for url, file in original.urls.items()}
    return original


def files_in(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def pixels(examples) -> numpy.ndarray:
    return (examples.images(torch.arange(len(examples))) * 255).round().numpy()


def failure(data, split="train") -> str:
    with pytest.raises(DataError) as caught:
        data.load(split)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@every_set
@pytest.mark.parametrize("split", ["train", "test"])
def test_what_is_downloaded_is_what_was_published(name, split, served, tmp_path):
    examples = SETS[name][0](root=str(tmp_path / "data")).load(split)
    assert examples.image_shape == SETS[name][2]
    assert numpy.array_equal(pixels(examples), served.images[split])
    assert examples.labels.tolist() == served.labels[split].tolist()
    assert len(examples.class_names) == (100 if name == "cifar100" else 10)


@every_set
def test_nothing_is_asked_of_the_network_once_the_files_are_there(name, served, network, tmp_path):
    data = SETS[name][0](root=str(tmp_path))
    data.load("train"), data.load("test")
    assert network.asked
    network.pages, network.asked = {}, []
    assert (len(data.load("train")), len(data.load("test"))) == (COUNTS["train"], COUNTS["test"])
    assert not network.asked


@every_set
def test_without_a_network_the_error_says_how_to_place_the_files(name, original, tmp_path):
    text = failure(SETS[name][0](root=str(tmp_path / "data")))
    url, file = next(iter(original.urls.items()))
    assert text.startswith(f"{name}: ")
    assert f"are not in {tmp_path / 'data'}" in text
    assert "could not be downloaded" in text
    assert "no route to host" in text
    assert f"{url} as {tmp_path / 'data' / file}" in text
    assert files_in(tmp_path) == []


@every_set
def test_files_placed_as_that_error_says_are_read_without_a_network(name, original, network, tmp_path):
    original.place(tmp_path)
    examples = SETS[name][0](root=str(tmp_path)).load("test")
    assert numpy.array_equal(pixels(examples), original.images["test"])
    assert not network.asked


@every_set
def test_download_false_asks_nobody_and_writes_nothing(name, served, network, tmp_path):
    text = failure(SETS[name][0](root=str(tmp_path / "data"), download=False))
    assert "`download` is false" in text
    assert not network.asked
    assert not (tmp_path / "data").exists()


@every_set
@pytest.mark.parametrize(
    "error",
    [URLError("reset"), TimeoutError("timed out"), http.client.IncompleteRead(b""), KeyboardInterrupt()],
    ids=repr,
)
def test_a_download_that_breaks_off_leaves_nothing_behind(name, error, served, monkeypatch, tmp_path):
    def break_off(url, file, **_):
        Path(file).write_bytes(b"half of")
        raise error

    monkeypatch.setattr(utils, "_urlretrieve", break_off)
    with pytest.raises(KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else DataError):
        SETS[name][0](root=str(tmp_path)).load("train")
    assert files_in(tmp_path) == []


@every_set
def test_a_download_of_something_else_is_refused(name, served, network, tmp_path):
    network.pages = dict.fromkeys(network.pages, b"<html>log in first</html>")
    assert "could not be downloaded" in failure(SETS[name][0](root=str(tmp_path)))
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_a_full_disk_while_unpacking_leaves_nothing_behind(name, served, monkeypatch, tmp_path):
    def fill_disk(archive, folder, *_):
        Path(folder, "train-images-idx3-ubyte").write_bytes(b"half of")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(utils, "extract_archive", fill_disk)
    assert "No space left on device" in failure(SETS[name][0](root=str(tmp_path)))
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_only_what_is_missing_is_fetched(name, served, tmp_path):
    data = SETS[name][0](root=str(tmp_path))
    data.load("train")
    first, *others = [path for path in sorted(tmp_path.rglob("*")) if path.is_file()]
    times = {path: path.stat().st_mtime_ns for path in others}
    first.unlink()
    assert numpy.array_equal(pixels(data.load("train")), served.images["train"])
    assert {path: path.stat().st_mtime_ns for path in others} == times


@pytest.mark.parametrize("name", ["cifar10"])
def test_a_damaged_archive_in_the_folder_is_left_alone(name, served, tmp_path):
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(b"half of")
    assert len(Cifar10(root=str(tmp_path)).load("test")) == COUNTS["test"]
    assert (tmp_path / "cifar-10-python.tar.gz").read_bytes() == b"half of"


class Trap:
    """Unpickling this makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("cifar10", "cifar-10-batches-py/data_batch_3"),
        ("cifar10", "cifar-10-batches-py/test_batch"),
        ("cifar10", "cifar-10-batches-py/batches.meta"),
        ("cifar100", "cifar-100-python/train"),
        ("cifar100", "cifar-100-python/meta"),
        ("svhn", "train_32x32.mat"),
    ],
)
def test_a_tampered_file_is_refused_before_it_is_unpickled(name, file, served, network, tmp_path):
    data = SETS[name][0](root=str(tmp_path))
    data.load("train")
    network.asked = []
    (tmp_path / file).write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    text = failure(data)
    assert str(tmp_path / file) in text
    assert "the MD5 differs" in text
    assert not (tmp_path / "sprung").exists()
    assert not network.asked  # whoever changed a file must decide what becomes of it


@pytest.mark.parametrize("name", ["mnist"])
@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        ("images-idx3", b"", "no IDX file of bytes in 3 dimensions"),
        ("images-idx3", idx(numpy.zeros(9, numpy.uint8)), "no IDX file of bytes in 3 dimensions"),
        ("images-idx3", idx(numpy.zeros((10, 28, 28), numpy.uint8))[:-1], "promises 7,856 bytes, there are 7,855"),
        ("labels-idx1", idx(numpy.zeros(10, numpy.uint8)) + b"?", "promises 18 bytes, there are 19"),
        ("labels-idx1", idx(numpy.zeros(0, numpy.uint8)), "damaged"),
        ("labels-idx1", idx(numpy.zeros(9, numpy.uint8)), "expected 10 whole-number labels"),
        ("labels-idx1", idx(numpy.full(10, 10, numpy.uint8)), "expected labels 0 to 9, got 10 to 10"),
    ],
)
def test_a_damaged_mnist_file(name, file, content, expected, served, tmp_path):
    data = Mnist(root=str(tmp_path))
    data.load("train")
    (tmp_path / f"MNIST/raw/train-{file}-ubyte").write_bytes(content)
    assert expected in failure(data)


@pytest.mark.parametrize("name", ["mnist"])
def test_torchvisions_old_pickled_copies_are_not_read(name, served, tmp_path):
    folder = tmp_path / "MNIST" / "processed"
    folder.mkdir(parents=True)
    for file in ("training.pt", "test.pt"):
        (folder / file).write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    assert len(Mnist(root=str(tmp_path)).load("train")) == COUNTS["train"]
    assert not (tmp_path / "sprung").exists()


@every_set
def test_a_root_that_is_a_file(name, served, tmp_path):
    (tmp_path / "data").write_text("")
    assert "could not be downloaded" in failure(SETS[name][0](root=str(tmp_path / "data")))


@pytest.mark.parametrize("name", ["mnist"])
def test_a_file_that_may_not_be_read(name, served, tmp_path, monkeypatch):
    def forbidden(path):
        raise PermissionError(13, "Permission denied", str(path))

    Mnist(root=str(tmp_path)).load("train")
    monkeypatch.setattr(Path, "read_bytes", forbidden)
    text = failure(Mnist(root=str(tmp_path)))
    assert "cannot be read" in text
    assert str(tmp_path / "MNIST/raw/train-images-idx3-ubyte") in text


@pytest.mark.parametrize("name", ["mnist"])
def test_root_may_start_at_home(name, served, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    Mnist(root="~/data").load("train")
    assert (tmp_path / "data/MNIST/raw/train-images-idx3-ubyte").is_file()


@pytest.mark.parametrize(
    ("cls", "name", "folder", "last_class"),
    [(Mnist, "mnist", "MNIST", "9 - nine"), (FashionMnist, "fashion-mnist", "FashionMNIST", "Ankle boot")],
)
def test_the_real_files(cls, name, folder, last_class, shared_data, network):
    root = shared_data(name)
    for split, count in (("train", 60_000), ("test", 10_000)):
        examples = cls(root=str(root), download=False).load(split)
        with numpy.load(root / name / f"{split}.npz") as expected:
            assert len(examples) == count
            assert numpy.array_equal(pixels(examples)[:, 0], expected["images"])
            assert numpy.array_equal(examples.labels.numpy(), expected["labels"])
        assert examples.class_names[-1] == last_class
    theirs = getattr(torchvision.datasets, folder)(root, train=False)
    assert torch.equal(examples.labels, theirs.targets)
    assert not network.asked
