"""Runs what docs/results.md is made of, collects the figures, and writes the page.

    python -m benchmarks.ledger run --data DIR [--only NAME ...] [--jobs 2]
    python -m benchmarks.ledger write

What is finished is kept and what was interrupted goes on, so `run` can be stopped and given again. `recipes` among the
names are the bundled recipes on the digits, which need no data.
"""

from __future__ import annotations

import argparse

from benchmarks.ledger import collected, page
from benchmarks.ledger.running import run_recipes, run_study
from benchmarks.ledger.studies import STUDIES

SEEDS = (1, 2, 3)


def main() -> None:
    """The command line."""
    names = [collected.RECIPES, *(study.name for study in STUDIES)]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    run = verbs.add_parser("run", help="make the runs that are missing, and collect")
    run.add_argument("--data", help="where Fashion-MNIST lies")
    run.add_argument(
        "--only", nargs="+", choices=names, default=names, metavar="NAME", help=f"some of {', '.join(names)}"
    )
    run.add_argument("--jobs", type=int, default=1)
    run.add_argument("--collect-only", action="store_true", help="run nothing, collect what is there")
    verbs.add_parser("write", help="write docs/results.md")
    options = parser.parse_args()
    if options.verb == "write":
        page.write()
        return
    studies = [study for study in STUDIES if study.name in options.only]
    if studies and options.data is None and not options.collect_only:
        parser.error("--data: where is Fashion-MNIST?")
    if collected.RECIPES in options.only:
        if not options.collect_only:
            run_recipes(SEEDS, options.jobs)
        collected.collect_recipes()
    for study in studies:
        if not options.collect_only:
            run_study(study, options.data, options.jobs)
        collected.collect(study)


if __name__ == "__main__":
    main()
