"""Batches are the same bits however they are read: from memory, or decoded by any number of processes."""

from __future__ import annotations

import gc
import multiprocessing

import pytest
import torch
from loading_parts import ORDER, Made, Spoilt, Unsendable, running
from PIL import Image
from robustkit_torchvision import ImageFolder, image_files
from torch.utils.data import dataloader

from robustkit import Listener, run
from robustkit.engine.data import RunData
from robustkit.engine.loading import BatchReader
from robustkit.engine.workers import worker_count
from robustkit.errors import DataError, InputError, TrainingError

CPU = torch.device("cpu")


@pytest.fixture
def read():
    """`read(examples, workers)`: a reader, whose processes are ended after the test."""
    readers = []

    def make(examples, workers=2, dtype=torch.float32):
        readers.append(BatchReader(examples, CPU, dtype, workers=workers))
        return readers[-1]

    yield make
    for reader in readers:
        reader.close()


@pytest.fixture
def folder(tmp_path):
    """39 training and 20 test images of three classes; gives the recipe's changes."""
    generator = torch.Generator().manual_seed(0)
    for split, count in (("train", 39), ("test", 20)):
        for number in range(count):
            file = tmp_path / "images" / split / str(number % 3) / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(torch.randint(256, (8, 7), generator=generator, dtype=torch.uint8).numpy()).save(file)

    def changes(workers, cache=True):
        dataset = {
            "use": "image-folder",
            "root": str(tmp_path / "images"),
            "image_size": 6,
            "channels": 1,
            "cache": cache,
        }
        return {"dataset": dataset, "compute": {"workers": workers}, "augmentation": [{"use": "brightness"}]}

    return changes


def makers(batches):
    """The processes that made these images."""
    return {int((image[0, 1] * 255).round() @ torch.tensor([256.0, 1.0])) for images, _ in batches for image in images}


def workers_now():
    return {process.pid for process in multiprocessing.active_children()}


