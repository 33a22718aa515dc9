"""JUnit XML, which CI systems show as tests: a testcase a check, and one a condition of the gate."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as Xml

from robustkit.cli.gate import Outcome
from robustkit.evaluation.checks.check import Check
from robustkit.evaluation.checks.diagnosis import Diagnosis

_SUITE = "robustkit.doctor"


def junit_xml(model: str, diagnosis: Diagnosis, gate: Sequence[Outcome], seconds: float) -> bytes:
    """The file's content: what fails is a failure, a warning is only said, and what is skipped is skipped."""
    failures = len(diagnosis.names("fail")) + sum(not outcome.holds for outcome in gate)
    counts = {
        "tests": len(diagnosis.checks) + len(gate),
        "failures": failures,
        "errors": 0,
        "skipped": len(diagnosis.names("skipped")),
    }
    suites = Xml.Element("testsuites", {name: str(count) for name, count in counts.items()})
    attributes = {"name": _SUITE, **suites.attrib, "time": f"{seconds:.3f}"}
    suite = Xml.SubElement(suites, "testsuite", attributes)
    properties = Xml.SubElement(suite, "properties")
    Xml.SubElement(properties, "property", {"name": "model", "value": _written(model)})
    for check in diagnosis.checks:
        _check(suite, check)
    for outcome in gate:
        case = Xml.SubElement(suite, "testcase", {"classname": f"{_SUITE}.gate", "name": outcome.condition.text})
        Xml.SubElement(case, "system-out").text = _written(outcome.text)
        if not outcome.holds:
            Xml.SubElement(case, "failure", {"message": _written(f"{outcome.condition.text}: {outcome.text}")})
    Xml.indent(suites)
    return bytes(Xml.tostring(suites, encoding="utf-8", xml_declaration=True)) + b"\n"


def _check(suite: Xml.Element, check: Check) -> None:
    case = Xml.SubElement(suite, "testcase", {"classname": f"{_SUITE}.checks", "name": check.name})
    text = _written(f"{check.status}: {check.text}")
    if check.status == "fail":
        failure = Xml.SubElement(case, "failure", {"message": text})
        failure.text = _written(f"expected: {check.threshold}\nwhat to do: {check.advice}\nsource: {check.source}")
    elif check.status == "skipped":
        Xml.SubElement(case, "skipped", {"message": _written(check.text)})
    else:
        advice = f"\nwhat to do: {check.advice}" if check.status == "warn" else ""
        Xml.SubElement(case, "system-out").text = text + _written(advice)


def _written(text: str) -> str:
    """Text without the control characters that XML 1.0 cannot hold."""
    return "".join(character if character >= " " or character in "\n\t" else "?" for character in text)
