"""How a run computes: what `auto` takes, where it is written down, and that training is the same method in bfloat16."""

from __future__ import annotations

import json
import platform
import subprocess
import sys

import pytest
import torch
import yaml

from robustkit import Compute, load_recipe, make, run
from robustkit.attacking.lean import AttackArithmetic
from robustkit.components.weights import floating
from robustkit.engine import arithmetic
from robustkit.engine.allocator import buffers_kept
from robustkit.engine.arithmetic import decide, forward_flops
from robustkit.engine.lanes import Lanes
from robustkit.errors import RecipeError
from robustkit.models.classifier import build_classifier


def network(size=8, **options):
    return build_classifier(make("architecture", "small-cnn", **options), 10, (1, size, size))


def test_flops_of_a_forward_by_hand():
    by_hand = 2 * (64 * 16 * 9 + 16 * 16 * 16 * 9 + 16 * 32 * 16 * 9 + 4 * 32 * 32 * 9 + 4 * 32 * 10)
    model = network(width=16)
    model.train()
    model.network.block1.eval()
    assert forward_flops(model, (1, 8, 8)) == by_hand
    assert model.training
    assert not model.network.block1.training


@pytest.mark.parametrize(
    ("native", "size", "dtype", "taken"),
    [
        (True, 28, torch.float32, "bfloat16"),
        (True, 8, torch.float32, "full"),  # too small to gain
        (False, 28, torch.float32, "full"),
        (True, 28, torch.float64, "full"),
    ],
)
def test_auto_takes_bfloat16_where_it_pays(native, size, dtype, taken, monkeypatch):
    monkeypatch.setattr(arithmetic, "has_bfloat16", lambda device: native)
    decided = decide(Compute(), network(size, width=16).to(dtype), (1, size, size))
    assert decided.named() == {"training": taken, "attack": taken}
    assert decided.attack.fold_batch_norm


def test_what_is_asked_for_is_taken_wherever_it_runs(monkeypatch):
    monkeypatch.setattr(arithmetic, "has_bfloat16", lambda device: False)
    decided = decide(Compute(training="bfloat16", attack="full", compile="attack"), network(), (1, 8, 8))
    assert decided.named() == {"training": "bfloat16", "attack": "full"}
    assert decided.attack == AttackArithmetic("full", fold_batch_norm=True, compile=True)
    assert not decided.compile_training


def test_the_processors_list_is_read_where_there_is_one(monkeypatch, tmp_path):
    listing = tmp_path / "cpuinfo"
    for text, answer in [
        ("processor : 0\nflags\t\t: fpu avx512_bf16 sse\n", True),
        ("flags : amx_bf16 amx_tile\n", True),
        ("Features : fp asimd bf16\n", True),
        ("flags : fpu avx512f avx512_bf16x\nbugs : bf16\n", False),
        ("", False),
    ]:
        listing.write_text(text, encoding="utf-8")
        monkeypatch.setattr(arithmetic, "Path", lambda _: listing)
        arithmetic._cpu_has_bfloat16.cache_clear()
        assert arithmetic.has_bfloat16(torch.device("cpu")) is answer
    monkeypatch.undo()
    arithmetic._cpu_has_bfloat16.cache_clear()


def test_float64_and_bfloat16_do_not_go_together(data, plugins):
    words = data(precision="float64", compute={"attack": "bfloat16"})
    with pytest.raises(RecipeError, match=r"compute\.attack.*does not go with precision float64"):
        load_recipe(words, registry=plugins.registry)


def weights_of(finished, name):
    return dict(finished.model(name).weights())


@pytest.mark.parametrize("compute", [{"training": "bfloat16"}, {"attack": "bfloat16"}, {"compile": "none"}])
def test_bfloat16_runs_stay_near_full_ones_and_keep_float32_weights(train, compute):
    full, low = train(), train(compute=compute)
    for name in ("natural", "robust", "global"):
        expected, found = weights_of(full, name), weights_of(low, name)
        for key in floating(expected):
            assert found[key].dtype == torch.float32
            scale = float(expected[key].abs().max()) + 1e-3
            assert float((found[key] - expected[key]).abs().max()) < 0.15 * scale, key
    same = all(
        torch.equal(tensor, weights_of(low, "robust")[key]) for key, tensor in weights_of(full, "robust").items()
    )
    assert same == (compute == {"compile": "none"}), "the option did nothing"


