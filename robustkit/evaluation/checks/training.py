"""How the weights came about: which split chose them, and whether robustness was lost on the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from robustkit.evaluation.checks.check import Finding, graded, rule, skipped
from robustkit.evaluation.checks.examination import Examination
from robustkit.evaluation.checks.record import TrainingRecord
from robustkit.evaluation.measurement import Accuracy

_NO_RECORD = "there is no record of its training: MODEL is not a results folder"


@rule(
    threshold="chosen by validation examples, or by none",
    advice="Hold validation examples out of the training split, and let only these choose (`evaluation.select_by`).",
    source="AWP#2; Fast-Certified-Robust-Training#3",
)
def test_set_chose_nothing(examined: Examination) -> Finding:
    """Weights that the test split chose look better on it than they are.

    Source: csdongxian/AWP#2, where the authors confirm it. Cost: none.
    """
    if examined.record is None:
        return skipped(_NO_RECORD)
    selection = examined.record.report.get("selection")
    if not isinstance(selection, dict) or "split" not in selection:
        return Finding("fail", "the report does not say which split chose the weights", 1.0)
    split = selection["split"]
    if split in (None, "validation"):
        return Finding("ok", f"chosen by {split or 'no split: the last epoch'}", 0.0)
    return Finding("fail", f"chosen by the {split} split", 1.0)


@rule(
    threshold="every accuracy is its count over the same number of test examples",
    advice="Measure anew with `robustkit evaluate`: report.json was changed, or written by something else.",
    source="Carlini et al. 2019, section 4: report clean accuracy and sample size; auto-attack#45",
)
def report_is_complete(examined: Examination) -> Finding:
    """The run's report: natural accuracy is there, no robust one is above it, and all have one denominator.

    Source: Carlini et al. 2019, section 4; RobustBench#7. Cost: none.
    """
    record = examined.record
    if record is None:
        return skipped(_NO_RECORD)
    found = record.report.get("networks", {}).get(record.network, {})
    total = record.report.get("examples", {}).get("test")
    wrong = [] if "natural" in found else ["natural accuracy is missing"]
    wrong += [] if total else ["the number of test examples is missing"]
    for name, accuracy in found.items():
        wrong += [f"{name}: {text}" for text in _oddities(accuracy, found.get("natural", accuracy), total)]
    text = "; ".join(wrong) or f"{len(found)} accuracies on {total} test examples"
    return graded(len(wrong), text, warn=0, fail=0)


def _oddities(accuracy: Mapping[str, Any], natural: Mapping[str, Any], total: int | None) -> Iterator[str]:
    """What is wrong with one accuracy of a report."""
    keys = ("accuracy", "correct", "examples")
    if any(key not in part for part in (accuracy, natural) for key in keys):
        yield "a count is missing"
        return
    share, correct, examples = (accuracy[key] for key in keys)
    if examples != natural["examples"] or examples > (total or examples):
        yield f"on {examples} examples"
    if abs(share * examples - correct) > 1e-6 * examples:
        yield "not its count"
    if correct > natural["correct"]:
        yield "above natural accuracy"


@rule(
    threshold="at most 3 points below the best epoch, or within the validation sample's interval",
    advice="Stop early: let validation examples choose the epoch (`evaluation.select_by`), or decay less late.",
    source="Rice, Wong, Kolter 2020: Overfitting in adversarially robust deep learning",
)
def no_robust_overfitting(examined: Examination) -> Finding:
    """How far the kept weights' robust validation accuracy is below the best epoch's, for the worst of the attacks.

    Source: Rice, Wong, Kolter: Overfitting in Adversarially Robust Deep Learning, ICML 2020. Cost: none.
    """
    record = examined.record
    if record is None:
        return skipped(_NO_RECORD)
    drops = _drops(record)
    if not drops:
        return skipped("no attack on validation examples was measured in two epochs or more")
    name, (best, kept) = max(drops.items(), key=lambda item: item[1][0] - item[1][1])
    text = f"{name}: {100 * best:.1f} % in its best epoch, {100 * kept:.1f} % in the kept one"
    noise = _half_interval(best, record.validation_examples)
    return graded(best - kept, text, warn=max(0.03, noise), fail=max(0.10, 2 * noise))


def _drops(record: TrainingRecord) -> dict[str, tuple[float, float]]:
    """By attack: the best accuracy up to the end, and that of the last measured epoch up to the kept one."""
    measured = record.validation()
    kept_epoch = record.kept_epoch if record.kept_epoch is not None else max(measured, default=0)
    kept = [epoch for epoch in measured if epoch <= kept_epoch]
    if len(measured) < 2 or not kept:
        return {}
    last = measured[max(kept)]
    return {
        name: (max(found[name] for found in measured.values() if name in found), share)
        for name, share in last.items()
        if name != "natural"
    }


def _half_interval(share: float, examples: int) -> float:
    if not examples:
        return 0.0
    low, high = Accuracy(round(share * examples), examples).interval
    return (high - low) / 2
