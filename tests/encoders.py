"""Made-up text of single languages, and flags of small encoders."""

import random
from pathlib import Path

from conftest import ROOT

LANGUAGES = {"de": 120, "en": 60, "sw": 12}
"""Language -> sentences of training."""

ENCODER_FLAGS = (
    f"--user-dir {ROOT / 'lass_plugin'} --task masked_lm_languages --arch roberta "
    "--encoder-layers 2 --encoder-embed-dim 16 --encoder-ffn-embed-dim 32 "
    "--encoder-attention-heads 2 --max-positions 32 --tokens-per-sample 32 "
    "--dropout 0.1 --criterion masked_lm --lr 0.01 --lr-scheduler inverse_sqrt "
    "--warmup-updates 5 --clip-norm 1.0 --max-tokens 160 --optimizer strict_adam --cpu "
    "--num-workers 0 --no-progress-bar --log-interval 5 --seed 3"
).split()


def write_text(folder: Path) -> None:
    """Text in which every word begins with the name of its language."""
    generator = random.Random(1)
    for code, count in LANGUAGES.items():
        for split, lines in (("train", count), ("valid", 9)):
            with open(folder / f"{split}.{code}", "w") as file:
                for _ in range(lines):
                    file.write(
                        " ".join(
                            _word(code, generator)
                            for _ in range(generator.randint(2, 9))
                        )
                        + "\n"
                    )


def _word(code: str, generator: random.Random) -> str:
    return code + "".join(generator.choice("abcdef") for _ in range(2))
