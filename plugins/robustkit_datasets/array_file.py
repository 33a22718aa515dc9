"""One array in a file: where it lies and how it is read, without ever running what the file holds."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from robustkit.errors import DataError, did_you_mean, known

SUFFIXES = (".npz", ".safetensors", ".npy")
READABLE = (
    "bool",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "int8",
    "int16",
    "int32",
    "int64",
    "float16",
    "float32",
    "float64",
)


@dataclass(frozen=True)
class ArrayFile:
    """A `.npy` file, or the array under `key` in a `.npz` or `.safetensors` file.

    Both methods raise DataError, which names the file, where it is missing, damaged or holds no such array of numbers.
    """

    path: Path
    key: str = ""

    def __str__(self) -> str:
        """The file, and the key where it has one."""
        return f"{self.path}: {self.key!r}" if self.key else str(self.path)

    def shape(self) -> tuple[int, ...]:
        """The array's shape; its values are not read."""
        with self._failures():
            if self.path.suffix == ".safetensors":
                with safe_open(self.path, framework="pt") as file:
                    self._check_key(list(file.keys()))
                    return tuple(file.get_slice(self.key).get_shape())
            with self._open() as stream:
                return self._header(stream)[0]

    def read(self) -> Tensor:
        """The array, in the machine's byte order."""
        with self._failures():
            if self.path.suffix == ".safetensors":
                with safe_open(self.path, framework="pt") as file:
                    self._check_key(list(file.keys()))
                    tensor: Tensor = file.get_tensor(self.key)
                    return tensor
            return torch.from_numpy(self._read_numpy())

    def _read_numpy(self) -> numpy.ndarray:
        with self._open() as stream:
            _, dtype = self._header(stream)
        with self._open() as stream:
            array: numpy.ndarray = numpy.lib.format.read_array(stream, allow_pickle=False)
        return array.astype(dtype, copy=False)

    def _header(self, stream: IO[bytes]) -> tuple[tuple[int, ...], numpy.dtype]:
        """Shape and type, in the machine's byte order, from a .npy stream's first bytes."""
        version = numpy.lib.format.read_magic(stream)
        read = numpy.lib.format.read_array_header_1_0 if version == (1, 0) else numpy.lib.format.read_array_header_2_0
        shape, _, dtype = read(stream)
        if dtype.hasobject:
            raise DataError(
                f"{self}: holds Python objects (dtype object). Unpickling them could run any code. "
                "Save one plain array of numbers; images of different sizes must be brought to one size first."
            )
        if dtype.name not in READABLE:
            raise DataError(f"{self}: expected an array of numbers, got dtype {dtype}.")
        return shape, dtype.newbyteorder("=")

    @contextmanager
    def _open(self) -> Iterator[IO[bytes]]:
        if self.path.suffix == ".npy":
            with self.path.open("rb") as stream:
                yield stream
            return
        with zipfile.ZipFile(self.path) as archive:
            self._check_key([name.removesuffix(".npy") for name in archive.namelist()])
            with archive.open(f"{self.key}.npy") as stream:
                yield stream

    def _check_key(self, keys: list[str]) -> None:
        if self.key not in keys:
            raise DataError(f"{self.path}: has no array {self.key!r}.{did_you_mean(self.key, keys)} {known(keys)}")

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Name the file in whatever its reading raises."""
        if not self.path.exists():
            here = "" if self.path.is_absolute() else f" A relative path starts at the working directory, {Path.cwd()}."
            raise DataError(f"{self.path}: there is no such file.{here}")
        if self.path.is_dir():
            raise DataError(f"{self.path}: expected a file, this is a folder.")
        if not os.access(self.path, os.R_OK):
            raise DataError(f"{self.path}: may not be read (its permissions forbid it).")
        try:
            yield
        except MemoryError as error:
            raise DataError(f"{self}: does not fit into memory: {error}.") from error
        except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error, SafetensorError) as error:
            text = " ".join(str(error).split()).rstrip(".")
            raise DataError(f"{self}: damaged, or no {self.path.suffix} file: {text}.") from error
