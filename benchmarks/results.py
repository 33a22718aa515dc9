"""What was measured, as files that are committed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.options import Options

FOLDER = Path(__file__).with_name("results")
PROGRAMS = (
    "step",
    "accuracy",
    "overhead",
    "attack",
    "strength",
    "levers",
    "peak",
    "evaluation",
    "scaling",
    "estimates",
)
"""In the order of the page."""


def summaries() -> dict[str, str]:
    """The first line of what each program says of itself."""
    modules = {name: import_module(f"benchmarks.programs.{name}") for name in PROGRAMS}
    return {name: str(module.__doc__).split("\n")[0] for name, module in modules.items()}


@dataclass(frozen=True)
class Record:
    """One program's result, with the circumstances."""

    program: str
    machine: dict[str, Any]
    options: Options
    seconds: float
    result: dict[str, Any]

    @property
    def command(self) -> str:
        """What measured it."""
        options = self.options
        words = ["python -m benchmarks", self.program]
        words += ["--data DIR"] if options.data else []
        words += [f"--rounds {options.rounds}"] if options.rounds else []
        words += [f"--device {options.device}"] if options.device != Options.device else []
        words += [f"--networks {' '.join(options.networks)}"] if options.networks != Options.networks else []
        return " ".join(words)

    def save(self) -> Path:
        """Write it beside the others; an earlier one of this program and device goes."""
        suffix = "" if self.options.device == "cpu" else "-cuda"
        file = FOLDER / f"{self.program}{suffix}.json"
        options = {
            "data": "fashion-mnist" if self.options.data else None,  # not where it lies
            "rounds": self.options.rounds,
            "device": self.options.device,
            "networks": list(self.options.networks),
        }
        whole = {
            "program": self.program,
            "machine": self.machine,
            "options": options,
            "seconds": round(self.seconds),
            "result": rounded(self.result),
        }
        FOLDER.mkdir(exist_ok=True)
        file.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
        return file


def load(file: Path) -> Record:
    """A record from its file."""
    found = json.loads(file.read_text(encoding="utf-8"))
    options = found["options"]
    return Record(
        found["program"],
        found["machine"],
        Options(
            data=Path(options["data"]) if options["data"] else None,
            rounds=options["rounds"],
            threads=found["machine"]["threads"],
            device=options["device"],
            networks=tuple(options["networks"]),
        ),
        found["seconds"],
        found["result"],
    )


def all_records() -> list[Record]:
    """Whatever was measured: in the order of the programs, the CPU first."""
    files = [FOLDER / f"{name}{suffix}.json" for name in PROGRAMS for suffix in ("", "-cuda")]
    return [load(file) for file in files if file.is_file()]


def rounded(value: Any) -> Any:
    """Floats with six digits, which is more than any of them is worth."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {name: rounded(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return value
