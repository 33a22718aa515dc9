"""The convolution peak: what it is made of, and that measuring it leaves no trace."""

from __future__ import annotations

import pytest
import torch

from robustkit.engine.cost import peak

CPU = torch.device("cpu")


@pytest.fixture
def a_second_each(monkeypatch: pytest.MonkeyPatch) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Every convolution takes a second, those of 512 channels two; what was asked for is written down."""
    asked: list[tuple[torch.Tensor, torch.Tensor]] = []

    def seconds(images: torch.Tensor, weight: torch.Tensor, calls: int) -> float:
        asked.append((images, weight))
        return 2.0 if len(weight) == 512 else 1.0

    monkeypatch.setattr(peak, "_seconds", seconds)
    return asked


def test_rates_are_operations_by_seconds(a_second_each: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
    rates = peak.convolution_rates(CPU, torch.bfloat16, seconds=0.0)
    each = 2 * 128 * 64 * 64 * 9 * 32 * 32
    assert rates == {(64, 32): each, (128, 16): each, (256, 8): each, (512, 4): each / 2}
    for (images, weight), (channels, size) in zip(a_second_each[::2], peak.SIZES, strict=True):
        assert images.shape == (128, channels, size, size)
        assert weight.shape == (channels, channels, 3, 3)
        assert images.dtype == weight.dtype == torch.bfloat16
        assert images.is_contiguous(memory_format=torch.channels_last)


def test_the_peak_is_all_operations_by_all_seconds(a_second_each: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
    each = 2 * 128 * 64 * 64 * 9 * 32 * 32
    assert peak.convolution_peak(CPU, torch.float32) == pytest.approx(4 * each / 5)


def test_measuring_draws_nothing_and_leaves_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peak, "SIZES", ((16, 4),))
    cudnn = torch.backends.cudnn
    before, settings = torch.get_rng_state(), (cudnn.deterministic, cudnn.benchmark)
    rates = peak.convolution_rates(CPU, torch.float32, seconds=0.01)
    assert 1e6 < rates[16, 4] < 1e15
    assert torch.equal(torch.get_rng_state(), before)
    assert (cudnn.deterministic, cudnn.benchmark) == settings


def test_precisions_have_names() -> None:
    assert peak.precision_name(torch.bfloat16) == "bfloat16"
