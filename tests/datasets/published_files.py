"""Tiny data sets in the original file formats, and a network that serves them, for tests of the real loading path."""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError

import numpy
import scipy.io
import torchvision
from torchvision.datasets import utils

COUNTS = {"train": 10, "test": 4}
_random = numpy.random.default_rng(0)


@dataclass
class Original:
    """A data set as its authors publish it: the content of every download, and what must come out."""

    downloads: dict[str, bytes] = field(default_factory=dict)
    """By file name below the root, which is where torchvision puts it."""
    urls: dict[str, str] = field(default_factory=dict)
    """From an address to one of those files."""
    images: dict[str, numpy.ndarray] = field(default_factory=dict)
    labels: dict[str, numpy.ndarray] = field(default_factory=dict)

    def place(self, root: Path) -> None:
        """Save the downloads by hand."""
        for file, content in self.downloads.items():
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            (root / file).write_bytes(content)


@dataclass
class Network:
    """Serves addresses; whatever else is asked for is not reachable."""

    pages: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def reach(self, url: str, **_: object) -> str:
        self.asked.append(url)
        if url not in self.pages:
            raise URLError("no route to host")
        return url

    def retrieve(self, url: str, file: str | Path, **_: object) -> None:
        Path(file).write_bytes(self.pages[self.reach(url)])

    def install(self, monkeypatch) -> None:
        monkeypatch.setattr(utils, "_get_redirect_url", self.reach)
        monkeypatch.setattr(utils, "_urlretrieve", self.retrieve)


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def idx(array: numpy.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def mnist(monkeypatch, kind: type = torchvision.datasets.MNIST) -> Original:
    original, resources = Original(), []
    for split, prefix in (("train", "train"), ("test", "t10k")):
        images = original.images[split] = _random.integers(0, 256, (COUNTS[split], 1, 28, 28)).astype(numpy.uint8)
        labels = original.labels[split] = _random.integers(0, 10, COUNTS[split]).astype(numpy.uint8)
        for content, what in ((images[:, 0], "images-idx3"), (labels, "labels-idx1")):
            file, packed = f"{prefix}-{what}-ubyte.gz", gzip.compress(idx(content))
            resources.append((file, md5(packed)))
            original.downloads[f"{kind.__name__}/raw/{file}"] = packed
            original.urls[kind.mirrors[0] + file] = f"{kind.__name__}/raw/{file}"
    monkeypatch.setattr(kind, "resources", resources)
    return original


def fashion_mnist(monkeypatch) -> Original:
    return mnist(monkeypatch, torchvision.datasets.FashionMNIST)


def cifar(monkeypatch, kind: type, labels_key: str, classes: int) -> Original:
    original, contents = Original(), {}
    lists = {"train": kind.train_list, "test": kind.test_list}
    for split, files in lists.items():
        images, labels = [], []
        for file, _ in files:
            pixels = _random.integers(0, 256, (COUNTS[split] // len(files), 3, 32, 32)).astype(numpy.uint8)
            numbers = _random.integers(0, classes, len(pixels))
            contents[file] = python2_pickle({"data": pixels.reshape(-1, 3072), labels_key: numbers.tolist()})
            images.append(pixels), labels.append(numbers)
        original.images[split], original.labels[split] = numpy.concatenate(images), numpy.concatenate(labels)
        lists[split] = [[file, md5(contents[file])] for file, _ in files]
    meta = kind.meta["filename"]
    contents[meta] = python2_pickle({kind.meta["key"]: [f"class {number}" for number in range(classes)]})
    packed = tgz({f"{kind.base_folder}/{file}": content for file, content in contents.items()})
    for name, value in {
        "train_list": lists["train"],
        "test_list": lists["test"],
        "meta": {**kind.meta, "md5": md5(contents[meta])},
        "tgz_md5": md5(packed),
    }.items():
        monkeypatch.setattr(kind, name, value)
    original.downloads[kind.filename], original.urls[kind.url] = packed, kind.filename
    return original


def cifar10(monkeypatch) -> Original:
    return cifar(monkeypatch, torchvision.datasets.CIFAR10, "labels", 10)


def cifar100(monkeypatch) -> Original:
    return cifar(monkeypatch, torchvision.datasets.CIFAR100, "fine_labels", 100)


def svhn(monkeypatch) -> Original:
    original, splits = Original(), {}
    for split in ("train", "test"):
        url, file, _ = torchvision.datasets.SVHN.split_list[split]
        images = original.images[split] = _random.integers(0, 256, (COUNTS[split], 3, 32, 32)).astype(numpy.uint8)
        labels = original.labels[split] = _random.integers(0, 10, COUNTS[split])
        stream = io.BytesIO()
        stored = numpy.where(labels == 0, 10, labels).astype(numpy.uint8)[:, None]
        scipy.io.savemat(stream, {"X": images.transpose(2, 3, 1, 0), "y": stored})
        original.downloads[file], original.urls[url] = stream.getvalue(), file
        splits[split] = [url, file, md5(stream.getvalue())]
    monkeypatch.setattr(torchvision.datasets.SVHN, "split_list", splits)
    return original


def tgz(contents: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def python2_pickle(content: dict[str, object]) -> bytes:
    """Pickled as Python 2 and the numpy of 2009 did, which today's cannot: byte strings, and numbers for booleans."""
    items = b"".join(_text(key) + _pickled(value) for key, value in content.items())
    return b"\x80\x02}(" + items + b"u."


def _pickled(value: object) -> bytes:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        return b"J" + struct.pack("<i", value)
    if isinstance(value, list):
        return b"](" + b"".join(_pickled(item) for item in value) + b"e"
    assert isinstance(value, numpy.ndarray)
    assert value.dtype == numpy.uint8
    shape = _pickled(value.shape[0]) + _pickled(value.shape[1]) + b"\x86"
    dtype = (
        b"cnumpy\ndtype\n"
        + _text("u1")
        + b"K\x00K\x01\x87R(K\x03"
        + _text("|")
        + b"NNN"
        + _pickled(-1) * 2
        + b"K\x00tb"
    )
    empty = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + _text("b") + b"\x87R"
    pixels = b"T" + struct.pack("<i", value.nbytes) + value.tobytes()
    return empty + b"(K\x01" + shape + dtype + b"\x89" + pixels + b"tb"


def _text(text: str) -> bytes:
    return b"U" + bytes([len(text)]) + text.encode()
