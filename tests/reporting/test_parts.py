"""What a page is put together from, on values made by hand."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from report_parts import Page, changed

from robustkit.curves.eps_curve import EpsCurve
from robustkit.evaluation.measurement import Accuracy
from robustkit.evaluation.outcome import Outcome, Record
from robustkit.reporting import quantities
from robustkit.reporting.drawing.class_plot import draw_classes
from robustkit.reporting.drawing.confusion_plot import draw_confusion
from robustkit.reporting.drawing.names import drawable
from robustkit.reporting.drawing.survivor_plot import draw_margins
from robustkit.reporting.pictures import amplification, amplified, picture
from robustkit.reporting.plots import plot
from robustkit.reporting.sections.classes import by_class, standing
from robustkit.reporting.sections.failures import fates
from robustkit.reporting.sections.gallery import selection
from robustkit.reporting.sections.threats import flat


def _outcome(predictions: list[int]) -> Outcome:
    size = len(predictions)
    return Outcome(torch.tensor(predictions), torch.zeros(size), torch.zeros(size), torch.zeros(size))


@pytest.fixture
def record() -> Record:
    """Six examples of classes 0, 1, 1, 2, 2, 2: the last is wrong when clean, a breaks the second, b that and 3, 4."""
    labels = torch.tensor([0, 1, 1, 2, 2, 2])
    outcomes = {
        "natural": _outcome([0, 1, 1, 2, 2, 0]),
        "a": _outcome([0, 0, 1, 2, 2, -1]),
        "b": _outcome([0, 2, 1, 0, 1, -1]),
    }
    worst = _outcome([0, 0, 1, 0, 1, 0])
    return Record(torch.arange(6), labels, outcomes, worst, torch.tensor([-1, 0, -1, 1, 1, -1]))


def test_fates_of_examples(record: Record) -> None:
    assert list(fates(record).values()) == [1, 1, 2, 2]
    assert list(fates(record)) == ["wrong on the clean image", "a", "b", "right under every attack"]
    assert standing(record).tolist() == [True, False, True, False, False, False]
    found = by_class(standing(record), record.labels)
    assert {number: (held.correct, held.examples) for number, held in found.items()} == {
        0: (1, 1),
        1: (1, 2),
        2: (0, 3),
    }


def test_examples_shown_are_the_first_of_each_class(record: Record) -> None:
    assert selection(record).tolist() == [1, 3, 0, 2]


@settings(max_examples=40)
@given(st.floats(1e-5, 1.0), st.integers(0, 10))
def test_perturbations_fill_the_range_but_never_leave_it(largest: float, seed: int) -> None:
    delta = (torch.rand(2, 1, 4, 4, generator=torch.Generator().manual_seed(seed)) - 0.5) * 2
    delta = delta / delta.abs().max() * largest
    factor = amplification(delta)
    reach = float((amplified(delta, factor) - 0.5).abs().max())
    assert 0.45 <= reach <= 0.5 + 1e-6
    assert float(f"{factor:.2g}") == pytest.approx(factor)


def test_factors_by_hand() -> None:
    assert amplification(torch.tensor([0.3, -0.1])) == pytest.approx(1.6)
    assert amplification(torch.tensor([8 / 255])) == pytest.approx(15)
    assert amplification(torch.zeros(3)) == 1


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_hold_the_pixels(channels: int) -> None:
    pixels = torch.rand(channels, 8, 6, generator=torch.Generator().manual_seed(1))
    (held,) = Page(picture(pixels, "eight rows")).images
    assert held["alt"] == "eight rows"
    image = Image.open(io.BytesIO(base64.b64decode(held["src"].partition(",")[2])))
    assert (image.width, image.height) == (int(held["width"]), int(held["height"])) == (66, 88)
    shown = np.asarray(image).reshape(88, 66, channels)[5::11, 5::11]
    expected = (pixels * 255).round().permute(1, 2, 0).numpy()
    assert np.array_equal(shown, expected)


def test_quantities() -> None:
    given = [8 / 255, 0.3, 0.2, 1.0, 0.0, 0.0313, 1 / 3]
    assert [quantities.radius(value) for value in given] == ["8/255", "0.3", "0.2", "1", "0", "0.0313", "0.333333"]
    assert [quantities.number(value) for value in (True, None, 20, "best")] == ["true", "none", "20", "best"]
    assert quantities.p_value(0.0123) == "0.012"
    assert quantities.p_value(0.0002) == "< 0.001"
    assert [quantities.seconds(value) for value in (0.414, 42.04, 1260.2)] == ["0.41", "42.0", "1,260"]


def test_settings_are_flat_and_complete() -> None:
    attack = {"use": "eot", "attack": {"use": "pgd", "eps": 8 / 255}, "parts": [{"use": "fab"}, {"steps": 5}], "x": []}
    assert list(flat(attack)) == [
        ("use", "eot"),
        ("attack", "pgd"),
        ("attack.eps", "8/255"),
        ("parts[0]", "fab"),
        ("parts[1].steps", "5"),
        ("x", "none"),
    ]


def test_plots_keep_their_names_apart_and_follow_the_theme() -> None:
    names = ["$\\frac{", "a\nb", "<script>", "x" * 80]
    counts = torch.tensor([[0, 3, 0, 1], [0, 0, 0, 0], [5, 0, 0, 0], [0, 0, 2, 0]])
    series = {"$x_{": [Accuracy(1, 2), None, Accuracy(0, 3), Accuracy(3, 3)]}
    figures = [draw_confusion(counts, names), draw_classes(names, series, "accuracy")]
    norms = torch.tensor([0.5, 1.0])
    figures.append(draw_margins(norms, torch.empty(0), torch.empty(0), eps=1.0))
    figures.append(draw_margins(norms, norms, norms, eps=None))
    assert [len(figure.axes) for figure in figures[-2:]] == [1, 2]
    parts = [plot(figure, f"Figure {number}") for number, figure in enumerate(figures)]
    page = Page("".join(parts))
    assert len(page.ids) == len(set(page.ids)) > 20
    assert all(link[1:] in page.ids for link in page.links if link[0] == "#")
    assert "http" not in "".join(parts)
    assert "#222222" not in "".join(parts)
    assert "var(--ink)" in parts[0]
    assert "<!--" not in parts[0]
    assert "script" not in page.tags
    assert drawable("x" * 80, 11) == "xxxxx…xxxxx"
    assert re.search(r"--wide: 44\.00rem", parts[1])


def _doctor(attacks: Mapping[str, Any]) -> dict[str, Any]:
    check = {"threshold": "no <example>", "advice": "Use `square`.", "source": "Carlini et al. 2019"}
    checks = [
        {**check, "name": "first-check", "status": "ok", "text": "all is well"},
        {**check, "name": "second-check", "status": "fail", "text": "7 of 9 examples"},
    ]
    return {"status": "fail", "badge": "B", "examples": 9, "checks": checks, "caution": "No proof.", "attacks": attacks}


def test_checks_and_curves_in_the_folder_are_in_the_page(run: Path, page_of: Callable[..., Page]) -> None:
    attacks = json.loads((run / "report.json").read_text(encoding="utf-8"))["attacks"]
    (run / "doctor.json").write_text(json.dumps(_doctor(attacks)), encoding="utf-8")
    found = (Accuracy(9, 9), Accuracy(4, 9))
    curve = EpsCurve({"use": "pgd", "eps": 0.2}, "Linf", 0.2, 1.0, (0.0, 0.2), found, found).plain()
    (run / "curves").mkdir()
    (run / "curves" / "eps.json").write_text(
        json.dumps({"curves": {"global": curve, "robust": curve}}), encoding="utf-8"
    )
    page = page_of(run)
    assert page.table("did not pass").rows[1] == [
        "second-check",
        "fail",
        "7 of 9 examplesUse square.",
        "no <example>Carlini et al. 2019",
    ]
    assert page.table("Checks that passed").rows[1][:3] == ["first-check", "ok", "all is well"]
    assert "1 failed" in page.text
    assert "Accuracy over eps on 9 examples" in page.text
    assert "other attacks than those of this page" not in page.text
    changed(run / "doctor.json", lambda doctor: doctor["attacks"]["noise"].update(eps=0.5))
    assert "other attacks than those of this page" in page_of(run).text
