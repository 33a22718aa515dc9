"""The checks of `robustkit doctor`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from robustkit.reporting.captions import Captions, Section, folded, note
from robustkit.reporting.markup import Html, code, element, joined, paragraph, with_code
from robustkit.reporting.source import Source

_WORRYING = ("fail", "warn")
_BADGES = {"A": "AutoAttack or its like", "B": "iterative gradient attacks only", "C": "no iterative gradient attack"}
_HEAD = ("check", "", "found", "ok if")


def checks(source: Source, captions: Captions) -> Section:
    """What the checks found, the worrying first; or that none was made, and the command that makes them."""
    found = source.diagnosis
    if found is None:
        return Section("checks", "Checks", _not_made(source))
    worrying = [check for check in found["checks"] if check["status"] in _WORRYING]
    others = [check for check in found["checks"] if check["status"] not in _WORRYING]
    parts = [paragraph(_sentence(found, len(worrying)))]
    if "attacks" in found and found["attacks"] != source.attacks:
        text = "They looked at other attacks than those of this page: settings or names differ."
        parts.append(note(paragraph(text), kind="warning"))
    if worrying:
        rows = [_row(check) for check in sorted(worrying, key=lambda check: _WORRYING.index(check["status"]))]
        caption = "Checks that did not pass: what was found, and what to do about it."
        parts.append(captions.table(caption, _HEAD, rows, words=range(4), kind="checks"))
    if others:
        caption = "Checks that passed, and those that had nothing to look at."
        table = captions.table(caption, _HEAD, [_row(check) for check in others], words=range(4), kind="checks")
        parts.append(folded(f"{len(others)} checks that passed or were skipped", table))
    return Section("checks", "Checks", joined(*parts, paragraph(str(found["caution"]), class_="small")))


def _sentence(found: Mapping[str, Any], worrying: int) -> str:
    counts = [check["status"] for check in found["checks"]]
    text = f"Of {len(counts)} checks on {found['examples']:,} examples, {counts.count('fail')} failed, "
    text += f"{counts.count('warn')} ask for a look, {counts.count('ok')} passed and {counts.count('skipped')} had "
    badge = found.get("badge")
    said = f" The list of attacks has badge {badge}: {_BADGES.get(badge, 'unknown')}." if badge else ""
    return f"{text}nothing to look at.{said}"


def _not_made(source: Source) -> Html:
    command = code(f"robustkit doctor {source.subject} --output {shlex.quote(f'{source.path}/doctor.json')}")
    text = (
        "It was not checked whether this evaluation can be trusted: whether gradients are masked, say, or an attack "
        "has not converged. "
    )
    return note(paragraph(text, "This makes the checks: ", command, "."), kind="warning")


def _row(check: Mapping[str, str]) -> list[str]:
    status = check["status"]
    text: Html | str = check["text"]
    if status in _WORRYING:
        text = joined(check["text"], element("div", with_code(check["advice"]), class_="advice"))
    known = status if status in ("ok", "skipped", *_WORRYING) else "fail"
    rule = joined(check["threshold"], element("div", check["source"], class_="advice"))
    return [check["name"], element("span", status, class_=f"status is-{known}"), text, rule]
