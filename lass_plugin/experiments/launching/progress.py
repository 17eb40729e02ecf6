"""What the log of a training says: how far it is, and why it failed."""

import re
from dataclasses import dataclass

_NUMBER = r'"?\s*[:=]?\s*"?([-+]?[\d.]+(?:e[-+]?\d+)?|nan|inf)'
_SETTLED = re.compile(r"search of \S+ after (\d+) updates: (.*)")
_SHARE = re.compile(r"share ([\d.]+)")
_CHANCE = re.compile(r"chance ([\d.]+)")
_OWN = re.compile(r"own ([\d.]+)")
_USERS_FAULT = re.compile(r"(?:[\w.-]+: )?error: (.+)")
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(?:Error|Exception|Interrupt)\b.*")


@dataclass
class TrainingProgress:
    """How far one training is."""

    updates: int = 0
    epochs: float = 0.0
    loss: float | None = None
    ratio: float | None = None
    """Share removed that is in use."""
    settled: float | None = None
    """How much two halves of the search agree on the mask; see ``chance``."""
    chance: float | None = None
    own: float | None = None
    """Validation loss of the weights of the search under its mask, bits a token."""

    def read(self, line: str) -> bool:
        """Take in one line of the log; False if it says nothing new."""
        if found := _SETTLED.search(line):
            self.updates = max(self.updates, int(found[1]))
            if share := _SHARE.search(found[2]):
                self.settled = float(share[1])
            if chance := _CHANCE.search(found[2]):
                self.chance = float(chance[1])
            if own := _OWN.search(found[2]):
                self.own = float(own[1])
            return True
        updates = _value(line, "num_updates") if "train_inner" in line else None
        if updates is None:
            return False
        self.updates = max(self.updates, int(updates))
        self.epochs = max(self.epochs, _value(line, "update") or 0.0)
        self.loss = _value(line, "loss")
        self.ratio = _value(line, "pruned")
        return True

    def described(self, key: str, updates: int, epochs: int = 0) -> str:
        """``de-en 40/100 loss 4.21 ratio 0.58 …``.

        Args:
            key: of the training.
            updates: planned, unless the training is counted in *epochs*.
        """
        if not self.updates:
            return f"{key} starting"
        text = f"{key} {self.updates}/{updates}"
        if epochs:
            text = f"{key} epoch {self.epochs:.1f}/{epochs}"
        if self.loss is not None:
            text += f" loss {self.loss:.2f}"
        if self.ratio is not None:
            text += f" ratio {self.ratio:.2f}"
        if self.settled is not None:
            text += f" agreement {self.settled:.2f}"
            if self.chance is not None:
                text += f" (chance {self.chance:.2f})"
        if self.own is not None:
            text += f" under its mask {self.own:.2f}"
        return text


def reason(text: str, status: int) -> str:
    """Why a search that ended with *status* failed, from what it said last.

    A sentence of :class:`~lass_plugin.errors.LassError` is given as it is; otherwise
    the exception, otherwise the last lines.
    """
    if status < 0:
        return f"it was ended by signal {-status}" + (
            " (perhaps for want of memory)" if status == -9 else ""
        )
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for pattern in (_USERS_FAULT, _EXCEPTION):
        for line in reversed(lines[-50:]):
            if found := pattern.fullmatch(line):
                return found[1] if pattern is _USERS_FAULT else line
    return " / ".join(lines[-3:]) or f"it ended with status {status}"


def _value(line: str, name: str) -> float | None:
    found = re.search(rf"(?<![\w_]){name}{_NUMBER}", line)
    return float(found[1]) if found else None
