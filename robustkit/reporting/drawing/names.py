"""Names from files, as plots can hold them."""

from __future__ import annotations

from robustkit.reporting.markup import readable


def drawable(name: str, longest: int = 26) -> str:
    """A name on one line, without formulas, cut in its middle where it is long."""
    text = " ".join(readable(name).split())
    if len(text) > longest:
        half = (longest - 1) // 2
        text = f"{text[: longest - 1 - half]}…{text[len(text) - half :]}"
    return text.replace("$", r"\$")
