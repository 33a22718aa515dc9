"""Natural and robust accuracy under any attacks, each on the examples that are right without it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from robustkit.attacking.door import perturb
from robustkit.attacking.isolation import frozen, modes_restored
from robustkit.attacking.lean import AttackArithmetic, attack_arithmetic, lean
from robustkit.attacking.verification import distances
from robustkit.components.attack import Attack
from robustkit.components.examples import Examples
from robustkit.components.randomness import derive
from robustkit.errors import InputError
from robustkit.evaluation.classification import classified, names_of
from robustkit.evaluation.journal import Journal, fingerprint
from robustkit.evaluation.measurement import Measurement
from robustkit.evaluation.norms import norms_of
from robustkit.evaluation.order import cheapest_first
from robustkit.evaluation.outcome import NOT_ATTACKED, Outcome, Record
from robustkit.evaluation.passes import Counted
from robustkit.recipe.compute import Compute
from robustkit.recipe.lock import plain
from robustkit.recipe.manner import Manner

Report = Callable[[str, int, int], None]
"""Told (natural or the attack's name, examples done, examples in all) after every batch."""

_PROBED = 16  # examples on which attacks are compared to find the cheapest


def evaluate(
    model: nn.Module,
    examples: Examples,
    attacks: Mapping[str, Attack] | None = None,
    *,
    batch_size: int = 500,
    seed: int = 0,
    report: Report | None = None,
    compute: Compute | None = None,
    manner: Manner | None = None,
    unfinished: str | Path | None = None,
) -> Measurement:
    """Measure a network. It is put in eval mode meanwhile and left as it was.

    An example counts as robust to an attack only if the clean image and the attacked one are both classified right;
    so examples that are wrong already are not attacked. Whatever an attack claims, its images are verified in full
    precision (inside the budget and [0, 1]) and classified anew. An ensemble's members are tried one after the other,
    each on the examples that none before it has broken, in full batches.

    Args:
        model: maps images (N, C, H, W) in [0, 1] to logits (N, K).
        examples: what to measure on.
        attacks: by the names the result uses.
        batch_size: examples at a time.
        seed: of the attacks' randomness; each image has random numbers of its own, whatever the batch size and order.
        report: told about progress.
        compute: its `fold_batch_norm` and `evaluation` say how networks compute while they are attacked; what is clean
            or attacked is always classified in the model's own precision. By default `Compute()`.
        manner: by default `Manner()`.
        unfinished: a folder for finished batches. An evaluation that was killed goes on from them, with the same
            result; after the last batch the folder stays, for the caller to remove once the result is safe.

    Raises:
        InputError: there are no examples, or the model's output is not (N, K) for K classes, or not a number; or
            `unfinished` belongs to another evaluation.
        AttackError: an attack broke its budget.
    """
    if batch_size < 1:
        raise InputError(f"expected a batch_size of at least 1, got {batch_size}.")
    if len(examples) == 0:
        raise InputError("expected examples to measure on, got none.")
    compute, manner, attacks = compute or Compute(), manner or Manner(), dict(attacks or {})
    task = {"seed": seed, "batch_size": batch_size, "manner": plain(manner), "attacks": plain(attacks)}
    task |= {"fold_batch_norm": compute.fold_batch_norm, "evaluation": compute.evaluation}
    with modes_restored(model):
        model.eval()
        journal = None
        if unfinished is not None:
            labels = hashlib.sha256(examples.labels.cpu().numpy().tobytes()).hexdigest()
            journal = Journal(Path(unfinished), {**task, "labels": labels, "weights": fingerprint(model)})
        job = _Job(model, examples, batch_size, seed, report or _unheard, _passes(compute), manner, journal)
        return job.measure(attacks)


def _passes(compute: Compute) -> list[AttackArithmetic]:
    """How networks compute in each pass of an attack over the examples it has not broken yet."""
    full = AttackArithmetic("full", compute.fold_batch_norm)
    return [replace(full, precision="bfloat16"), full] if compute.evaluation == "bfloat16-first" else [full]


@dataclass
class _Job:
    """One measurement."""

    model: nn.Module
    examples: Examples
    batch_size: int
    seed: int
    report: Report
    arithmetics: list[AttackArithmetic]
    manner: Manner
    journal: Journal | None
    names: Tensor = field(init=False)
    tried: dict[str, tuple[Attack, Outcome]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.counted = Counted(self.model)
        self.labels = self.examples.labels.cpu()
        self.names = torch.zeros(len(self.labels), dtype=torch.int64)

    def measure(self, attacks: Mapping[str, Attack]) -> Measurement:
        started = time.perf_counter()
        clean = self._clean()
        natural, seconds = clean.prediction == self.labels, {"natural": time.perf_counter() - started}
        worst, broken_by = self._blank(), torch.full_like(self.labels, -1)
        worst.write(torch.arange(len(natural)), clean)
        outcomes, attacked, standing = {"natural": clean}, {}, natural.clone()
        for place, (name, attack) in enumerate(self._ordered(attacks, natural).items()):
            started = time.perf_counter()
            found = self._under(name, attack, standing if self.manner.drop_broken else natural)
            outcomes |= found
            tried = (found[name].prediction != NOT_ATTACKED).nonzero().flatten()
            worst.worsen(tried, found[name].rows(tried), self.labels[tried])
            attacked[name] = natural & (found[name].prediction == self.labels)
            broken_by[standing & ~attacked[name]] = place
            standing &= attacked[name]
            seconds[name] = time.perf_counter() - started
            self.report(name, len(tried), len(tried))
        worst.forwards = worst.backwards = 0
        record = Record(self.names, self.labels, outcomes, worst, broken_by)
        return Measurement(natural, attacked, seconds, record, {} if self.manner.drop_broken else norms_of(attacks))

    def _clean(self) -> Outcome:
        whole = self._blank()
        for number, indices in enumerate(torch.split(torch.arange(len(self.labels)), self.batch_size)):
            images, labels = self._batch(indices)
            names = names_of(images)
            kept = self.journal.read("natural", number) if self.journal else None
            if kept is not None and not torch.equal(kept[1]["names"], names):
                raise InputError("the unfinished evaluation was begun with other images: remove its folder.")
            if kept is None:
                outcome = self._outcome(images, images, labels)
                outcome.forwards = len(images)
                if self.journal:
                    self.journal.write("natural", number, outcome, names=names)
            else:
                outcome = kept[0]
            whole.write(indices, outcome)
            self.names[indices] = names
            self.report("natural", int(indices[-1]) + 1, len(self.labels))
        return whole

    def _ordered(self, attacks: Mapping[str, Attack], natural: Tensor) -> Mapping[str, Attack]:
        chosen = natural.nonzero().flatten()[:_PROBED]
        if not self.manner.cheapest_first or len(attacks) < 2 or not len(chosen):
            return attacks
        return cheapest_first(attacks, self.model, *self._batch(chosen), self.names[chosen], self.seed)

    def _under(self, name: str, attack: Attack, target: Tensor) -> dict[str, Outcome]:
        """What an attack does to the `target` examples (N,), bool; of an ensemble also what its members do."""
        members = attack.members
        if not members:
            outcome = self._attack(name, name, attack, target, 0, 1)
            self.tried[name] = attack, outcome
            return {name: outcome}
        whole, left, parts = self._blank(), target.clone(), {}
        for place, (member, part) in enumerate(members.items()):
            found = self._known(member, part, left)
            if found is None:
                found = self._attack(f"{name}/{member}", member, part, left, place, len(members))
            parts[f"{name}/{member}"] = found
            indices = left.nonzero().flatten()
            whole.worsen(indices, found.rows(indices), self.labels[indices])
            whole.forwards, whole.backwards = whole.forwards + found.forwards, whole.backwards + found.backwards
            left = left & (found.prediction == self.labels)
        return {name: whole, **parts}

    def _known(self, name: str, attack: Attack, target: Tensor) -> Outcome | None:
        """What the very same attack under the same name, and so from the same seed, has already done to the target."""
        before, outcome = self.tried.get(name, (None, None))
        if outcome is None or before != attack or bool((outcome.prediction[target] == NOT_ATTACKED).any()):
            return None
        known, indices = self._blank(), target.nonzero().flatten()
        known.write(indices, outcome.rows(indices))
        return known

    def _attack(self, part: str, name: str, attack: Attack, target: Tensor, place: int, of: int) -> Outcome:
        """Attack the `target` examples in every arithmetic; `place` and `of` say which part of a whole this is."""
        whole, left, seed = self._blank(), target, derive(self.seed, name)
        total, stages = int(target.sum()), of * len(self.arithmetics)
        for turn, arithmetic in enumerate(self.arithmetics):
            stage, waiting = place * len(self.arithmetics) + turn, left.nonzero().flatten()
            self._prepare(arithmetic, waiting)
            for number, indices in enumerate(_split(waiting, self.batch_size)):
                key = part if turn == len(self.arithmetics) - 1 else f"{part}/{arithmetic.precision}"
                whole.write(indices, self._attacked(key, number, attack, seed, arithmetic, indices))
                share = (stage + min(1.0, (number + 1) * self.batch_size / len(waiting))) / stages
                if share < 1.0:
                    self.report(part.partition("/")[0], int(total * share), total)
            left = left & (whole.prediction == self.labels)
        return whole

    def _prepare(self, arithmetic: AttackArithmetic, waiting: Tensor) -> None:
        """Get the network ready for attacks now, so that what an attack costs does not depend on which was first."""
        if len(waiting):
            images = self._batch(waiting[:2])[0]
            with attack_arithmetic(arithmetic), frozen(self.counted), lean(self.counted, images):
                pass

    def _attacked(
        self, key: str, number: int, attack: Attack, seed: int, arithmetic: AttackArithmetic, indices: Tensor
    ) -> Outcome:
        """One batch, from the journal if it is there."""
        kept = self.journal.read(key, number) if self.journal else None
        if kept is not None:
            return kept[0]
        images, labels = self._batch(indices)
        self.counted.forwards = self.counted.backwards = 0
        with attack_arithmetic(arithmetic):
            adversarial = perturb(attack, self.counted, images, labels, seed=seed, examples=self.names[indices])
        outcome = self._outcome(adversarial, images, labels)
        outcome.forwards, outcome.backwards = self.counted.forwards, self.counted.backwards
        if self.journal:
            self.journal.write(key, number, outcome)
        return outcome

    def _outcome(self, changed: Tensor, images: Tensor, labels: Tensor) -> Outcome:
        prediction, loss = classified(self.model, changed, labels, self.examples.num_classes)
        linf, l2 = (distances(changed, images, norm).float().cpu() for norm in ("Linf", "L2"))
        return Outcome(prediction, loss, linf, l2, changed.float().cpu() if self.manner.keep_images else None)

    def _blank(self) -> Outcome:
        return Outcome.blank(len(self.labels), self.examples.image_shape if self.manner.keep_images else None)

    def _batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        like: Any = next(self.model.parameters(), torch.zeros(()))
        here = indices.to(self.examples.labels.device)
        images = self.examples.images(here)
        images = images.to(like.device, like.dtype) if like.is_floating_point() else images.to(like.device)
        return images, self.examples.labels[here].to(like.device)


def _split(indices: Tensor, size: int) -> Sequence[Tensor]:
    return torch.split(indices, size) if len(indices) else ()


def _unheard(part: str, done: int, total: int) -> None:
    """Progress that nobody asked for."""
