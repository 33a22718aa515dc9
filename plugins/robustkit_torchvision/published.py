"""What the published data sets share: files below a root, found, downloaded whole or not at all, and checked."""

from __future__ import annotations

import http.client
import shutil
import tarfile
import zlib
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from torch import Tensor

from robustkit import Dataset, Examples, TensorExamples
from robustkit.components.dataset import Split
from robustkit.errors import DataError

DOWNLOAD_FAILURES = (OSError, RuntimeError, EOFError, http.client.HTTPException, tarfile.TarError, zlib.error)
"""What torchvision, network, disk and archives raise: `URLError` is an OSError, a wrong MD5 a RuntimeError."""


@dataclass(frozen=True)
class Holdings:
    """The files of a data set; paths are relative to its root."""

    files: Mapping[str, str | None]
    """What must be there to read it, with each file's published MD5 where there is one."""
    archives: Mapping[str, str]
    """Where torchvision puts each file that it downloads, and the file's address."""
    download: Callable[[Path], object]
    """Downloads and unpacks all of it into an empty folder."""

    def missing(self, root: Path) -> list[str]:
        """The files that are not there."""
        return [file for file in self.files if not (root / file).is_file()]

    def damaged(self, root: Path) -> list[str]:
        """The files that are there but are not the published ones."""
        from torchvision.datasets.utils import check_integrity

        return [file for file, md5 in self.files.items() if md5 and not check_integrity(root / file, md5)]

    def fetch(self, root: Path) -> None:
        """Put the missing files below `root`: each appears whole and checked; the others stay untouched."""
        root.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".robustkit-download-", dir=root) as temporary:
            for file in self.archives:
                if (root / file).is_file():  # torchvision unpacks it without the network if its MD5 is right
                    (Path(temporary) / file).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(root / file, Path(temporary) / file)
            self.download(Path(temporary))
            for file in self.missing(root):
                (root / file).parent.mkdir(parents=True, exist_ok=True)
                (Path(temporary) / file).replace(root / file)


@dataclass(frozen=True)
class Published(Dataset):
    """A published data set in torchvision's folder layout; pixels stay uint8 in memory."""

    root: str = "data"
    """Folder of the files, as torchvision lays them out; starts at the working directory, `~` is the home folder."""
    download: bool = True
    """Download files that are missing. An archive that already lies in the folder is unpacked without the network."""

    @abstractmethod
    def holdings(self, split: Split) -> Holdings:
        """The files that hold the split."""

    @abstractmethod
    def read(self, root: Path, split: Split) -> tuple[Tensor, Tensor, Sequence[str]]:
        """Images (N, C, H, W) as uint8, labels (N,) and class names from the files, which are there."""

    def load(self, split: Split) -> Examples:
        """All examples of a split, in the published order."""
        root, holdings = Path(self.root).expanduser(), self.holdings(split)
        self._ensure(root, holdings)
        try:
            images, labels, names = self.read(root, split)
        except OSError as error:
            raise DataError(f"{self.name}: the files in {root} cannot be read: {_one_line(error)}.") from error
        except RuntimeError as error:
            raise DataError(self._damaged(root, holdings, error)) from error
        return TensorExamples(images, labels, names, origin=f"{self.name} ({split}) in {root}")

    def _ensure(self, root: Path, holdings: Holdings) -> None:
        missing = holdings.missing(root)
        if missing and not self.download:
            raise DataError(self._missing(root, holdings, missing, "`download` is false."))
        if missing:
            try:
                holdings.fetch(root)
            except DOWNLOAD_FAILURES as error:
                why = f"they could not be downloaded: {type(error).__name__}: {_one_line(error)}."
                raise DataError(self._missing(root, holdings, missing, why)) from error

    def _missing(self, root: Path, holdings: Holdings, missing: list[str], why: str) -> str:
        sources = ", ".join(f"{url} as {root / file}" for file, url in holdings.archives.items())
        return (
            f"{self.name}: {len(missing)} of {len(holdings.files)} files are not in {root.absolute()} "
            f"({', '.join(missing)}), and {why} To place them by hand, save {sources}; with `download: true` that is "
            "all, archives are unpacked without the network. Or set `root` to the folder that has them."
        )

    def _damaged(self, root: Path, holdings: Holdings, error: Exception) -> str:
        damaged = [str(root / file) for file in holdings.damaged(root)]
        if not damaged:
            return f"{self.name}: the files in {root} cannot be read: {_one_line(error)}."
        return (
            f"{self.name}: {', '.join(damaged)}: not the published content (the MD5 differs), so nothing was opened. "
            "Remove it to have it downloaded again."
        )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
