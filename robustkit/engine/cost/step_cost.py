"""What a training step costs, phase by phase, and how near it comes to what the device can do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import torch

from robustkit.components.phases import Phase
from robustkit.engine.cost.peak import convolution_peak, precision_name

if TYPE_CHECKING:
    from robustkit.engine.run import Run

PHASES: tuple[Phase, ...] = get_args(Phase)


@dataclass(frozen=True)
class Peaks:
    """In which precision each phase computes, and what the device reaches in it."""

    attack: torch.dtype
    """Of the network inside attacks."""
    training: torch.dtype
    """Of everything else."""
    flops_per_second: Mapping[torch.dtype, float]
    """The measured convolution peak of these precisions."""

    def precision(self, phase: Phase) -> torch.dtype:
        """What most of the phase's operations are computed in."""
        return self.attack if phase == "attack" else self.training

    def of(self, phase: Phase) -> float:
        """The peak, in FLOP/s, that the phase is measured against."""
        return self.flops_per_second[self.precision(phase)]


def measured_peaks(run: Run) -> Peaks:
    """The convolution peaks of the run's device in the run's precisions; takes a second or two on a CPU."""
    attack = torch.bfloat16 if run.arithmetic.attack.precision == "bfloat16" else run.data.dtype
    training = run.arithmetic.training or run.data.dtype
    return Peaks(attack, training, {dtype: convolution_peak(run.device, dtype) for dtype in {attack, training}})


@dataclass(frozen=True)
class StepCost:
    """The cost of one step of all learners on one batch."""

    images: int
    """Examples in the batch; every learner sees each of them."""
    seconds: Mapping[Phase, float]
    """Time by phase, each without the phases inside it."""
    flops: Mapping[Phase, float]
    """Floating-point operations by phase."""
    peaks: Peaks
    """What the device can do."""

    @property
    def total_seconds(self) -> float:
        """Time of the whole step."""
        return sum(self.seconds.values())

    @property
    def total_flops(self) -> float:
        """Operations of the whole step."""
        return sum(self.flops.values())

    @property
    def images_per_second(self) -> float:
        """Examples a second, each counted once however many learners train on it."""
        return self.images / self.total_seconds

    @property
    def share_of_peak(self) -> float:
        """The time that the step's operations would take at the peak of their precisions, as a share of its time."""
        at_peak = sum(flops / self.peaks.of(phase) for phase, flops in self.flops.items())
        return at_peak / self.total_seconds

    def plain(self) -> dict[str, Any]:
        """As JSON holds it; phases that took no time are left out."""
        peaks = self.peaks.flops_per_second
        return {
            "images": self.images,
            "images_per_second": self.images_per_second,
            "seconds": self.total_seconds,
            "flops": self.total_flops,
            "flops_per_image": self.total_flops / self.images,
            "flops_per_second": self.total_flops / self.total_seconds,
            "share_of_peak": self.share_of_peak,
            "phases": {phase: self._phase(phase) for phase in PHASES if self.seconds.get(phase)},
            "peaks": {precision_name(dtype): peak for dtype, peak in sorted(peaks.items(), key=str)},
        }

    def _phase(self, phase: Phase) -> dict[str, Any]:
        seconds, flops = self.seconds[phase], self.flops.get(phase, 0.0)
        found: dict[str, Any] = {"seconds": seconds, "share_of_time": seconds / self.total_seconds, "flops": flops}
        if flops:
            found |= {
                "flops_per_image": flops / self.images,
                "flops_per_second": flops / seconds,
                "precision": precision_name(self.peaks.precision(phase)),
                "share_of_peak": flops / seconds / self.peaks.of(phase),
            }
        return found
