"""`estimate` of aggregators that measure before they merge: it says what it leaves out, and how often that is due."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_parts import Invoke

from robustkit.engine.cost import step_cost

SAID = "Not counted: what the aggregator {} measures on validation examples before it merges, at {}."
SETTLING = {
    "{use: soup}": (2, "soup"),  # greedy: at the ends of both epochs
    "{use: soup, choice: uniform}": (0, "soup"),
    "{use: fisher, examples: 3, every_epochs: 2}": (1, "fisher"),
    "{use: learned-mix, start_epoch: 2, attack: {use: fgsm, eps: 0.1}}": (1, "learned-mix"),
    "{use: generalist, mix: {robust: 0.5}, decay: 0.5}": (0, "generalist"),
}


@pytest.fixture(autouse=True)
def _known_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_cost, "convolution_peak", lambda device, dtype: 2e12)


@pytest.mark.parametrize("aggregator", SETTLING)
def test_what_is_left_out_is_named_and_counted(invoke: Invoke, tiny: Path, aggregator: str) -> None:
    times, name = SETTLING[aggregator]
    result = invoke("estimate", tiny, f"aggregator={aggregator}", "--seconds", 0.1)
    assert result.exit_code == 0, result.output
    lines = [line for line in result.stdout.splitlines() if line.startswith("Not counted")]
    assert lines == ([SAID.format(name, "1 moment" if times == 1 else f"{times} moments")] if times else [])


def test_json_has_the_number(invoke: Invoke, tiny: Path) -> None:
    result = invoke("estimate", tiny, "aggregator={use: soup}", "epochs=5", "--seconds", 0.1, "--json")
    assert json.loads(result.stdout)["training"]["settlings_left_out"] == 5
