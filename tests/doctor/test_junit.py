"""The JUnit file: counts, what is a failure and what is not, and text that XML cannot hold."""

from __future__ import annotations

from xml.etree import ElementTree as Xml

from robustkit import Budget, Check, Diagnosis
from robustkit.cli.gate import Condition, Outcome
from robustkit.cli.junit import junit_xml

CHECKS = (
    Check("fine", "ok", "all <well> & good", 0.0, "threshold", "advice", "source"),
    Check("odd", "warn", "nearly", 0.02, "threshold", "advice", "source"),
    Check("bad", "fail", 'a "bell" \x07 rang', 1.0, "at most 1", "do this", "who says so"),
    Check("away", "skipped", "no record", None, "threshold", "advice", "source"),
)
DIAGNOSIS = Diagnosis(CHECKS, "B", Budget("Linf", 0.1), 100)
GATE = (Outcome(Condition("no-fail"), False, "bad"), Outcome(Condition("natural>=1", "natural"), True, "is 2"))


def suite() -> Xml.Element:
    root = Xml.fromstring(junit_xml("a\x00model", DIAGNOSIS, GATE, 1.5))  # noqa: S314 - our own
    (found,) = root
    assert (root.tag, found.tag) == ("testsuites", "testsuite")
    return found


def test_the_counts_are_those_of_the_cases() -> None:
    found = suite()
    counts = {name: int(found.attrib[name]) for name in ("tests", "failures", "errors", "skipped")}
    cases = list(found.iter("testcase"))
    assert counts == {
        "tests": len(cases),
        "failures": len([case for case in cases if case.find("failure") is not None]),
        "errors": 0,
        "skipped": len([case for case in cases if case.find("skipped") is not None]),
    }
    assert (counts["tests"], counts["failures"], counts["skipped"], found.attrib["time"]) == (6, 2, 1, "1.500")


def test_failures_say_what_was_expected_and_warnings_what_to_do() -> None:
    cases = {case.attrib["name"]: case for case in suite().iter("testcase")}
    assert list(cases) == ["fine", "odd", "bad", "away", "no-fail", "natural>=1"]
    assert cases["fine"].findtext("system-out") == "ok: all <well> & good"
    assert cases["odd"].findtext("system-out") == "warn: nearly\nwhat to do: advice"
    failure = cases["bad"].find("failure")
    assert failure is not None
    assert failure.attrib["message"] == 'fail: a "bell" ? rang'
    assert failure.text == "expected: at most 1\nwhat to do: do this\nsource: who says so"
    skipped, missed = cases["away"].find("skipped"), cases["no-fail"].find("failure")
    assert skipped is not None
    assert missed is not None
    assert (skipped.attrib["message"], missed.attrib["message"]) == ("no record", "no-fail: bad")
    assert {case.attrib["classname"] for case in cases.values()} == {"robustkit.doctor.checks", "robustkit.doctor.gate"}


def test_the_model_is_named_without_what_xml_cannot_hold() -> None:
    found = suite().find("properties/property")
    assert found is not None
    assert found.attrib == {"name": "model", "value": "a?model"}
