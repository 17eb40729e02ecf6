"""The one error that a user of this package is meant to see."""

DAMAGED = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
)
"""What taking values out of a file raises that is not what it should be."""


class LassError(SystemExit):
    """A user's mistake, told in one sentence that names the thing at fault.

    It derives from ``SystemExit`` on purpose: the commands of fairseq have no handler
    of their own, so this is what makes ``fairseq-train`` and the others print the
    sentence on stderr and exit with status 1 instead of showing a traceback.
    """

    def __init__(self, message: str):
        super().__init__(f"error: {message}")
        self.message = message

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return type(self), (self.message,)
