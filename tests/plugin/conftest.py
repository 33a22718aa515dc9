"""Packages that are installed for one test: a module and a .dist-info folder beside it, as pip leaves them."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

HEAD = "from dataclasses import dataclass\nfrom robustkit import Attack, Loss, hookimpl\n\n"
FUTURE = "from __future__ import annotations\n"
Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path, monkeypatch) -> Install:
    """`install("my-plugin", source)`: a package with one module and one entry point, both named after it.

    The source gets robustkit's usual imports in front. Everything is gone after the test.
    """
    site = tmp_path / "site-packages"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    before = set(sys.modules)

    def install(
        package: str,
        source: str,
        *,
        plugin: str | None = None,
        version: str = "1.0",
        requires: Sequence[str] = (),
    ) -> Path:
        module = package.replace("-", "_")
        file = site / f"{module}.py"
        future = FUTURE if source.startswith(FUTURE) else ""
        file.write_text(future + HEAD + textwrap.dedent(source.removeprefix(FUTURE)))
        info = site / f"{module}-{version}.dist-info"
        info.mkdir()
        required = "".join(f"Requires-Dist: {line}\n" for line in requires)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n{required}")
        entry = f"{plugin or package} = {module}"
        (info / "entry_points.txt").write_text(f"[robustkit]\n{entry}\n")
        return file

    yield install
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(site)):
            del sys.modules[name]


LOSS = '''
@dataclass(frozen=True)
class {cls}(Loss):
    """A loss of the test's."""

    name = "{name}"

    def __call__(self, logits, labels):
        return logits.sum(1)


@hookimpl
def register_losses():
    return [{cls}]
'''


@pytest.fixture
def loss_source() -> Callable[[str], str]:
    """`loss_source("name")`: the source of a plugin that brings one sound loss."""
    return lambda name: LOSS.format(cls=name.title().replace("-", ""), name=name)
