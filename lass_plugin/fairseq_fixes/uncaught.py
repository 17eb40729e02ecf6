"""What fairseq's commands leave to Python: the traceback of an error of the system.

Symptom: a hundred lines that end in ``MemoryError``, ``can't allocate memory``, ``No
space left on device`` or ``KeyboardInterrupt``; what is not ASCII cannot be printed
where the locale has no UTF-8. A training without ``--arch`` ends in ``RuntimeError``.
"""

import sys
from types import TracebackType

from lass_plugin.errors import of_the_system
from lass_plugin.streams import encode_streams


def _hook(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    said = "interrupted" if kind is KeyboardInterrupt else of_the_system(error)
    if kind is RuntimeError and not error.args and _parses(trace):
        said = "no model is given; add --arch transformer, or another of fairseq's"
    if said is None:
        sys.__excepthook__(kind, error, trace)
    else:
        print(f"error: {said}", file=sys.stderr)


def _parses(trace: TracebackType | None) -> bool:
    """Whether an error is raised by fairseq's reading of its options."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code.co_name == "parse_args_and_arch"


def end_in_a_sentence() -> None:
    """Say in one sentence what the system refused; print UTF-8 in every locale."""
    encode_streams()
    if sys.excepthook is sys.__excepthook__:  # else a debugger has its own
        sys.excepthook = _hook
