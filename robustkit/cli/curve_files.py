"""The files of curves: a plot and its figures each, none of which is ever overwritten."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robustkit.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class CurveFiles:
    """A folder to which plots go: NAME.svg and NAME.json, with `png` also NAME.png."""

    folder: Path
    png: bool = False

    def check(self, names: Iterable[str]) -> None:
        """Refuse before anything is computed.

        Raises:
            InputError: a file is there already, or the folder is none.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(f"{self.folder}: expected a folder, it is a file. Name another behind --output.")
        for path in [path for name in names for path in self._paths(name)]:
            if path.exists():
                raise InputError(f"{path}: is there already. Name another folder behind --output.")

    def write(self, name: str, figure: Figure, title: str, data: Mapping[str, Any]) -> list[Path]:
        """Write the plot and its figures; returns the paths."""
        import json

        from robustkit.engine.folder import make_folder
        from robustkit.models.files import write_text
        from robustkit.reporting.drawing import png, svg

        make_folder(self.folder)
        paths = self._paths(name)
        write_text(paths[0], svg(figure, title) + "\n")
        write_text(paths[1], json.dumps(data, indent=1) + "\n")
        if self.png:
            paths[2].write_bytes(png(figure))
        return paths

    def _paths(self, name: str) -> list[Path]:
        endings = ["svg", "json", *(["png"] if self.png else [])]
        return [self.folder / f"{name}.{ending}" for ending in endings]


def file_name(*words: str) -> str:
    """Words joined to a name that any file system takes."""
    return "-".join(re.sub(r"[^\w.+-]+", "_", word) for word in words if word)
