"""How long a training step waits for its images: from memory, and from JPEG files with and without worker processes.

    python -m benchmarks.loading            writes benchmarks/results/loading.json and prints the table
    python -m benchmarks.loading --quick    does it work? seconds, and figures that mean nothing

600 JPEG files of 256x256 are drawn, read as 224x224 in batches of 32 and decoded anew in every epoch, through the
engine's own reader. Two kinds of steps use the batches: one that leaves the CPU idle for some time, as a GPU does, and
one that trains a small convolutional network on one thread of the CPU. Readers take turns, epoch by epoch; the first
epoch of each, in which workers start, does not count. Bringing a batch from bytes to floats counts as waiting; a GPU
does that itself. A second table has CIFAR-10's shape, from memory.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy
import torch
from PIL import Image
from robustkit_augmentations import Cutout, GaussianNoise, HorizontalFlip, RandomCrop
from robustkit_torchvision import ImageFolder
from torch import Tensor, nn

from benchmarks import machine
from benchmarks.results import FOLDER, rounded
from benchmarks.rounds import Spread, said
from benchmarks.tables import table
from robustkit import TensorExamples
from robustkit.engine.loading import BatchReader

CPU = torch.device("cpu")
SIZE, BATCH, IDLE = 224, 32, 0.06
"""Pixels a side, images a batch, and the seconds for which a step leaves the CPU idle."""
Step = Callable[[Tensor, Tensor], None]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--rounds", type=int, default=5, help="epochs of each reader that count")
    given = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, Any] = {"program": "loading", "machine": machine.facts(1, "cpu")}
    files, rounds = (2 * BATCH, 1) if given.quick else (600, given.rounds)
    found["files"] = decoded(files, given.workers, rounds)
    found["memory"] = from_memory(20 if given.quick else 200)
    print("\n\n".join(tables(found)))
    if not given.quick:
        (FOLDER / "loading.json").write_text(json.dumps(rounded(found), indent=1) + "\n", encoding="utf-8")


def decoded(files: int, workers: list[int], rounds: int) -> dict[str, Any]:
    """By step and number of workers: images a second and share of the time spent waiting of each epoch; seconds of
    waiting for each epoch's first batch and for each of the others."""
    with tempfile.TemporaryDirectory() as folder:
        draw(Path(folder), files)
        examples = ImageFolder(root=folder, image_size=SIZE, cache=False).load("train")
        steps: dict[str, Step] = {"idle": idle_step, "trains": training_step()}
        return {name: epochs(examples, step, workers, rounds, name) for name, step in steps.items()}


def epochs(examples: Any, step: Step, workers: list[int], rounds: int, name: str) -> dict[str, Any]:
    """One kind of step with every number of workers, in turns."""
    found = {count: {"images_per_second": [], "waiting": [], "first": [], "others": []} for count in workers}
    with ExitStack() as stack:
        readers = {
            count: stack.enter_context(closing(BatchReader(examples, CPU, torch.float32, workers=count)))
            for count in workers
        }
        for number in range(rounds + 1):
            for count, reader in readers.items():
                seconds, waits = epoch(reader, step)
                speed, waiting = len(waits) * BATCH / seconds, sum(waits) / seconds
                said(f"  {name}, {count} workers, epoch {number}: {speed:.0f} images/s, waiting {waiting:.0%} of it")
                if number:
                    found[count]["images_per_second"].append(speed)
                    found[count]["waiting"].append(waiting)
                    found[count]["first"].append(waits[0])
                    found[count]["others"].extend(waits[1:])
    return {str(count): measured for count, measured in found.items()}


def epoch(reader: BatchReader, step: Step) -> tuple[float, list[float]]:
    """The seconds it took, and those for which the step waited for each batch."""
    order = torch.randperm(len(reader.examples))
    chosen = order[: len(order) // BATCH * BATCH].split(BATCH)
    started, waits = time.perf_counter(), []
    batches = iter(reader.batches(chosen))
    for _ in chosen:
        asked = time.perf_counter()
        images, labels = next(batches)
        waits.append(time.perf_counter() - asked)
        step(images, labels)
    assert next(batches, None) is None
    return time.perf_counter() - started, waits


def idle_step(images: Tensor, labels: Tensor) -> None:
    """What the CPU sees of a step on a GPU."""
    time.sleep(IDLE)


def training_step() -> Step:
    """A step of SGD on a small network."""
    network = nn.Sequential(
        nn.Conv2d(3, 8, 5, stride=4), nn.ReLU(), nn.Conv2d(8, 32, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
    )
    network.append(nn.Flatten()).append(nn.Linear(32, 2))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)

    def step(images: Tensor, labels: Tensor) -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()

    return step


def draw(folder: Path, files: int) -> None:
    """Files of some 40 KB, as photographs of this size have: soft shapes and a little noise, in two classes."""
    random = numpy.random.default_rng(0)
    for number in range(files):
        shapes = Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=numpy.uint8)).resize((256, 256))
        pixels = numpy.asarray(shapes, dtype=numpy.float32) + random.normal(0, 12, (256, 256, 3))
        file = folder / "train" / str(number % 2) / f"{number}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.clip(0, 255).astype(numpy.uint8)).save(file, quality=90)


def from_memory(times: int) -> dict[str, list[float]]:
    """Seconds for a batch of 128 images 3x32x32: read from 50,000 as bytes, and each augmentation of it."""
    pixels = torch.randint(256, (50_000, 3, 32, 32), dtype=torch.uint8)
    examples = TensorExamples(pixels, torch.arange(50_000) % 10, [str(number) for number in range(10)])
    reader = BatchReader(examples.subset(torch.randperm(50_000)[:49_000]), CPU, torch.float32)
    indices = torch.randperm(49_000)[:128]
    images, _ = reader.read(indices)
    work: dict[str, Callable[[], Any]] = {"reading": lambda: reader.read(indices)}
    for augmentation in (RandomCrop(), HorizontalFlip(), Cutout(), GaussianNoise()):
        work[augmentation.name] = lambda augmentation=augmentation: augmentation(images)
    return {name: list(repeated(call, times)) for name, call in work.items()}


def repeated(call: Callable[[], Any], times: int) -> Iterator[float]:
    """The seconds of each call, after a few that do not count."""
    for number in range(times + 5):
        started = time.perf_counter()
        call()
        if number >= 5:
            yield time.perf_counter() - started


def tables(found: dict[str, Any]) -> Iterator[str]:
    """What was measured, to be read: medians, with quartiles where there are few."""
    said_of = {"idle": f"idle for {1000 * IDLE:.0f} ms (a GPU works)", "trains": "trains on one thread"}
    rows = []
    for name, counts in found["files"].items():
        for count, measured in counts.items():
            speed, waiting, first, others = (Spread.of(values) for values in measured.values())
            cells = [f"{speed.median:.0f} ({speed.low:.0f}-{speed.high:.0f})", f"{100 * waiting.median:.0f} %"]
            waits = [f"{1000 * wait.median:.1f} ms" for wait in (others, first)]
            rows.append([said_of[name], count, *cells, *waits])
    yield table(["the CPU", "workers", "images/s", "time waiting", "for a batch", "for an epoch's first"], rows)
    medians = {name: 1000 * Spread.of(seconds).median for name, seconds in found["memory"].items()}
    yield table(["128 images 3x32x32 in memory", "ms"], [[name, f"{ms:.3f}"] for name, ms in medians.items()])
    yield machine.in_words(found["machine"])


if __name__ == "__main__":
    main()
