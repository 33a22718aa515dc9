"""How fast robustkit is, measured side by side with what it is compared with; docs/benchmarks.md is made from it.

    python -m benchmarks step overhead          one or more programs, or `all`
    python -m benchmarks attack --data DIR      the trained network is one of Fashion-MNIST, not of the digits
    python -m benchmarks all --quick            do they work? seconds each, and figures that mean nothing
    python -m benchmarks --write                docs/benchmarks.md from the results that are there

Each program runs in a process of its own and writes benchmarks/results/PROGRAM.json (with --quick it only prints). Run
them on a machine that does nothing else. The programs:
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import torch

from benchmarks import machine, page, results
from benchmarks.cases import CASES
from benchmarks.options import Options
from benchmarks.rounds import said

ROOT = Path(__file__).resolve().parents[1]


def main(words: list[str] | None = None) -> None:
    """The command."""
    words = sys.argv[1:] if words is None else words
    parser = _parser()
    given = parser.parse_args(words)
    names = list(results.PROGRAMS) if "all" in given.programs else given.programs
    if not names and not given.write:
        parser.error("name a program, or --write")
    options = Options(given.quick, given.data, given.rounds, given.threads, given.device, tuple(given.networks))
    for name in names:
        if len(names) == 1:
            measure(name, options)
        else:
            others = [word for word in words if word not in (*given.programs, "--write")]
            subprocess.run([sys.executable, "-m", "benchmarks", name, *others], check=True, cwd=ROOT)
    if given.write:
        page.write()


def measure(name: str, options: Options) -> None:
    """Run one program; keep its result, or print it where it is only a trial."""
    torch.set_num_threads(options.threads)
    found = machine.facts(options.threads, options.device)
    if not options.quick:
        said("touching memory")
        machine.touch_memory()
    started = time.perf_counter()
    result = import_module(f"benchmarks.programs.{name}").measure(options)
    record = results.Record(name, found, options, time.perf_counter() - started, result)
    if options.quick:
        print("\n\n".join(page.section(record)))
    else:
        said(f"written: {record.save().relative_to(ROOT)}")


def _parser() -> argparse.ArgumentParser:
    listed = "\n".join(f"    {name:<12}{summary}" for name, summary in results.summaries().items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=f"{__doc__}\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("programs", nargs="*", choices=[*results.PROGRAMS, "all", []], metavar="PROGRAM")
    parser.add_argument("--write", action="store_true", help="make docs/benchmarks.md from benchmarks/results")
    parser.add_argument("--quick", action="store_true", help="tiny sizes; prints and keeps nothing")
    parser.add_argument("--data", type=Path, metavar="DIR", help="holds fashion-mnist/train.npz and test.npz")
    parser.add_argument("--rounds", type=int, metavar="N", help="instead of each program's own number")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), metavar="N", help="CPU threads")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    networks = Options.networks
    parser.add_argument(
        "--networks", nargs="+", choices=sorted(CASES), default=networks, help=f"by default {' '.join(networks)}"
    )
    return parser


if __name__ == "__main__":
    main()
