"""The worst-case engine: who is attacked, by what, in which batches, and what is kept; on a network that reads a pixel.

Images are one pixel p; logits are (0, 10 * (p - 0.5)), labels 0: an image is right while p <= 0.5 and lies
0.5 - p away from being wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from robustkit import Attack, Budget, Manner, TensorExamples, evaluate, read_record, save_record
from robustkit.errors import AttackError, InputError, WeightsError
from robustkit.evaluation.keeping import looked_at_again
from robustkit.evaluation.outcome import Outcome

PIXELS = torch.tensor([0.9, 0.45, 0.4, 0.3, 0.2, 0.1, 0.05, 0.0])


class Pixel(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(10.0))

    def forward(self, images):
        logit = self.weight * (images.flatten(1)[:, :1] - 0.5)
        return torch.cat([torch.zeros_like(logit), logit], dim=1)


@dataclass(frozen=True)
class Lift(Attack):
    """Adds eps, after asking the network so many times."""

    name = "lift"
    seen: ClassVar[list[tuple[float, list[float]]]] = []

    eps: float = 0.1
    asks: int = 1

    @property
    def budget(self):
        return Budget("Linf", self.eps)

    def __call__(self, model, images, labels):
        self.seen.append((self.eps, [round(float(pixel), 2) for pixel in images.flatten()]))
        for _ in range(self.asks):
            model(images)
        return (images + self.eps).clamp(max=1.0)


@dataclass(frozen=True)
class Both(Attack):
    """An ensemble of two lifts."""

    name = "both"

    @property
    def budget(self):
        return Budget("Linf", 0.25)

    @property
    def members(self) -> Mapping[str, Attack]:
        return {"low": Lift(0.12), "high": Lift(0.25)}

    def __call__(self, model: Any, images: Any, labels: Any) -> Any:
        raise AssertionError("an ensemble's members are tried one by one")


@pytest.fixture(autouse=True)
def seen():
    Lift.seen.clear()
    return Lift.seen


def measured(attacks, examples=None, **settings):
    labels = torch.zeros(len(PIXELS), dtype=torch.int64)
    examples = examples or TensorExamples(PIXELS.reshape(-1, 1, 1, 1), labels, ("low", "high"))
    return evaluate(Pixel(), examples, attacks, **settings)


def test_every_attack_is_tried_on_every_example_that_is_right(seen):
    found = measured({"low": Lift(0.12), "high": Lift(0.25)}, batch_size=3)
    right = [0.45, 0.4, 0.3, 0.2, 0.1, 0.05, 0.0]
    assert seen == [(eps, batch) for eps in (0.12, 0.25) for batch in (right[:3], right[3:6], right[6:])]
    assert found.attacked["low"].tolist() == [False, False, False, True, True, True, True, True]
    assert found.attacked["high"].tolist() == [False, False, False, False, True, True, True, True]
    assert found.record.broken_by.tolist() == [-1, 0, 0, 1, -1, -1, -1, -1]


def test_broken_examples_are_dropped_and_batches_refilled(seen):
    attacks = {"low": Lift(0.12), "high": Lift(0.25)}
    found = measured(attacks, batch_size=3, manner=Manner(drop_broken=True))
    assert [batch for eps, batch in seen if eps == 0.25] == [[0.3, 0.2, 0.1], [0.05, 0.0]]
    assert torch.equal(found.worst_case, measured(attacks).worst_case)
    assert torch.equal(found.attacked["high"], found.worst_case)


def test_members_of_an_ensemble_are_tried_on_whom_none_before_has_broken(seen):
    found = measured({"both": Both()})
    assert [batch for eps, batch in seen if eps == 0.25] == [[0.3, 0.2, 0.1, 0.05, 0.0]]
    assert found.attacked["both"].tolist() == [False] * 4 + [True] * 4
    assert list(found.record.outcomes) == ["natural", "both", "both/low", "both/high"]
    assert found.record.outcomes["both/high"].prediction.tolist() == [-1, -1, -1, 1, 0, 0, 0, 0]
    assert found.record.outcomes["both"].linf[1:4].tolist() == pytest.approx([0.12, 0.12, 0.25])
    assert found.record.attacks == ["both"]
    assert list(found.accuracies()) == ["natural", "both"]


def test_a_member_that_was_tried_alone_is_not_tried_again(seen):
    found = measured({"low": Lift(0.12), "both": Both()})
    assert [eps for eps, _ in seen] == [0.12, 0.25]
    assert found.passes()["both/low"] == {"forwards": 0, "backwards": 0}
    seen.clear()
    measured({"low": Lift(0.11), "both": Both()})  # another attack of that name
    assert [eps for eps, _ in seen] == [0.11, 0.12, 0.25]


def test_the_cheapest_attack_comes_first_when_asked(seen):
    attacks = {"dear": Lift(0.25, asks=9), "cheap": Lift(0.12)}
    found = measured(attacks, manner=Manner(cheapest_first=True, drop_broken=True))
    assert list(found.attacked) == ["cheap", "dear"]
    assert found.record.broken_by.tolist() == [-1, 0, 0, 1, -1, -1, -1, -1]
    assert list(measured(attacks).attacked) == ["dear", "cheap"]


def test_what_an_attack_costs_is_counted():
    found = measured({"dear": Lift(0.25, asks=9), "cheap": Lift(0.12)}, batch_size=3)
    assert found.passes() == {
        "natural": {"forwards": 8, "backwards": 0},
        "dear": {"forwards": 63, "backwards": 0},
        "cheap": {"forwards": 7, "backwards": 0},
    }


def test_the_worst_image_is_the_first_that_broke_the_example_else_that_of_the_highest_loss():
    attacks = {"low": Lift(0.12), "high": Lift(0.25), "least": Lift(0.01)}
    found = measured(attacks, manner=Manner(keep_images=True)).record.worst
    moved = [0.0, 0.12, 0.12, 0.25, 0.25, 0.25, 0.25, 0.25]
    assert found.images.flatten().tolist() == pytest.approx((PIXELS + torch.tensor(moved)).tolist())
    assert found.prediction.tolist() == [1, 1, 1, 1, 0, 0, 0, 0]
    assert found.linf.tolist() == pytest.approx(moved, abs=1e-6)
    assert found.l2.tolist() == pytest.approx(moved, abs=1e-6)


def test_a_record_is_the_same_read_again(tmp_path):
    record = measured({"both": Both()}, manner=Manner(keep_images=True)).record
    save_record(tmp_path / "examples.safetensors", record, {"network": "global"})
    again, header = read_record(tmp_path / "examples.safetensors")
    assert header["network"] == "global"
    assert list(again.outcomes) == list(record.outcomes)
    for one, other in zip(again.outcomes.values(), record.outcomes.values(), strict=True):
        assert one.plain() == other.plain()
        for name, column in one.columns().items():
            assert torch.equal(column.nan_to_num(), other.columns()[name].nan_to_num())
    assert torch.equal(again.worst.images, record.worst.images)
    assert torch.equal(again.broken_by, record.broken_by)


def test_no_file_of_examples(tmp_path):
    from robustkit.models.files import save_tensors

    save_tensors(tmp_path / "other.safetensors", {"weight": torch.zeros(2)}, {})
    with pytest.raises(WeightsError, match="expected a file of examples"):
        read_record(tmp_path / "other.safetensors")
    save_tensors(tmp_path / "half.safetensors", {"names": torch.zeros(2)}, {"kind": "examples", "cost": {"natural": 3}})
    with pytest.raises(WeightsError, match="lacks what a file of examples must hold"):
        read_record(tmp_path / "half.safetensors")


def test_saved_images_are_looked_at_again_and_in_8_bits():
    """0.4 moved by 0.1005 is 0.5005, wrong; in 8 bits 128/255 = 0.50196, wrong as well; 0.3995 is 0.5, right; 127.5."""
    pixels = torch.tensor([0.4, 0.3, 0.4005]).reshape(-1, 1, 1, 1)
    examples = TensorExamples(pixels, torch.zeros(3, dtype=torch.int64), ("low", "high"))
    record = measured({"lift": Lift(0.1005)}, examples, manner=Manner(keep_images=True)).record
    again = looked_at_again(Pixel(), record, 2)
    assert (again["float32"]["correct"], again["8-bit"]["correct"]) == (1, 1)
    just = measured({"lift": Lift(0.0998)}, examples, manner=Manner(keep_images=True)).record
    again = looked_at_again(
        Pixel(), just, 2
    )  # 0.4005 + 0.0998 = 0.5003 is wrong, as is 128/255; 0.4998 becomes 127/255
    assert (again["float32"]["correct"], again["8-bit"]["correct"]) == (2, 2)


def test_a_network_that_answers_otherwise_the_second_time_is_refused():
    record = measured({"lift": Lift(0.12)}, manner=Manner(keep_images=True)).record
    other = Pixel()
    other.weight.data.neg_()
    with pytest.raises(AttackError, match="8 of 8 saved images are classified otherwise than when they were found"):
        looked_at_again(other, record, 2)


def test_an_unfinished_folder_of_another_evaluation_is_refused(tmp_path):
    settings = {"unfinished": tmp_path / "unfinished"}
    first = measured({"lift": Lift(0.12)}, **settings)
    Lift.seen.clear()
    again = measured({"lift": Lift(0.12)}, **settings)
    assert not Lift.seen  # nothing was left to do
    assert torch.equal(first.attacked["lift"], again.attacked["lift"])
    with pytest.raises(InputError, match=r"attacks.lift.eps: 0.12 then, 0.13 now"):
        measured({"lift": Lift(0.13)}, **settings)
    others = TensorExamples(PIXELS.flip(0).reshape(-1, 1, 1, 1), torch.zeros(8, dtype=torch.int64), ("low", "high"))
    with pytest.raises(InputError, match="begun with other images"):
        measured({"lift": Lift(0.12)}, others, **settings)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match=r"expected a new folder or an unfinished evaluation"):
        measured({"lift": Lift(0.12)}, unfinished=tmp_path / "full")


def test_of_two_rows_the_worse_is_kept():
    own, rows, labels = Outcome.blank(4), Outcome.blank(4), torch.zeros(4, dtype=torch.int64)
    own.prediction[:], own.loss[:] = torch.tensor([1, 0, 0, -1]), torch.tensor([0.5, 0.9, 0.1, torch.nan])
    rows.prediction[:], rows.loss[:] = torch.tensor([2, 0, 0, 0]), torch.tensor([5.0, 0.8, 0.2, 0.0])
    own.worsen(torch.arange(4), rows, labels)
    assert own.prediction.tolist() == [1, 0, 0, 0]  # broken first; higher loss; higher loss; not attacked before
    assert own.loss.tolist() == pytest.approx([0.5, 0.9, 0.2, 0.0])


def test_an_attack_finds_the_network_without_hooks():
    """Square computes only what a square changes, unless somebody listens to the network."""

    @dataclass(frozen=True)
    class Curious(Lift):
        name = "curious"

        def __call__(self, model: Any, images: Any, labels: Any) -> Any:
            assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
            return super().__call__(model, images, labels)

    assert measured({"curious": Curious(0.12)}).passes()["curious"]["forwards"] == 7
