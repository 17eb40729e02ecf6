"""SentencePiece's model files, written from pieces and their scores."""

import struct
from collections.abc import Collection, Sequence

_NORMAL, _UNKNOWN, _CONTROL = 1, 2, 3
"""Types of pieces, of which a piece that states none has the first."""
_PIECES = 1
"""Number of the field of a model that holds a piece."""


def unigram_model(pieces: Sequence[tuple[str, float]]) -> bytes:
    """A unigram model of *pieces* with XLM-R's normalization (``nmt_nfkc``).

    ``<unk>``, ``<s>`` and ``</s>`` come before them, as SentencePiece has them. What
    else a model file says is that of a small one that is trained for it.

    Args:
        pieces: piece and log-probability.
    """
    own = [
        _piece("<unk>", 0.0, _UNKNOWN),
        _piece("<s>", 0.0, _CONTROL),
        _piece("</s>", 0.0, _CONTROL),
    ]
    normal = [_piece(piece, score) for piece, score in pieces]
    return b"".join(_field(_PIECES, each) for each in own + normal) + _rest()


def without_pieces(model: bytes, gone: Collection[str]) -> bytes:
    """A model without the normal pieces among *gone*.

    Control pieces and the unknown one stay, and so does all else that it says. Text
    whose best split has none of them is split as before.
    """
    parts = []
    for number, start, end in _fields(model):
        field = model[start:end]
        if number == _PIECES:
            piece, kind = _read_piece(field)
            if kind == _NORMAL and piece in gone:
                continue
        parts.append(field)
    return b"".join(parts)


def _rest() -> bytes:
    """How text is normalized and the special pieces are numbered."""
    from lass_plugin.data.subwords import train_sentencepiece

    small = train_sentencepiece(["a b", "b a"], 6, 1.0)
    return b"".join(
        small[start:end] for number, start, end in _fields(small) if number != _PIECES
    )


def _piece(piece: str, score: float, kind: int | None = None) -> bytes:
    content = _field(1, piece.encode()) + b"\x15" + struct.pack("<f", score)
    return content if kind is None else content + bytes([3 << 3, kind])


def _field(number: int, content: bytes) -> bytes:
    """A field of bytes as protobuf writes it."""
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    parts = []
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])


def _read_piece(field: bytes) -> tuple[str, int]:
    """Text and type of a piece, of the field that holds it: text, score, type."""
    _, place = _read_varint(field, 0)
    size, place = _read_varint(field, place)
    end, text, kind = place + size, "", _NORMAL
    while place < end:
        tag, place = _read_varint(field, place)
        form = tag & 7
        if form == 5:  # a score
            place += 4
            continue
        value, place = _read_varint(field, place)
        if form == 2:
            text = field[place : place + value].decode()
            place += value
        else:
            kind = value
    return text, kind


def _fields(message: bytes) -> list[tuple[int, int, int]]:
    """(number, start, end) of each field, all of which are bytes in a model."""
    found, place = [], 0
    while place < len(message):
        start = place
        tag, place = _read_varint(message, place)
        length, place = _read_varint(message, place)
        place += length
        found.append((tag >> 3, start, place))
    return found


def _read_varint(message: bytes, place: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = message[place]
        number |= (byte & 127) << shift
        place += 1
        shift += 7
        if byte < 128:
            return number, place
