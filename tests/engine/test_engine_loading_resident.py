"""Images in memory are gathered where they are, once, and nothing that reads them waits for the device or grows."""

from __future__ import annotations

import gc
import multiprocessing
from pathlib import Path

import pytest
import torch
from loading_parts import ORDER, Made, resident
from torch.utils._python_dispatch import TorchDispatchMode

from robustkit.engine.data import RunData
from robustkit.engine.loading import BatchReader

CPU, META = torch.device("cpu"), torch.device("meta")


def read(examples, dtype=torch.float32):
    return BatchReader(examples, CPU, dtype)


def test_they_need_no_workers(monkeypatch):
    monkeypatch.setattr("robustkit.engine.loading.Workers", None)  # calling it would raise
    examples = resident()
    for part in (examples, examples.subset(torch.arange(24).flip(0)).subset(torch.arange(24).flip(0))):
        images = torch.cat([images for images, _ in BatchReader(part, CPU, torch.float32, workers=2).batches(ORDER)])
        assert torch.equal(images, examples.images(torch.cat(ORDER)))


class Watch(TorchDispatchMode):
    """Writes down each operation on tensors that is more than another view."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        if not function.is_view:
            self.names.append(function.overloadpacket.__name__)
        return function(*arguments, **(keywords or {}))


def test_a_batch_is_one_gather_and_one_conversion():
    reader = read(resident().subset(torch.arange(20).flip(0)).subset(torch.arange(20)))
    indices = torch.arange(3)
    with Watch() as watch:
        images, _ = reader.read(indices)
    # where the images lie in the whole, the images, their conversion, and the labels
    assert watch.names == ["index_select", "index_select", "div", "index_select"]
    assert images.dtype == torch.float32
    assert images.is_contiguous()


def test_precision_is_asked_for():
    (images, _), *_ = read(resident(), dtype=torch.float64).batches(ORDER)
    assert images.dtype == torch.float64


def test_bytes_stay_bytes_on_a_device_and_are_there_once(recipe):
    examples = resident()
    moved = examples.to(META)
    assert moved.pixels(torch.arange(2, device=META)).dtype == torch.uint8
    data = RunData(recipe(), META)
    assert data.train.whole is data.validation.whole


def test_nobody_waits_for_the_device(recipe):
    """On a device without values, whoever looked at one, or brought a tensor from elsewhere, would raise."""
    augmentation = ["random-crop", {"use": "random-crop", "padding": 2, "mode": "reflect"}, "horizontal-flip"]
    augmentation += [{"use": "cutout", "size": 3}, "gaussian-noise"]
    data = RunData(recipe(augmentation=augmentation), META)
    batches = list(data.batches(1))
    assert len(batches) == 3
    assert {tensor.device for batch in batches for tensor in batch} == {META}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("kind", ["resident", "decoded"])
def test_nobody_waits_for_the_gpu(kind):
    gpu = torch.device("cuda")
    examples = resident().to(gpu) if kind == "resident" else Made()
    order = torch.cat(ORDER).to(examples.labels.device).split(2)
    expected = list(BatchReader(Made() if kind == "decoded" else resident(), CPU, torch.float32).batches(ORDER))
    reader = BatchReader(examples, gpu, torch.float32, workers=2)
    torch.cuda.set_sync_debug_mode("error")
    try:
        read = list(reader.batches(order))
    finally:
        torch.cuda.set_sync_debug_mode("default")
        reader.close()
    for (images, labels), (theirs, same_labels) in zip(read, expected, strict=True):
        assert images.is_cuda
        assert torch.equal(images[:, :, 0].cpu(), theirs[:, :, 0])
        assert torch.equal(labels.cpu(), same_labels)


@pytest.mark.parametrize("kind", ["resident", "decoded"])
def test_nothing_grows_with_the_epochs(kind):
    reader = BatchReader(resident() if kind == "resident" else Made(), CPU, torch.float32, workers=2)

    def held():
        gc.collect()
        tensors = sum(issubclass(type(item), torch.Tensor) for item in gc.get_objects())
        return tensors, len(list(Path("/proc/self/fd").iterdir())), len(multiprocessing.active_children())

    for _ in range(2):
        list(reader.batches(ORDER))
    before = held()
    for _ in range(5):
        list(reader.batches(ORDER))
    assert held() == before
    reader.close()
