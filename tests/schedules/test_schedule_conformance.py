"""The bundled schedules keep what the engine expects of every schedule."""

from __future__ import annotations

import pytest
from robustkit_schedules import Cosine, OneCycle, Steps, WarmUp

from robustkit import Schedule
from robustkit.testing import ScheduleSuite

SCHEDULES = [
    Steps(start=0.1, milestones=(4, 8)),
    Steps(start=-2.0, milestones=(10,), factor=3.0),
    Cosine(start=0.1),
    Cosine(start=0.1, end=0.3, every_batch=False),
    OneCycle(peak=0.2),
    OneCycle(peak=0.2, start=0.0, end=0.0, peak_at=0.4, shape="linear", every_batch=False),
    OneCycle(peak=0.2, peak_at=0.0),
    OneCycle(peak=0.2, peak_at=1.0),
    WarmUp(epochs=2.5, then=0.1),
    WarmUp(epochs=3, then=Cosine(start=0.1), start=0.5),
    WarmUp(epochs=10, then=Steps(start=1.0, milestones=(5, 10))),
    WarmUp(epochs=1, then=WarmUp(epochs=2, then=1.0)),
]


class TestSchedules(ScheduleSuite):
    @pytest.fixture(autouse=True, params=SCHEDULES, ids=repr)
    def configure(self, request: pytest.FixtureRequest) -> None:
        self.schedule: Schedule = request.param
