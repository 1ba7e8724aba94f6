"""The boundary of errors: whatever a payload or a model provokes leaves as an error of this project.

Decoders check what they read, and say what is wrong. This boundary is for what they have missed: it keeps the
first cause, which a program can see and a fuzzer counts.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from collagecodec.errors import CollageError, FormatError, LimitError

T = TypeVar("T")
_PROVOKED = (ArithmeticError, AssertionError, LookupError, TypeError, ValueError, struct.error, zlib.error)


class UnforeseenError(FormatError):
    """A file provoked an error that no check has foreseen; `__cause__` holds it."""


@contextmanager
def project_errors() -> Iterator[None]:
    """Turn what goes wrong in the block into errors of the project: LimitError for lack of memory.

    Errors of the project and of the operating system pass as they are.
    """
    try:
        yield
    except CollageError:
        raise
    except MemoryError as error:
        raise LimitError(
            f"there is not enough memory to decode this ({error}): ask for a smaller region or size"
        ) from error
    except _PROVOKED as error:
        raise _unforeseen(error) from error
    except BaseException as error:
        # What a library written in Rust raises when one of its assertions fails.
        if type(error).__name__ == "PanicException":
            raise _unforeseen(error) from error
        raise


def _unforeseen(error: BaseException) -> UnforeseenError:
    return UnforeseenError(
        f"the file cannot be decoded ({type(error).__name__}: {error}): it is damaged, or please report it"
    )


def guarded(items: Iterable[T]) -> Generator[T]:
    """Yield `items`; what goes wrong while they are computed leaves as by `project_errors`."""
    with project_errors():
        yield from items
