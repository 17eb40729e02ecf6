"""The one error that a user of this package is meant to see."""

import re

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


class LassError(SystemExit):
    """A user's mistake, told in one sentence that names the thing at fault.

    It derives from ``SystemExit`` on purpose: the commands of fairseq have no handler
    of their own, so this is what makes ``fairseq-train`` and the others print the
    sentence on stderr and exit with status 1 instead of showing a traceback.

    Names and values in it may come out of a file of anybody: control characters are
    shown as Python writes them.
    """

    def __init__(self, message: str):
        message = _CONTROL.sub(lambda found: ascii(found[0])[1:-1], message)
        super().__init__(f"error: {message}")
        self.message = message

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return type(self), (self.message,)
