"""Made-up text of single languages, and flags of small encoders."""

import random
from pathlib import Path

import torch
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


def encoder_flags(*given: object) -> list[str]:
    """The flags of a small encoder, those of *given* in place of others."""
    flags, texts = list(ENCODER_FLAGS), [str(flag) for flag in given]
    for name in {text for text in texts if text.startswith("--")} & set(flags):
        place = flags.index(name)
        del flags[place : place + 2]
    return [*flags, *texts]


def as_public(weights: dict) -> dict:
    """Weights by the names that the public ``xlmr.base`` has."""
    old = {}
    for name, weight in weights.items():
        place = "decoder" + name.removeprefix("encoder")
        place = place.replace("layernorm_embedding", "emb_layer_norm")
        first, part, kind = name.partition(".self_attn.q_proj.")
        if part:
            own = [weights[f"{first}.self_attn.{each}_proj.{kind}"] for each in "qkv"]
            start = place.partition(".self_attn.")[0]
            old[f"{start}.self_attn.in_proj_{kind}"] = torch.cat(own)
        elif ".k_proj." not in name and ".v_proj." not in name:
            old[place] = weight
    return old
