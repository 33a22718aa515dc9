"""Building HTML: whatever is text comes out as the same text."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from report_parts import Page

from robustkit.reporting.markup import Html, code, element, escaped, joined, readable, with_code


def _text_of(html: str) -> str:
    return Page(html).text


@settings(max_examples=50)
@given(st.text(), st.text())
def test_text_comes_back(text: str, attribute: str) -> None:
    html = element("p", text, element("img", alt=attribute, src=f"#{attribute}"))
    page = Page(html)
    # Parsers make one line break of \r\n and of \r, and browsers do not show the difference.
    assert page.text.replace("\r\n", "\n").replace("\r", "\n") == readable(text).replace("\r\n", "\n").replace(
        "\r", "\n"
    )
    assert page.images[0]["alt"] == readable(attribute)
    html.encode("utf-8")


def test_html_is_not_escaped_twice_and_text_always_is() -> None:
    assert joined("a < b", Html("<b>c</b>")) == "a &lt; b<b>c</b>"
    assert escaped(escaped("&")) == "&amp;"
    # What Python joins is text again, so that nothing unescaped slips through.
    assert element("p", code("a") + "<i>") == "<p>&lt;code&gt;a&lt;/code&gt;&lt;i&gt;</p>"


def test_attributes() -> None:
    html = element("a", "x", class_="one two", aria_label='"', hidden=True, id=None, open=False)
    assert html == '<a class="one two" aria-label="&quot;" hidden>x</a>'
    assert element("br") == "<br>"


def test_backticks_mark_code() -> None:
    assert with_code("use `square`, or <b>") == "use <code>square</code>, or &lt;b&gt;"
