"""The loading benchmark counts what it says it counts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from loading_parts import Made
from PIL import Image

from robustkit.engine.loading import BatchReader


@pytest.fixture
def loading(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    from benchmarks import loading

    return loading


def test_waits_and_steps_of_an_epoch(loading, monkeypatch):
    clock = iter(range(1000))
    monkeypatch.setattr(loading.time, "perf_counter", lambda: next(clock))
    seen = []
    reader = BatchReader(Made(70), torch.device("cpu"), torch.float32)
    seconds, waits = loading.epoch(reader, lambda images, labels: seen.append((len(images), len(labels))))
    assert seen == [(32, 32), (32, 32)]
    assert waits == [1, 1]  # two looks at the clock a batch, one before and one after the epoch
    assert seconds == 5


def test_the_first_epoch_does_not_count_and_first_batches_count_apart(loading, monkeypatch):
    turns = []

    def epoch(reader, step):
        turns.append(reader)
        return 2.0, [0.5, *([0.1] * 5)]

    monkeypatch.setattr(loading, "epoch", epoch)
    found = loading.epochs(Made(), loading.idle_step, [0, 2], rounds=2, name="idle")
    assert len(turns) == 6
    assert turns[:2] == turns[2:4] == turns[4:]
    assert list(found) == ["0", "2"]
    assert found["2"] == {
        "images_per_second": [96.0, 96.0],
        "waiting": pytest.approx([0.5, 0.5]),
        "first": [0.5, 0.5],
        "others": [0.1] * 10,
    }


def test_a_table_of_medians(loading):
    measured = {"images_per_second": [90.0, 100.0], "waiting": [0.25], "first": [0.2], "others": [0.001, 0.002, 0.009]}
    machine = loading.machine.facts(1, "cpu")
    first, second, _ = loading.tables(
        {"files": {"idle": {"2": measured}}, "memory": {"reading": [0.001]}, "machine": machine}
    )
    assert first.splitlines()[-1].split(" | ")[1:] == [
        "      2",
        "95 (92-98)",
        "        25 %",
        "     2.0 ms",
        "            200.0 ms |",
    ]
    assert second.splitlines()[-1].endswith("| 1.000 |")


def test_files_are_jpegs_in_two_classes(loading, tmp_path):
    loading.draw(tmp_path, 3)
    files = sorted(tmp_path.rglob("*.jpg"))
    assert [file.parent.name for file in files] == ["0", "0", "1"]
    with Image.open(files[0]) as image:
        assert (image.format, image.size) == ("JPEG", (256, 256))
    assert 20_000 < files[0].stat().st_size < 80_000


def test_the_step_trains(loading):
    torch.manual_seed(0)
    step, images, labels = loading.training_step(), torch.rand(4, 3, 224, 224), torch.tensor([0, 1, 0, 1])
    losses = []
    cross_entropy = torch.nn.functional.cross_entropy
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            loading.nn.functional, "cross_entropy", lambda *given: losses.append(cross_entropy(*given)) or losses[-1]
        )
        for _ in range(30):
            step(images, labels)
    assert losses[-1] < losses[0]


def test_every_augmentation_is_timed(loading, monkeypatch):
    monkeypatch.setattr(loading.torch, "randint", lambda *_, dtype: torch.zeros(50_000, 1, 1, 1, dtype=dtype))
    monkeypatch.setattr(loading, "repeated", lambda call, times: [times])
    assert loading.from_memory(3) == {
        name: [3] for name in ("reading", "random-crop", "horizontal-flip", "cutout", "gaussian-noise")
    }