def test_levers_that_change_no_function_change_no_float64_weights(train):
    colour = {"precision": "float64", "dataset": {"use": "corners", "channels": 3}}
    plain = train(**colour, compute={"fold_batch_norm": False, "channels_last": False, "keep_buffers": False})
    levers = train(**colour)
    for name in ("natural", "robust", "global"):
        torch.testing.assert_close(weights_of(levers, name), weights_of(plain, name), rtol=1e-9, atol=1e-11)


def test_the_lock_the_report_and_the_readable_report_say_what_was_computed_in(train):
    finished = train(compute={"training": "bfloat16"})
    wanted = {"training": "bfloat16", "attack": "full"}
    assert yaml.safe_load((finished.path / "lock.yaml").read_text(encoding="utf-8"))["lock"]["computed_in"] == wanted
    assert json.loads((finished.path / "report.json").read_text(encoding="utf-8"))["computed_in"] == wanted
    assert "Training passes were computed in bfloat16" in (finished.path / "report.md").read_text(encoding="utf-8")


def test_a_bfloat16_run_resumes_bit_for_bit(data, plugins, tmp_path):
    words = data(compute={"training": "bfloat16", "attack": "bfloat16"})
    whole = run(words, output=tmp_path / "whole", plugins=plugins)
    run(words, output=tmp_path / "parts", stop_after=1, plugins=plugins)
    parts = run(words, output=tmp_path / "parts", resume=True, plugins=plugins)
    for name in ("natural", "robust", "global"):
        assert all(torch.equal(tensor, weights_of(parts, name)[key]) for key, tensor in weights_of(whole, name).items())


def test_lanes_on_a_cpu_are_nothing_and_one_a_learner():
    lanes = Lanes(torch.device("cpu"), 3, wanted=True)
    entered = 0
    for lane in lanes:
        with lane:
            entered += 1
    lanes.join()
    assert entered == 3
    assert lanes.streams == []


class Recorded:
    """A stand-in for a CUDA stream that writes down who waited for whom."""

    def __init__(self, name, log):
        self.name, self.log = name, log

    def wait_stream(self, other):
        self.log.append(f"{self.name} waits for {other.name}")


def test_lanes_wait_for_the_device_and_the_device_for_all_lanes(monkeypatch):
    log = []
    device, made = Recorded("device", log), iter("ab")
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: device)
    monkeypatch.setattr(torch.cuda, "Stream", lambda _: Recorded(next(made), log))
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: Entered(stream, log))
    lanes = Lanes(torch.device("cuda"), 2, wanted=True)
    for number, lane in enumerate(lanes, 1):
        with lane:
            log.append(f"step {number}")
    lanes.join()
    assert log == [
        *("a waits for device", "a", "step 1", "out of a", "b waits for device", "b", "step 2", "out of b"),
        *("device waits for a", "device waits for b"),
    ]
    assert Lanes(torch.device("cuda"), 2, wanted=False).streams == []


class Entered:
    def __init__(self, stream, log):
        self.stream, self.log = stream, log

    def __enter__(self):
        self.log.append(self.stream.name)

    def __exit__(self, *_):
        self.log.append(f"out of {self.stream.name}")


def test_kept_buffers_are_asked_for_and_given_back(monkeypatch):
    calls = []
    monkeypatch.setattr("robustkit.engine.allocator._mallopt", lambda: lambda *words: calls.append(words) or 1)
    with buffers_kept(wanted=True) as done:
        assert done
        assert calls == [(-1, 2**31 - 1), (-4, 0)]
        calls.clear()
    assert calls == [(-1, 128 * 1024), (-4, 65536)]
    calls.clear()
    with buffers_kept(wanted=False) as done:
        assert not done
    assert calls == []


def test_kept_buffers_are_nothing_without_glibc(monkeypatch):
    monkeypatch.setattr("platform.libc_ver", lambda: ("", ""))
    with buffers_kept(wanted=True) as done:
        assert not done


def test_kept_buffers_spare_page_faults():
    """On glibc, a large buffer freed and asked for again is faulted in anew by default, and not within."""
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("the C library is not glibc")
    program = """
import resource, torch
from robustkit.engine.allocator import buffers_kept

def faults(count):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(count):
        torch.empty(16 * 2**20).fill_(1.0)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

default = faults(5)
with buffers_kept(wanted=True):
    faults(20)
    kept = faults(5)
print(default, kept)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    default, kept = map(int, done.stdout.split())
    assert kept < default / 4
