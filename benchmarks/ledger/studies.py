"""What is run for docs/results.md, and why."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FASHION = "benchmarks/fashion-mnist/generalist.yaml"
VALIDATED_ONCE = "evaluation.every_epochs=16"
"""The validation examples choose nothing here."""
SMALLER = (VALIDATED_ONCE, "train_examples=2500", "evaluation.test_examples=1000")
"""Ablations of many rows: half the training and test examples."""
EPS = 0.1
"""The radius in Linf of everything on Fashion-MNIST."""


@dataclass(frozen=True)
class Study:
    """A sweep, of which the first row is what the others are compared with."""

    name: str
    """Of the sweep, and of its folder and its file of figures."""
    title: str
    sweep: str
    """The sweep's file."""
    question: str
    """What it asks, and what is published of it."""
    finding: str
    """What its figures say."""
    base: str | None = FASHION
    """The recipe that is varied instead of the sweep file's own."""
    words: tuple[str, ...] = (VALIDATED_ONCE,)
    """Further changes of the base."""
    autoattack: bool = False
    """Whether the global networks are attacked by AutoAttack, too."""
    frontier: str | None = None
    """The run whose learners are mixed in all proportions."""

    def command(self, data: str, *more: str) -> list[str]:
        """`robustkit sweep ...`, but for the program's name."""
        base = ["--base", self.base] if self.base else []
        return ["sweep", self.sweep, *base, f"dataset.root={data}", *self.words, *more]


STUDIES = (
    Study(
        "equal-cost",
        "Natural or robust, at equal training cost",
        "benchmarks/fashion-mnist/equal-cost.yaml",
        "Which of the methods is best where all may spend the same? Published for ResNet-18 on CIFAR-10, which is "
        "another network on other data: Generalist 89.09 natural and 46.07 AutoAttack accuracy, PGD-AT 82.78 and "
        "44.63, TRADES 82.41 and 48.37.",
        "No variant of Generalist dominates here, so none replaces the described schedule as what "
        "`recipes/generalist.yaml` does. PGD-AT with averaged weights lies at or above `generalist` and "
        "`generalist-released` in both accuracies, and joint training on both losses has more natural accuracy than "
        "any of them at about the robust accuracy of `generalist`. `generalist-early-mix` gains natural accuracy "
        "over `generalist` beyond chance, and pays several times as much in robust accuracy. So the published "
        "advantage does not show with a small network, 5,000 images and 16 epochs; the full run that it is "
        "published for takes a GPU and was not made.",
        base=None,
        autoattack=True,
        frontier="generalist-early-mix_seed-1",
    ),
    Study(
        "figure-4a",
        "Which learner's weights are averaged",
        "recipes/sweeps/figure-4a.yaml",
        "Figure 4a of the paper, as described: averaging both learners' weights improves the global learner further; "
        "averaging the natural one's alone lets natural accuracy rise while robustness falls.",
        "The published trend does not show here: which of the learners is averaged changes neither accuracy by more "
        "than chance. With this schedule the global learner is itself a moving average, and is dealt out while it "
        "holds the robust learner alone, so little of an average of the natural one is left in it.",
    ),
    Study(
        "optimizers",
        "An optimizer for each learner",
        "recipes/sweeps/optimizers.yaml",
        "The paper lets each learner have its own optimizer; no figures of that section were at hand.",
        "No optimizer is better than SGD for both by more than chance. With the published shape of the mix the "
        "natural learner is overwritten by the robust one before it counts, so what its own optimizer did can "
        "hardly show in the global learner; three seeds would not show less than a point or two.",
        words=SMALLER,
    ),
    Study(
        "start-and-interval",
        "When the global learner is dealt out: t' and c",
        "recipes/sweeps/start-and-interval.yaml",
        "The paper says that dealing it out from the start misleads training.",
        "The trend holds as far as it can be seen, and it is small: at c = 1 a later start has a higher mean in "
        "both accuracies, beyond chance for the robust one of the latest start. Dealing out less often has the "
        "higher natural mean at every start. Late and seldom together give natural for robust accuracy, as the mix "
        "has then fallen while learners still differ.",
        words=SMALLER,
    ),
    Study(
        "mix",
        "The mix over the epochs",
        "recipes/sweeps/mix.yaml",
        "The robust learner's share, published as 1 until the first hand-outs are over and 0.4 in the end.",
        "The share moves the global learner along the trade-off in the expected direction, at a poor rate: where it "
        "falls earlier or lower, natural accuracy rises and robust accuracy falls by several times as much. The "
        "published shape keeps the most robustness. By the time that its share falls both learners have been "
        "overwritten with the same weights, while a constant share from the start mixes learners that have grown "
        "apart.",
        words=SMALLER,
    ),
)

PUBLISHED = {
    "generalist-cifar10": "89.09 / 50.01 / 46.07",
    "generalist-released": "89.09 / 50.01 / 46.07",
    "generalist": "89.09 / 50.01 / 46.07",
    "generalist-natural-linf": "89.09 / 50.01 / 46.07",
    "generalist-linf-l2": "86.94 / 50.46 / 46.24",
    "pgd-at": "82.78 / 51.30 / 44.63",
    "trades": "82.41 / 52.76 / 48.37",
    "mart": "80.70 / 54.02 / 47.49",
    "fat": "87.72 / 46.69 / 43.14",
}
"""Natural, PGD-20 and AutoAttack accuracy in percent of ResNet-18 on CIFAR-10, eps 8/255, as transcribed by a third
party (Generalist++, arXiv 2510.13361, tables I and II)."""
RECIPES = ROOT / "recipes"
MEASURED = Path(__file__).with_name("measured")
RUNS = ROOT / "runs" / "ledger"
