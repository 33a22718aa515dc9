"""Plots: well-formed, self-contained, always the same."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from typing import Any

import matplotlib
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from robustkit import (
    Accuracy,
    EpsCurve,
    LossSurface,
    Mix,
    MixPath,
    StepsCurve,
    Trace,
    TradeOff,
    draw_eps_curve,
    draw_loss_surface,
    draw_mix_path,
    draw_steps_curve,
    draw_trade_off,
    svg,
)
from robustkit.curves.mixing import simplex
from robustkit.reporting.drawing.style import colours_of, png, spread


def eps(correct: tuple[int, ...] = (9, 7, 3, 0), values: tuple[float, ...] = (0.0, 0.1, 0.2, 1.0)) -> EpsCurve:
    found = tuple(Accuracy(count, 10) for count in correct)
    return EpsCurve(
        {"use": "pgd", "eps": 0.1},
        "Linf",
        0.1,
        1.0,
        values,
        found,
        tuple(min(found[: n + 1], key=lambda a: a.correct) for n in range(len(found))),
    )


def steps() -> StepsCurve:
    return StepsCurve({"use": "pgd"}, 2, (1, 2, 4), tuple(Accuracy(n, 10) for n in (8, 5, 4)), Accuracy(9, 10))


def surface(direction: Any = "attack") -> LossSurface:
    margin = torch.linspace(-1, 1, 25).view(5, 5)
    ball = ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0), (1.0, 0.0))
    at = 1.0 if direction == "attack" else None
    return LossSurface(
        {"use": "pgd"}, "Linf", 0.1, 3, direction, at, (-2.0, -1.0, 0.0, 1.0, 2.0), margin, margin.exp(), ball
    )


def plane(runs: int = 1) -> TradeOff:
    end = (Accuracy(9, 10), Accuracy(4, 10))
    networks = ("global", "natural", "robust")
    return TradeOff(
        "pgd-1",
        "pgd-2",
        tuple(
            Trace(f"run-{run}", name, (1, 2, 3), (0.5, 0.7, 0.8 + number / 100), (0.1, 0.3, 0.2), end)
            for run in range(runs)
            for number, name in enumerate(networks)
        ),
    )


def mixes(learners: tuple[str, ...] = ("natural", "robust")) -> MixPath:
    points = [dict(zip(learners, shares, strict=True)) for shares in simplex(len(learners), 4)]
    found = tuple(
        Mix(shares, {"natural": Accuracy(90 + n, 100), "pgd": Accuracy(50 - n, 100)}) for n, shares in enumerate(points)
    )
    return MixPath("run", learners, "validation", {"pgd": {}}, "average", found, Mix({}, found[1].accuracies))


PLOTS = {
    "eps": lambda: draw_eps_curve(eps()),
    "eps, several, one of which rises": lambda: draw_eps_curve({"one": eps(), "two": eps((8, 2, 5, 1))}),
    "eps, one point": lambda: draw_eps_curve(eps((3,), (0.1,))),
    "steps": lambda: draw_steps_curve(steps()),
    "steps, several": lambda: draw_steps_curve({"natural": steps(), "robust": steps(), "third": steps()}),
    "surface": lambda: draw_loss_surface(surface()),
    "surface along the gradient": lambda: draw_loss_surface(surface("gradient")),
    "trade-off": lambda: draw_trade_off(plane()),
    "trade-off, several runs": lambda: draw_trade_off(plane(3)),
    "mix": lambda: draw_mix_path(mixes()),
    "mix of three": lambda: draw_mix_path(mixes(("natural", "linf", "l2")), weight=None),
}


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_is_well_formed_and_needs_nothing_else(name: str) -> None:
    text = svg(PLOTS[name](), "What it <shows>")
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root[0].tag.endswith("title")
    assert root[0].text == "What it <shows>"
    bare = re.sub(r' xmlns(:xlink)?="http://www\.w3\.org/[^"]*"', "", text)
    assert "http" not in bare
    assert "<text" not in bare  # letters are outlines: no font is asked for
    assert "<script" not in bare
    links = re.findall(r'(?:href|src)="([^"]*)"', bare) + re.findall(r"url\(([^)]*)\)", bare)
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in links)
    assert "@import" not in bare
    assert 'width="450pt"' in text  # 600 pixels


@pytest.mark.parametrize("name", ["surface", "trade-off", "mix"])
def test_the_same_curve_gives_the_same_file(name: str) -> None:
    figure = PLOTS[name]()
    text = svg(figure)
    assert text == svg(figure)
    assert text == svg(PLOTS[name]())


def test_pictures_are_the_same_too() -> None:
    first, second = png(PLOTS["steps"]()), png(PLOTS["steps"]())
    assert first.startswith(b"\x89PNG")
    assert first == second


def test_the_users_own_settings_change_nothing_and_stay() -> None:
    expected = svg(draw_steps_curve(steps()))
    with matplotlib.rc_context({"lines.linewidth": 9.0, "font.size": 30.0, "svg.fonttype": "none"}):
        assert svg(draw_steps_curve(steps())) == expected
        assert matplotlib.rcParams["lines.linewidth"] == 9.0


def test_axes_are_named_with_their_units() -> None:
    axes = draw_eps_curve(eps()).axes
    assert [part.get_ylabel() for part in axes][0] == "robust accuracy (%)"
    assert axes[0].get_xlabel() == "eps (Linf, pixels in [0, 1])"
    eighths = EpsCurve(
        {"use": "pgd"},
        "Linf",
        8 / 255,
        1.0,
        (0.0, 8 / 255),
        (Accuracy(9, 10), Accuracy(5, 10)),
        (Accuracy(9, 10), Accuracy(5, 10)),
    )
    drawn = draw_eps_curve(eighths).axes[0]
    assert drawn.get_xlabel() == "eps (Linf, 1/255)"
    assert list(drawn.lines[0].get_xdata()) == [0.0, pytest.approx(8.0)]


def test_a_learner_that_is_the_global_one_is_drawn_once() -> None:
    end = (Accuracy(9, 10), Accuracy(4, 10))
    same = [Trace("a", name, (1, 2), (0.5, 0.6), (0.1, 0.2), end) for name in ("global", "robust")]
    figure = draw_trade_off(TradeOff("x", "y", tuple(same)))
    assert "robust" not in [text.get_text() for text in figure.legends[0].get_texts()]


def test_no_two_networks_have_one_colour() -> None:
    colours = colours_of(["global", "natural", "robust", "linf", "l2", "third"])
    assert len(set(colours.values())) == 6
    assert colours_of(["a", "natural"])["a"] != colours_of(["a", "natural"])["natural"]


@given(st.dictionaries(st.text(min_size=1, max_size=3), st.floats(0, 1), min_size=1, max_size=6))
def test_labels_never_touch_and_keep_their_order(places: dict[str, float]) -> None:
    moved = spread(places, 0.05)
    ordered = sorted(places, key=lambda name: places[name])
    heights = [moved[name] for name in ordered]
    assert all(upper - lower >= 0.05 - 1e-9 for lower, upper in zip(heights, heights[1:], strict=False))
    if all(b - a > 0.1 for a, b in zip(sorted(places.values()), sorted(places.values())[1:], strict=False)):
        assert moved == pytest.approx(places)
