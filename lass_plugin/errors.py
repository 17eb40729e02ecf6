"""The one error that a user of this package is meant to see."""

import contextlib
import errno
import re
import sys
from collections.abc import Iterator
from typing import Any

DAMAGED = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
)
"""What taking values out of a file raises that is not what it should be."""

_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""What moves a terminal's cursor or turns text around; lines may end."""


_SAID = re.compile(
    "can't allocate memory|cannot allocate memory|not enough memory|out of memory"
    "|bad_alloc|alloc_failed|failed to map segment",
    re.IGNORECASE,
)
"""How torch, its libraries and the loader of shared libraries say so."""


def lacks_memory(error: BaseException) -> bool:
    """Whether *error* says that there was not enough memory, here or on a GPU."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if isinstance(error, RuntimeError | ImportError):
        return bool(_SAID.search(str(error)))
    return isinstance(error, MemoryError)


NO_MEMORY = (
    "there is not enough memory; close other programs, give smaller batches "
    "(--max-tokens) or take a larger machine (files that were written are whole)"
)


class LassError(SystemExit):
    """A user's mistake, told in one sentence that names the thing at fault.

    It derives from ``SystemExit`` on purpose: the commands of fairseq have no handler
    of their own, so this is what makes ``fairseq-train`` and the others print the
    sentence on stderr and exit with status 1 instead of showing a traceback.

    Names and values in it may come out of a file of anybody: control characters are
    shown as Python writes them. A file that could not be read for want of memory is not
    called damaged.
    """

    def __init__(self, message: str):
        handled = sys.exc_info()[1]
        if handled is not None and " memory" not in message and lacks_memory(handled):
            message = NO_MEMORY
        message = _CONTROL.sub(lambda found: ascii(found[0])[1:-1], message)
        super().__init__(f"error: {message}")
        self.message = message

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return type(self), (self.message,)


@contextlib.contextmanager
def naming_damage(what: str, where: Any, advice: str) -> Iterator[None]:
    """Name the file in whatever goes wrong with a part of it.

    Args:
        what: is read, the beginning of the sentence: "the masks in a.pt".
        where: it stands, a part of *what*.
        advice: the end of the sentence.
    """
    try:
        yield
    except LassError as error:
        if str(where) in error.message:
            raise
        raise LassError(f"{where}: {error.message}") from error
    except (*DAMAGED, RuntimeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise LassError(f"{what} cannot be read ({reason}); {advice}") from error


def of_the_system(error: BaseException) -> str | None:
    """What memory, disks or permissions have refused, as a sentence; else None."""
    if lacks_memory(error):
        return NO_MEMORY
    if isinstance(error, OSError) and error.errno is not None:
        about = f"{error.filename}: " if error.filename is not None else ""
        return f"{about}{error.strerror or error}; files that were written are whole"
    return None
