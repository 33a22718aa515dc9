"""docs/results.md, made from benchmarks/ledger/measured."""

from __future__ import annotations

import shlex
from typing import Any

from benchmarks.ledger import collected
from benchmarks.ledger.rows import Row, difference, rows
from benchmarks.ledger.running import ATTACKED, digits_recipes
from benchmarks.ledger.studies import PUBLISHED, RECIPES, ROOT, STUDIES, Study
from benchmarks.tables import table

PAGE = ROOT / "docs" / "results.md"
HEAD = (
    "# Results",
    "Written by `python -m benchmarks.ledger write` from `benchmarks/ledger/measured/*.json`, which `python -m "
    "benchmarks.ledger run --data DIR` collects from the folders of the runs that it makes; nobody typed a "
    "measured figure. Accuracies are those of the global learner, in percent of test examples: mean and sample "
    "standard deviation over seeds. The weights are those of the last epoch; no split chose them. Robust accuracy "
    "is an upper bound: a stronger attack may lower it.",
)


def write() -> None:
    """Write the page."""
    PAGE.write_text(text(), encoding="utf-8")


def text() -> str:
    """The page."""
    parts = [*HEAD, *_recipes()]
    for study in STUDIES:
        parts += [*_study(study), *(_frontier(study.frontier) if study.frontier else [])]
    return "\n\n".join(parts) + "\n"


def _study(study: Study) -> list[str]:
    found = collected.load(study.name)
    if found is None:
        return [f"## {study.title}", study.question, "Not run."]
    methods = rows(found["runs"], found["changes"])
    command = shlex.join(["robustkit", *study.command("DIR", "--jobs", "2")])
    attacked = ", and AutoAttack by `robustkit evaluate`" if study.autoattack else ""
    return [
        f"## {study.title}",
        study.question,
        _table(methods),
        f"```{{robustkit-figure}} draw_results {study.name}\n:alt: Natural against robust accuracy of each row\n"
        "Natural against robust accuracy; bars are sample standard deviations over the seeds.\n```",
        study.finding,
        _differences(methods),
        "What each row changes in the base recipe:\n\n" + "\n".join(_changes(found["changes"])),
        f"{_circumstances(found)} `{command}`{attacked}.",
    ]


def _frontier(run: str) -> list[str]:
    """All mixes of one run's learners."""
    found = collected.load(collected.FRONTIER)
    if found is None:
        return []
    mixes = found["curves"]["mix"]["mixes"]
    accuracies = list(mixes[0]["accuracies"])
    lines = [
        [f"{mix['shares']['robust']:.1f}", *(_with_interval(mix["accuracies"][name]) for name in accuracies)]
        for mix in mixes
    ]
    return [
        "### The whole frontier from one run",
        f"Mixes of the two learners of `{run}` in all proportions, on its validation examples, by `robustkit mix RUN`: "
        "one training run, and the trade-off is chosen after it. `robustkit export` writes the one that is chosen.",
        "```{robustkit-figure} draw_frontier\n:alt: Natural against robust accuracy of the mixes\n"
        "Natural against robust accuracy of the mixes, and of the run's own global learner.\n```",
        table(["share of the robust learner", *accuracies], lines),
    ]


def _with_interval(accuracy: dict[str, Any]) -> str:
    low, high = accuracy["interval"]
    return f"{100 * accuracy['accuracy']:.1f} ({100 * low:.1f}-{100 * high:.1f})"


def _table(methods: list[Row]) -> str:
    accuracies = list(next(iter(methods[0].seeds.values())))
    seeds = ", ".join(map(str, methods[0].seeds))
    lines = [[f"`{row.name}`", *(row.cell(name) for name in accuracies)] for row in methods]
    return table(["row", *accuracies], lines) + f"\n\nSeeds {seeds}."


def _differences(methods: list[Row]) -> str:
    """Every row against the first, and which differences are more than chance."""
    base, robust = methods[0], methods[0].strongest
    lines = []
    for row in methods[1:]:
        apart = {name: difference(row, base, name) for name in ("natural", robust)}
        beyond = [name for name, found in apart.items() if found.beyond_chance]
        verdict = f"beyond chance: {' and '.join(beyond)}" if beyond else "within chance"
        lines.append([f"`{row.name}`", *map(str, apart.values()), verdict])
    head = [f"against `{base.name}`, points", "natural", robust, "verdict"]
    return (
        table(head, lines) + "\n\nMean difference seed by seed, with its 95 % interval (Student's t). "
        "Of twenty such intervals one is expected to leave 0 out by chance alone."
    )


def _changes(changes: dict[str, list[str]]) -> list[str]:
    return [f"- `{name}`: {', '.join(f'`{word}`' for word in words) or 'nothing'}" for name, words in changes.items()]


def _circumstances(found: dict[str, Any]) -> str:
    examples, runs = found["examples"], found["runs"]
    hours = sum(run["training_seconds"] for run in runs) / 3600
    attacks = {name: attack for run in runs for name, attack in run["attacks"].items()}
    precision = " and ".join(sorted({run["computed_in"] for run in runs}))
    return (
        f"{examples['train']:,} training, {examples['validation']:,} validation, {examples['test']:,} test examples; "
        f"{'; '.join(f'`{name}` is {_plainly(attack)}' for name, attack in attacks.items())}. Trained in {precision}, "
        f"measured in float32; {hours:.1f} hours of training in all, one thread a run. "
        f"{found['machine']}"
    )


def _plainly(attack: dict[str, Any]) -> str:
    steps = f", {attack['steps']} steps" if "steps" in attack else ""
    examples = f", on the first {ATTACKED} test examples" if attack["use"] == "autoattack" else ""
    return f"{attack['use']} in {attack.get('norm', 'Linf')}, eps {attack['eps']:g}{steps}{examples}"


def _recipes() -> list[str]:
    """Every bundled recipe: what it gave here, beside what is published, or that it was not run."""
    found = collected.load(collected.RECIPES)
    methods = {row.name: row for row in rows(found["runs"])} if found else {}
    on_digits = digits_recipes()
    lines = []
    for name in sorted(file.stem for file in RECIPES.glob("*.yaml")):
        row = methods.get(name)
        status = "scaled-down" if row else "not run" if name in on_digits else "not run: takes a GPU"
        if name == "evaluate-full":
            continue
        lines.append(
            [
                f"`{name}`",
                str(len(row.seeds)) if row else "",
                row.cell("natural") if row else "",
                row.cell(row.strongest) if row else "",
                PUBLISHED.get(name, ""),
                status,
            ]
        )
    head = ["recipe", "seeds", "natural", "worst case", "published", "status"]
    return [
        "## Every recipe",
        "Each by `robustkit run NAME seed=S threads=1`. What is published are natural, PGD-20 and AutoAttack "
        "accuracy of ResNet-18 on CIFAR-10 in Linf with eps 8/255, as a third party transcribed them "
        "(Generalist++, arXiv 2510.13361, tables I and II). The recipes run here train small networks on the "
        "digits in seconds: *scaled-down* means that the method is the same and the task is not, so the figures "
        "are to be compared only with each other, and where the attacks are the same. Worst case is over the "
        "attacks that the recipe names: PGD, in several norms where it is about several.",
        table(head, lines),
        *([_recipes_circumstances(found)] if found else []),
    ]


def _recipes_circumstances(found: dict[str, Any]) -> str:
    hours = sum(run["training_seconds"] for run in found["runs"]) / 3600
    return f"{hours:.1f} hours of training in all, one thread a run. {found['machine']}"
