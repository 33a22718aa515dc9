"""docs/benchmarks.md, made from the results."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from benchmarks import machine, results
from benchmarks.results import Record

PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
HEAD = (
    "# Benchmarks",
    "Written by `python -m benchmarks --write` from `benchmarks/results/*.json`, which `python -m benchmarks PROGRAM` "
    "measures; nobody typed a figure. Contestants take turns, in one process or, where they change what is the whole "
    "process's, in several. A ratio is taken within each round; its median stands with its quartiles behind it. Ratios "
    "carry over between machines of one kind, seconds do not.",
    "To repeat it, install the libraries that are measured beside robustkit with `pip install -e '.[benchmarks]'` and "
    "`pip install --no-deps torchattacks==3.5.1`, leave the machine alone, and give the commands below.",
)
WITHOUT_TILES = (
    "**This processor multiplies bfloat16 numbers, but has no AMX.** The default precision of attacks and training "
    "passes is bfloat16 here too; it gains much less than on a processor with AMX, or on a GPU, where one instruction "
    "multiplies whole tiles of them. Read what is said of bfloat16 below with that in mind."
)
WITHOUT_BFLOAT16 = (
    "**This processor does not multiply bfloat16 numbers.** The default precision is therefore float32 here; on a "
    "processor with AMX or on a GPU it is bfloat16, which is much faster."
)


def write() -> None:
    """Write the page."""
    PAGE.write_text(text(), encoding="utf-8")


def text() -> str:
    """The page."""
    records = results.all_records()
    parts = [*HEAD]
    for record in records:
        parts += section(record, parts)
    measured = {record.program for record in records}
    absent = [f"`{name}`" for name in results.PROGRAMS if name not in measured]
    if absent:
        parts.append(f"Not measured yet: {', '.join(absent)}.")
    return "\n\n".join(parts) + "\n"


def section(record: Record, before: Sequence[str] = ()) -> list[str]:
    """A program's part, with the machine and the command at its end; a caveat stands where it comes first only."""
    module = import_module(f"benchmarks.programs.{record.program}")
    where = "" if record.machine["device"] == "cpu" else f", on one {record.machine['device']}"
    return [
        f"## {module.TITLE}{where}",
        *(caveat for caveat in _caveats(record) if caveat not in before),
        *module.section(record.result),
        f"`{record.command}`, {record.seconds / 60:.0f} minutes. {machine.in_words(record.machine)}",
    ]


def _caveats(record: Record) -> list[str]:
    features = record.machine["features"]
    if record.machine["device"] != "cpu" or "amx_bf16" in features:
        return []
    return [WITHOUT_TILES if {"avx512_bf16", "bf16"} & set(features) else WITHOUT_BFLOAT16]
