"""The schedules against torch's own, moment by moment, where the definitions match."""

from __future__ import annotations

import pytest
import torch
from robustkit_schedules import Cosine, OneCycle, Steps
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, MultiStepLR, OneCycleLR

from robustkit import Clock, Schedule, rate_at

EPOCHS, BATCHES = 7, 5


def optimizer(lr: float) -> torch.optim.Optimizer:
    return torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr)


def torchs(scheduler: LRScheduler, moments: int) -> list[float]:
    """The learning rates of so many optimizer steps, each followed by one of the scheduler."""
    rates = []
    for _ in range(moments):
        rates.append(scheduler.optimizer.param_groups[0]["lr"])
        scheduler.optimizer.step()
        scheduler.step()
    return rates


def ours(schedule: Schedule) -> list[float]:
    """The rate before each batch of the run, as the engine asks for it."""
    clock, rates = Clock(EPOCHS, BATCHES), []
    for epoch in range(1, EPOCHS + 1):
        clock.start_epoch(epoch)
        for _ in range(BATCHES):
            rates.append(rate_at(schedule, clock))
            clock.tick()
    return rates


def per_epoch(rates: list[float]) -> list[float]:
    assert all(len(set(rates[first : first + BATCHES])) == 1 for first in range(0, len(rates), BATCHES))
    return rates[::BATCHES]


def test_steps_are_multi_step_lr_with_milestones_counted_from_one() -> None:
    expected = torchs(MultiStepLR(optimizer(0.4), milestones=[2, 5], gamma=0.5), EPOCHS)
    assert per_epoch(ours(Steps(start=0.4, milestones=(3, 6), factor=0.5))) == pytest.approx(expected)


def test_cosine_is_cosine_annealing_over_all_batches() -> None:
    scheduler = CosineAnnealingLR(optimizer(0.3), T_max=EPOCHS * BATCHES, eta_min=0.01)
    assert ours(Cosine(start=0.3, end=0.01)) == pytest.approx(torchs(scheduler, EPOCHS * BATCHES))


def test_cosine_by_epoch_is_cosine_annealing_over_all_epochs() -> None:
    expected = torchs(CosineAnnealingLR(optimizer(0.3), T_max=EPOCHS, eta_min=0.01), EPOCHS)
    assert per_epoch(ours(Cosine(start=0.3, end=0.01, every_batch=False))) == pytest.approx(expected)


@pytest.mark.parametrize(("shape", "torchs_name"), [("cosine", "cos"), ("linear", "linear")])
def test_one_cycle_is_one_cycle_lr_with_one_step_more(shape: str, torchs_name: str) -> None:
    # torch is at its peak at step pct_start * total_steps - 1, and at its end at the last step, total_steps - 1.
    steps, share = EPOCHS * BATCHES, 0.4
    scheduler = OneCycleLR(
        optimizer(0.1),
        max_lr=0.5,
        total_steps=steps + 1,
        pct_start=(share * steps + 1) / (steps + 1),
        anneal_strategy=torchs_name,  # type: ignore[arg-type]
        cycle_momentum=False,
    )
    schedule = OneCycle(peak=0.5, peak_at=share, shape=shape)  # type: ignore[arg-type]
    expected = torchs(scheduler, steps)
    assert ours(schedule) == pytest.approx(expected)
    assert schedule(EPOCHS, EPOCHS) == pytest.approx(scheduler.get_last_lr()[0])


def test_one_cycle_has_torchs_defaults() -> None:
    scheduler = OneCycleLR(optimizer(0.1), max_lr=0.5, total_steps=100, cycle_momentum=False)
    low, peak, end = OneCycle(peak=0.5).extremes()
    group = scheduler.optimizer.param_groups[0]
    assert (low, peak, end) == pytest.approx((group["initial_lr"], group["max_lr"], group["min_lr"]))
