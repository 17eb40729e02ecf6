"""Standard streams, whatever a shell and a locale have made of them."""

import codecs
import contextlib
import logging
import os
import sys
from collections.abc import Iterator

from lass_plugin.errors import LassError

_STREAMS = (
    ("stdin", os.O_WRONLY, "r"),
    ("stdout", os.O_RDONLY, "w"),
    ("stderr", os.O_WRONLY, "w"),
)
"""How a null device takes the place of a closed stream: the wrong way round, so that
who reads or writes it is told; but for messages, which nobody can be told of."""

UNCHANGED = "lass_unchanged"
"""How to encode what is no character: the bytes of a file's name as they are, anything
else as Python writes it."""


def _unchanged(error: UnicodeError) -> tuple[str | bytes, int]:
    assert isinstance(error, UnicodeEncodeError)
    end = error.start + 1
    character = error.object[error.start : end]
    try:
        return character.encode("utf-8", "surrogateescape"), end
    except UnicodeEncodeError:
        return ascii(character)[1:-1], end


codecs.register_error(UNCHANGED, _unchanged)


def quiet_logs() -> None:
    """Let warnings be logged and nothing else; fairseq, imported later, lets that be.

    It sets logging up when it is imported, and whoever is first decides.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")


def open_streams() -> None:
    """Open standard streams that are closed; all are UTF-8 afterwards.

    The number of a closed one would be given to the next file that is opened, and what
    is printed would go there.
    """
    for number, (name, mode, kind) in enumerate(_STREAMS):
        stream = getattr(sys, name)
        if stream is None:
            _fill(number, mode)
            stream = open(number, kind, encoding="utf-8", closefd=False)
            setattr(sys, name, stream)
    encode_streams()


def encode_streams() -> None:
    """Let standard streams be UTF-8, as all files are, whatever the locale says."""
    for name, *_ in _STREAMS:
        stream = getattr(sys, name)
        if hasattr(stream, "reconfigure"):  # nothing that a test has put there
            errors = "surrogateescape" if name == "stdin" else UNCHANGED
            stream.reconfigure(encoding="utf-8", errors=errors)


def _fill(number: int, mode: int) -> None:
    try:
        os.fstat(number)
    except OSError:  # nothing has this number
        null = os.open(os.devnull, mode)
        if null != number:
            os.dup2(null, number)
            os.close(null)


def lines_of_input() -> Iterator[bytes]:
    """The lines of standard input.

    Raises:
        LassError: it is closed, a folder, or of a device that fails.
    """
    try:
        yield from sys.stdin.buffer
    except OSError as error:
        raise LassError(
            f"standard input cannot be read ({error.strerror}); give lines with "
            "'< FILE' or a pipe"
        ) from error


def output_fails() -> bool:
    """Whether what was printed cannot be written: the disk is full, or it is closed."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        return True
    return False


def discard_output() -> None:
    """Send to nowhere what waits to be printed, so that ending does not fail at it."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
