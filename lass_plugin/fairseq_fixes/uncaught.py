"""What fairseq's commands leave to Python: the traceback of an error of the system.

Symptom: a hundred lines that end in ``MemoryError``, ``can't allocate memory``, ``No
space left on device`` or ``KeyboardInterrupt``; what is not ASCII cannot be printed
where the locale has no UTF-8.
"""

import sys
from types import TracebackType

from lass_plugin.errors import of_the_system
from lass_plugin.streams import encode_streams


def _hook(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    said = "interrupted" if kind is KeyboardInterrupt else of_the_system(error)
    if said is None:
        sys.__excepthook__(kind, error, trace)
    else:
        print(f"error: {said}", file=sys.stderr)


def end_in_a_sentence() -> None:
    """Say in one sentence what the system refused; print UTF-8 in every locale."""
    encode_streams()
    if sys.excepthook is sys.__excepthook__:  # else a debugger has its own
        sys.excepthook = _hook
