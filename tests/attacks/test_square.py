"""Square: conformance, its schedule and patterns against torchattacks, and what it does not ask the model."""

from __future__ import annotations

import pytest
import torch
import torchattacks
from robustkit_attacks import Square
from robustkit_attacks import squares as proposals
from robustkit_attacks.random_search import Run, Search
from robustkit_attacks.square import blocks
from robustkit_attacks.squares import L2Squares, LinfSquares, bumps
from torch import nn

from robustkit import Budget, Streams, perturb
from robustkit.errors import AttackError, ComponentError
from robustkit.testing import AttackSuite, tiny_batch, tiny_model


class TestSquare(AttackSuite):
    @pytest.fixture(
        autouse=True,
        params=[
            Square(eps="8/255", queries=30),
            Square(eps=0.1, queries=7, restarts=2, p_init=0.3),
            Square(eps=0.5, norm="L2", queries=30),
            Square(eps=2, norm="L2", queries=5, restarts=2),
            Square(eps=0.1, queries=60, give_up=True),
        ],
        ids=repr,
    )
    def configure(self, request):
        self.attack = request.param


class TestTwoClasses(TestSquare):
    num_classes = 2


class TestNarrowImages(TestSquare):
    num_classes = 4
    image_shape = (2, 3, 9)


class TestTinyImages(TestSquare):
    image_shape = (1, 2, 2)


class Deaf(nn.Module):
    """Answers without a graph, and counts its questions."""

    def __init__(self):
        super().__init__()
        self.asked = []

    @torch.no_grad()
    def forward(self, images):
        self.asked.append(images.clone())
        return torch.stack([images[:, :, ::2].flatten(1).sum(1), images[:, :, 1::2].flatten(1).sum(1)], 1)


