"""The C library's memory allocator, which by default gives every large buffer back to the kernel."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # glibc's M_TRIM_THRESHOLD and M_MMAP_MAX, from malloc.h
_DEFAULTS = {_TRIM_THRESHOLD: 128 * 1024, _MMAP_MAX: 65536}
_KEPT = {_TRIM_THRESHOLD: 2**31 - 1, _MMAP_MAX: 0}


@contextmanager
def buffers_kept(*, wanted: bool) -> Iterator[bool]:
    """Within it, freed memory stays in the process, and is not faulted in anew, page by page, at every step.

    It applies to the whole process and does nothing where the C library is not glibc. Afterwards glibc's documented
    defaults hold again (mallopt(3)), though not its habit of adjusting them, and what is free goes back to the kernel.
    Yields whether it was done.
    """
    mallopt = _mallopt() if wanted else None
    if mallopt is None:
        yield False
        return
    try:
        done = [mallopt(name, value) == 1 for name, value in _KEPT.items()]
        yield all(done)
    finally:
        for name, value in _DEFAULTS.items():
            mallopt(name, value)
        ctypes.CDLL(None).malloc_trim(0)


def _mallopt() -> ctypes._NamedFuncPointer | None:
    return ctypes.CDLL(None).mallopt if platform.libc_ver()[0] == "glibc" else None