def same(ours, theirs):
    return all(
        torch.equal(a, b) for one, other in zip(ours, theirs, strict=True) for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("cache", [True, False])
def test_any_number_of_workers_gives_the_same_batches_in_any_epoch(recipe, folder, cache):
    alone = RunData(recipe(**folder(0, cache)), CPU)
    expected = {epoch: list(alone.batches(epoch)) for epoch in (1, 2)}
    plain = list(alone.plain_batches())
    assert not same(expected[1], expected[2])
    for workers in (1, 3):
        data = RunData(recipe(**folder(workers, cache)), CPU)
        assert same(data.batches(1), expected[1])
        assert len(workers_now()) == workers
        assert same(data.batches(2), expected[2])
        assert all(torch.equal(a, b) for a, b in zip(data.plain_batches(), plain, strict=True))
        data.close()
    resumed = RunData(recipe(**folder(workers, cache)), CPU)
    assert same(resumed.batches(2), expected[2])
    assert not workers_now()  # the last epoch ends them


@pytest.mark.parametrize("cache", [True, False])
def test_a_run_with_workers_stopped_and_resumed_ends_in_the_same_weights(train, folder, plugins, compare, cache):
    class Stop(Listener):
        def batch_ended(self, run):
            if run.clock.step == 5:
                raise KeyboardInterrupt

    recompute = {"use": "generalist", "mix": {"robust": 0.5}, "batch_norm": "recompute", "redistribute": "every_batch"}
    whole = train(**folder(0, cache), aggregator=recompute)
    stopped = whole.path.with_name("stopped")
    with pytest.raises(KeyboardInterrupt):
        train(**folder(2, cache), aggregator=recompute, output=stopped, listener=Stop())
    gc.collect()
    assert not workers_now()
    run(stopped, resume=True, plugins=plugins)
    assert compare.difference(whole.path, stopped) == []
    assert not workers_now()


def test_workers_decode_and_stay_over_epochs(read):
    reader = read(Made())
    first, second = list(reader.batches(ORDER)), list(reader.batches(ORDER))
    assert makers(first) == makers(second) == {pid % 65536 for pid in workers_now()}
    assert len(workers_now()) == 2
    assert (
        torch.cat([images[:, 0, 0, 0] for images, _ in second]).mul(255).round().tolist() == torch.cat(ORDER).tolist()
    )
    assert torch.equal(torch.cat([labels for _, labels in second]), torch.cat(ORDER) % 3)


@pytest.mark.parametrize(("wanted", "batches", "expected"), [(0, 9, 0), (3, 9, 3), (30, 9, 9), (None, 1, 1)])
def test_no_more_workers_than_batches(wanted, batches, expected):
    assert worker_count(wanted, batches) == expected


def test_by_default_a_worker_a_core():
    assert 1 <= worker_count(None, 10**6) <= multiprocessing.cpu_count()


def test_the_cache_is_filled_by_workers_who_then_leave(read, folder, monkeypatch):
    examples = ImageFolder(**{k: v for k, v in folder(1)["dataset"].items() if k != "use"}).load("train")
    reader, everything = read(examples), torch.randperm(39).split(8)
    first = list(reader.batches(everything[:-1]))
    for file in examples.files:
        if file not in [examples.files[index] for index in everything[-1].tolist()]:
            file.unlink()  # whatever was read is never read again
    list(reader.batches(everything))
    assert len(workers_now()) == 2
    for file in examples.files:
        file.unlink(missing_ok=True)
    assert same(reader.batches(everything[:-1]), first)
    assert not workers_now()


def test_another_reader_meanwhile_gets_the_same_images_without_workers(read):
    reader = read(Made())
    for number, (images, _) in enumerate(reader.batches(ORDER)):
        within = list(reader.batches(ORDER))
        assert torch.equal(within[number][0][:, :, 0], images[:, :, 0])
        assert makers(within).isdisjoint(makers([(images, None)]))
    assert number == len(ORDER) - 1


def test_who_stops_early_gets_all_batches_the_next_time(read):
    reader = read(Made())
    batches = reader.batches(ORDER)
    next(batches)
    before = workers_now()
    batches.close()
    assert len(before) == 2
    assert not any(map(running, before))
    assert len(list(reader.batches(ORDER))) == len(ORDER)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_an_image_that_cannot_be_decoded_is_the_one_error_it_is_without_workers(read, workers):
    reader, order = read(Spoilt(), workers), torch.arange(12, 16).split(1)
    batches = reader.batches(order)
    assert len(next(batches)[0]) == 1
    with pytest.raises(DataError) as caught:
        next(batches)
    assert str(caught.value) == "13.png: cannot be decoded."
    assert not workers_now()
    assert len(list(reader.batches(order[2:]))) == 2  # and the reader is of use afterwards


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_with_a_broken_image_leaves_no_folder_and_no_process(train, folder, tmp_path, workers):
    file = tmp_path / "images" / "train" / "1" / "7.png"
    file.write_bytes(b"no image")
    with pytest.raises(DataError) as caught:
        train(**folder(workers), validation_examples=0, batch_size=39, output=tmp_path / "out")
    assert str(caught.value).startswith(f"{file}: cannot be decoded as an image: UnidentifiedImageError")
    assert not workers_now()
    assert not (tmp_path / "out").exists()


def test_a_worker_that_dies_is_reported_with_the_way_out(read, monkeypatch):
    looked = dataloader._MultiProcessingDataLoaderIter._try_get_data
    monkeypatch.setattr(looked, "__defaults__", (0.2,))  # how often torch looks for dead workers: every 5 s
    with pytest.raises(TrainingError, match=r"has ended: .*exited unexpectedly.* set compute.workers=0"):
        list(read(Spoilt()).batches([torch.tensor([17])]))
    assert not workers_now()


def test_examples_that_cannot_be_pickled_are_refused_with_the_way_out(read):
    with pytest.raises(InputError, match=r"cannot be pickled for worker processes: .*lambda.* set compute.workers=0"):
        list(read(Unsendable()).batches(ORDER))
    assert not workers_now()
    assert len(list(read(Unsendable(), workers=0).batches(ORDER))) == len(ORDER)


def test_reading_draws_no_random_numbers(read):
    before = torch.get_rng_state()
    assert list(read(Made()).batches(ORDER))
    assert torch.equal(torch.get_rng_state(), before)


def test_threads_in_this_process_none_in_workers(folder, monkeypatch):
    """A worker has one core; here, several threads decode a batch."""
    pools = []

    class Pool(image_files.ThreadPoolExecutor):
        def __init__(self, size):
            pools.append(size)
            super().__init__(size)

    monkeypatch.setattr(image_files, "ThreadPoolExecutor", Pool)
    examples = ImageFolder(**{k: v for k, v in folder(1)["dataset"].items() if k != "use"}).load("train")
    monkeypatch.setattr(image_files, "get_worker_info", lambda: object())
    alone = examples.images(torch.arange(20))
    assert pools == []
    monkeypatch.setattr(image_files, "get_worker_info", lambda: None)
    assert torch.equal(examples.images(torch.arange(20)), alone)
    assert pools == []  # they were in the cache
    examples.images(torch.arange(39))
    assert pools == [min(image_files.THREADS, 19)]