@pytest.mark.parametrize(("norm", "eps"), [("Linf", 0.3), ("L2", 1.5)])
def test_needs_no_gradient(norm, eps):
    images = torch.rand(20, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    model = Deaf()
    labels = model(images).argmax(1)
    found = perturb(Square(eps=eps, norm=norm, queries=200), model, images, labels, seed=0)
    assert (model(found).argmax(1) != labels).float().mean() > 0.5


def test_refuses_what_has_no_squares():
    with pytest.raises(AttackError, match=r"images \(N, C, H, W\), got shape \(3, 12\)"):
        perturb(Square(eps=0.1), nn.Linear(12, 2), torch.rand(3, 12), torch.zeros(3).long(), seed=0)


def test_refuses_a_radius_in_8_bit_units_and_squares_larger_than_the_image():
    with pytest.raises(ComponentError, match="eps: expected at most 1 in Linf, got 8"):
        Square(eps=8)
    with pytest.raises(ComponentError, match="p_init"):
        Square(eps=0.1, p_init=1.2)
    assert Square(eps=0.5, norm="L2").budget == Budget("L2", 0.5)


@pytest.mark.parametrize("queries", [1, 10, 77, 1000, 5000, 10000, 20000])
def test_squares_shrink_as_the_authors_do(queries):
    theirs = torchattacks.Square(nn.Identity(), n_queries=queries, p_init=0.8)
    ours = [0.8 * share for length, share in blocks(queries) for _ in range(length)]
    assert ours == pytest.approx([theirs.p_selection(query) for query in range(queries)])


@pytest.mark.parametrize("side", [1, 2, 3, 4, 5, 7, 11])
def test_bumps_are_those_of_the_authors(side):
    theirs = torchattacks.Square(nn.Identity())
    theirs.device = "cpu"
    expected = theirs.eta(side)
    ours = bumps(side).float()
    assert any(torch.allclose(ours, expected.permute(order), atol=1e-6) for order in ((0, 1), (1, 0)))
    assert ours.norm().item() == pytest.approx(1)


def streams(count, seed=0):
    return Streams(torch.arange(count) * 1000 + seed)


@pytest.mark.parametrize("channels", [1, 3])
def test_linf_proposals_are_squares_at_the_ends_of_the_ball(channels):
    clean = torch.rand(50, channels, 9, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    squares = LinfSquares(clean, 0.1, streams(50))
    start = squares.images.clone()
    low, high = (clean - 0.1).clamp_min(0), (clean + 0.1).clamp_max(1)
    assert ((start == low) | (start == high)).all()
    assert ((start == low).all(2) | (start == high).all(2)).all(), "stripes are vertical"
    squares.draw(streams(50, seed=1), 4 / 63, 20)
    corners = set()
    for place in range(20):
        chosen, images = squares.propose(place)
        assert torch.equal(squares.images, start), "nothing is changed by proposing"
        assert ((images == low[chosen]) | (images == high[chosen])).all()
        changed = images != start[chosen]
        assert changed.flatten(1).any(1).all(), "a proposal that changes nothing is not worth a query"
        for one in changed:
            rows, columns = one.any(0).nonzero().unbind(1)
            assert rows.max() - rows.min() < 2
            assert columns.max() - columns.min() < 2
            corners |= set(zip(rows.tolist(), columns.tolist(), strict=True))
    assert corners == {(row, column) for row in range(9) for column in range(7)}, "every pixel is reached"


def test_what_was_refused_is_not_proposed_again_until_something_is_kept():
    squares = LinfSquares(torch.full((1, 1, 2, 2), 0.5), 0.1, streams(1))
    none, every = torch.tensor([False]), torch.tensor([True])

    def news(places):
        return [place for place in places if len(squares.propose(place)[0])]

    squares.draw(streams(1, seed=1), 0.25, 100)
    proposed = 0
    for place in range(80):
        chosen, images = squares.propose(place)
        proposed += len(chosen)
        squares.settle(place, chosen, images, none[: len(chosen)])
    assert proposed == 4, "four pixels, each with one other end"
    assert not news(range(80, 100))
    squares.draw(streams(1, seed=2), 0.25, 50)
    assert not news(range(50)), "the next block knows, too"
    squares.draw(streams(1, seed=3), 1.0, 50)
    larger = news(range(50))
    assert larger, "larger squares are others"
    squares.settle(larger[0], *squares.propose(larger[0]), every)
    squares.draw(streams(1, seed=4), 0.25, 50)
    assert news(range(50)), "after a change, all are new again"


@pytest.mark.parametrize(("eps", "share"), [(0.02, 0.5), (0.15, 0.8)])
def test_remembering_changes_nothing_but_the_cost(digits, monkeypatch, eps, share):
    model, images, labels = digits
    found, costs = [], []
    for memory in (2**16, 0):
        monkeypatch.setattr(proposals, "_MEMORY", memory)
        counting = Counting(model)
        found.append(perturb(Square(eps=eps, queries=2000), counting, images[:20], labels[:20], seed=3))
        costs.append(counting.images)
    assert torch.equal(*found)
    assert costs[0] < share * costs[1]


class Counting(nn.Module):
    """Counts the images that it is asked about."""

    def __init__(self, model):
        super().__init__()
        self.model, self.images = model, 0

    def forward(self, images):
        self.images += len(images)
        return self.model(images) * 1.0  # so that it is no chain of layers, which patches would go round


@pytest.mark.parametrize(("norm", "eps"), [("Linf", 0.05), ("L2", 0.5)])
def test_asks_at_most_once_a_query_and_not_for_the_broken(digits, norm, eps):
    model, images, labels = digits
    images, labels = images[:50], labels[:50]
    counting = Counting(model)
    found = perturb(Square(eps=eps, norm=norm, queries=100), counting, images, labels, seed=0)
    right, standing = (model(seen).argmax(1) == labels for seen in (images, found))
    assert 0 < standing.sum() < right.sum()
    assert counting.images < 50 + right.sum() + 100 * right.sum()
    assert counting.images > 50 + right.sum()
    if norm == "L2":
        assert counting.images >= 50 + right.sum() + 100 * standing.sum()


@pytest.mark.parametrize("norm", ["Linf", "L2"])
def test_wrong_examples_and_a_radius_of_zero(digits, norm):
    model, images, labels = digits
    wrong = (labels[:20] + 1) % 10
    assert torch.equal(perturb(Square(eps=0.1, norm=norm), model, images[:20], wrong, seed=0), images[:20])
    assert torch.equal(perturb(Square(eps=0, norm=norm), model, images[:20], labels[:20], seed=0), images[:20])


def margins(model, images, labels):
    logits = model(images)
    return logits.scatter(1, labels.unsqueeze(1), -torch.inf).amax(1) - logits.gather(1, labels.unsqueeze(1)).squeeze(1)


@pytest.mark.parametrize(("norm", "eps"), [("Linf", 0.05), ("L2", 0.5)])
def test_the_largest_margin_is_kept_and_more_queries_and_restarts_raise_it(digits, norm, eps):
    model, images, labels = digits
    images, labels = images[:40], labels[:40]
    clean = margins(model, images, labels)
    found = [
        margins(model, perturb(Square(eps=eps, norm=norm, **fields), model, images, labels, seed=0), labels)
        for fields in ({"queries": 10}, {"queries": 300}, {"queries": 300, "restarts": 3})
    ]
    assert (found[0] >= clean - 1e-5).all()
    assert found[1].mean() > found[0].mean()
    assert (found[2] >= found[1] - 1e-4)[found[1] < 0].all()
    assert found[2].clamp_max(0).mean() > found[1].clamp_max(0).mean()


@pytest.mark.parametrize(("norm", "eps"), [("Linf", 0.1), ("L2", 0.7)])
def test_giving_up_saves_much_and_loses_next_to_nothing(digits, broken_by, norm, eps):
    model, images, labels = digits
    images, labels = images[:60], labels[:60]
    full, _ = broken_by(Square(eps=eps, norm=norm, queries=1000), model, images, labels)
    counting = Counting(model)
    short, _ = broken_by(Square(eps=eps, norm=norm, queries=1000, give_up=True), counting, images, labels)
    asked = counting.images
    counting.images = 0
    broken_by(Square(eps=eps, norm=norm, queries=1000), counting, images, labels)
    assert not (short & ~full).any()
    assert (full & ~short).sum() <= 4, "none in most trainings, two in one"
    assert asked < 0.9 * counting.images
    assert 0.1 < full.float().mean() < 0.9


class Slow(nn.Module):
    """Class 0 by a margin that shrinks by 1 for each pixel above a half."""

    def forward(self, images):
        score = (images > 0.5).flatten(1).double().sum(1)
        return torch.stack([torch.full_like(score, 12.5), score], 1)


def test_giving_up_by_hand():
    """Margins -10, -4 and -4 after progress by 2, 6 and 0, with as many queries left: to -6, to +8, and no guess."""
    clean = torch.zeros(3, 1, 4, 4)
    search = Search(Slow(), clean, torch.zeros(3).long())
    run = Run(search, torch.arange(3), LinfSquares(clean, 0.1, streams(3)))
    run._first, run._before = torch.tensor([-12.0, -10.0, -4.0]), torch.tensor([-12.0, -10.0, -4.0])
    run._margins = torch.tensor([-10.0, -4.0, -4.0])
    run.give_up(1.0)
    assert run.rows.tolist() == [1, 2]
    run._before, run._margins = torch.tensor([-5.0, -4.5]), torch.tensor([-4.0, -4.0])
    run.give_up(0.5)  # -3 and -3.5, of which a tenth of -10 and of -4 may be missing
    assert run.rows.tolist() == []


def test_l2_proposals_have_the_balls_length():
    clean = torch.rand(30, 2, 12, 10, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 0.2 + 0.4
    squares = L2Squares(clean, 0.5, streams(30))
    lengths = (squares.images - clean).flatten(1).norm(dim=1)
    torch.testing.assert_close(lengths, torch.full_like(lengths, 0.5))
    squares.draw(streams(30, seed=1), 9 / 120, 5)
    for place in range(5):
        chosen, images = squares.propose(place)
        lengths = (images - clean).flatten(1).norm(dim=1)
        torch.testing.assert_close(lengths, torch.full_like(lengths, 0.5))
        changed = (images - squares.images).abs() > 1e-9
        assert changed.any(1).flatten(1).sum(1).min() >= 9, "at least the target square"
        squares.settle(place, chosen, images, torch.ones(30).bool())
        assert torch.equal(squares.images, images)


def test_an_equal_margin_is_no_improvement():
    """Changes that the model does not see are refused, also where rounding differs: so batches make no difference."""

    class Rough(nn.Module):
        def forward(self, images):
            noise = 1e-7 * images.flatten(1).sum(1)  # as large as float32 rounding of logits of 2
            return torch.stack([2.0 + 0 * noise, noise], 1)

    images = torch.full((4, 1, 5, 5), 0.5)
    labels = torch.zeros(4).long()
    search = Search(Rough(), images, labels)
    run = Run(search, torch.arange(4), LinfSquares(images, 0.1, streams(4)))
    before = run.squares.images.clone()
    run.squares.draw(streams(4, seed=1), 0.2, 20)
    for place in range(20):
        run.try_proposal(place)
    assert torch.equal(run.squares.images, before)


def test_tiny_networks_of_all_dtypes():
    model, (images, _) = tiny_model(dtype=torch.float64).eval(), tiny_batch(dtype=torch.float64)
    labels = model(images).argmax(1)
    found = perturb(Square(eps=0.2, queries=100), model, images, labels, seed=0)
    assert found.dtype == torch.float64
    assert (model(found).argmax(1) != labels).any()
