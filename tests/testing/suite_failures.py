"""Running a conformance suite by hand, to see what it finds in a component that is broken on purpose."""

from __future__ import annotations


def failures(suite, component, **attributes):
    """The names of the suite's tests that fail for this component, with the errors' texts."""
    tested = type("TestedByHand", (suite,), {suite.kind: component, **attributes})
    found = {}
    for name in dir(tested):
        if name.startswith("test_"):
            try:
                getattr(tested(), name)()
            except Exception as error:
                found[name] = str(error)
    return found
