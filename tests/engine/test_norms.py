"""Figures by norm: worst cases counted example by example, their mean, and what is left out where it would be wrong."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from robustkit_attacks import PGD, Noise

from robustkit import TensorExamples, evaluate
from robustkit.evaluation.measurement import Accuracy, Average, Measurement
from robustkit.evaluation.norms import LEFT_OUT, figures, norm_report, norm_text
from robustkit.recipe.manner import Manner
from robustkit.testing import tiny_batch, tiny_model

ATTACKS = {
    "linf": PGD(eps=0.02, steps=2),
    "l2": PGD(eps=0.3, norm="L2", steps=2),
    "noise": Noise(eps=0.05),
    "l1": PGD(eps=3.0, norm="L1", steps=2),
}
ROWS = st.lists(st.tuples(*[st.booleans()] * 5), min_size=1, max_size=40)


def measured(rows, norms):
    natural, *columns = (torch.tensor(column) for column in zip(*rows, strict=True))
    attacked = {name: natural & column for name, column in zip("abcd", columns, strict=True)}
    return Measurement(natural, attacked, norms=norms)


@settings(deadline=None)
@given(ROWS)
def test_every_figure_is_counted_example_by_example(rows):
    found = measured(rows, {"a": "Linf", "b": "L2", "c": "Linf"}).by_norm()  # d has no norm
    linf, l2 = ([row[0] and all(row[place] for place in places) for row in rows] for places in ((1, 3), (2,)))
    assert list(found) == ["Linf", "L2", "average"]
    assert (found["Linf"], found["L2"]) == (Accuracy(sum(linf), len(rows)), Accuracy(sum(l2), len(rows)))
    means = [(one + other) / 2 for one, other in zip(linf, l2, strict=True)]
    assert found["average"].share == pytest.approx(math.fsum(means) / len(rows))
    union = measured(rows, {}).accuracies()["worst-case"].share
    assert union <= min(found["Linf"].share, found["L2"].share) <= found["average"].share


@settings(deadline=None)
@given(ROWS)
def test_the_average_has_no_narrower_interval_than_its_own_spread_gives(rows):
    """Beside Wilson's formula with the variance that the examples' means really have."""
    found = measured(rows, {"a": "Linf", "b": "L2", "c": "L1"}).by_norm()["average"]
    means = torch.tensor([[row[0] and row[place] for place in (1, 2, 3)] for row in rows]).double().mean(1)
    n, z, share = len(rows), 1.959963984540054, float(means.mean())
    low, high = found.interval
    assert 0.0 <= low <= found.share <= high <= 1.0
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    variance = float(((means - share) ** 2).mean())
    half = z / (1 + z * z / n) * math.sqrt(variance / n + z * z / (4 * n * n))
    assert low <= centre - half + 1e-9
    assert high >= centre + half - 1e-9


def test_averages_by_hand():
    found = Average((Accuracy(50, 100), Accuracy(30, 100)))
    assert str(found) == "40.0 % (30.9-49.8)"  # as 40 of 100
    assert found.plain() == {"accuracy": 0.4, "examples": 100, "interval": list(Accuracy(40, 100).interval)}


@pytest.mark.parametrize("norms", [{}, {"a": "L2"}, dict.fromkeys("abcd", "Linf")])
def test_one_norm_alone_changes_nothing(norms):
    found = measured([(True, True, False, True, True)], norms)
    assert found.by_norm() == {}
    assert "norm" not in repr(found)


class TestAnEvaluation:
    @pytest.fixture(scope="class")
    @staticmethod
    def found():
        return {drop: TestAnEvaluation.measured(Manner(drop_broken=drop)) for drop in (False, True)}

    @staticmethod
    def measured(manner):
        images, _ = tiny_batch(20)
        model = tiny_model().eval()
        with torch.no_grad():
            labels = model(images).argmax(1)
        return evaluate(model, TensorExamples(images, labels, tuple("0123456789")), ATTACKS, manner=manner)

    def test_attacks_are_grouped_by_their_budgets(self, found):
        report = norm_report(ATTACKS, Manner(), {"global": found[False]})["norms"]["global"]
        assert list(report) == ["Linf", "L2", "L1", "average"]
        assert report["Linf"]["attacks"] == ["linf", "noise"]
        attacked = found[False].attacked
        assert report["Linf"]["correct"] == int((attacked["linf"] & attacked["noise"]).sum())
        assert report["L2"] == Accuracy(int(attacked["l2"].sum()), 20).plain() | {"attacks": ["l2"]}
        thirds = [report[norm]["accuracy"] for norm in ("Linf", "L2", "L1")]
        assert report["average"]["accuracy"] == pytest.approx(sum(thirds) / 3)
        assert "average of norms: " in repr(found[False])

    def test_cumulative_figures_are_left_out_and_it_is_said_why(self, found):
        assert found[True].by_norm() == {}
        report = norm_report(ATTACKS, Manner(drop_broken=True), {"global": found[True]})
        assert report == {"norms_left_out": LEFT_OUT}
        assert norm_text(report).startswith("No figures by norm: broken examples were dropped")

    def test_tables_have_norms_behind_attacks_and_the_union_last(self, found):
        report = {"networks": {"global": found[False].plain()}}
        report |= norm_report(ATTACKS, Manner(), {"global": found[False]})
        by_norm = [f"worst-case {norm}" for norm in ("Linf", "L2", "L1")]
        assert list(figures(report, "global")) == ["natural", *ATTACKS, *by_norm, "average of norms", "worst-case"]

    def test_one_norm_adds_nothing_to_a_report(self, found):
        linf = {name: ATTACKS[name] for name in ("linf", "noise")}
        for manner in (Manner(), Manner(drop_broken=True)):
            assert norm_report(linf, manner, {"global": found[False]}) == {}
