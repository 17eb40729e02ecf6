"""What the quick start ends with: sentences, places and what to run next."""

from collections.abc import Sequence
from pathlib import Path

from lass_plugin.evaluation.evaluation import Evaluation
from lass_plugin.evaluation.telling import telling
from lass_plugin.experiments.quickstart.recipe import Recipe
from lass_plugin.languages import Pair


def example_sentences(evaluation: Evaluation, width: int = 96) -> str:
    """One sentence of the test set a direction, as each system translated it."""
    blocks = []
    test_set = evaluation.test_set
    for pair, references in test_set.references.items():
        (number,) = telling(references)
        lines = [
            ("source", test_set.sources[pair][number]),
            ("reference", references[number]),
            *(
                (outputs.name, outputs.hypotheses[pair][number])
                for outputs in evaluation.outputs
            ),
        ]
        label = max(len(name) for name, _ in lines)
        blocks.append(
            "\n".join(
                [str(pair)]
                + [f"  {name:<{label}}  {_cut(text, width)}" for name, text in lines]
            )
        )
    return "\n\n".join(blocks)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def what_next(
    out: Path, data: Path, joint: Path, pairs: Sequence[Pair], recipe: Recipe
) -> str:
    """Commands that go on from here, ready to paste."""
    pair, listed = pairs[0], ",".join(map(str, pairs))
    updates = recipe.search_updates * len(pairs)
    masks, base = out / "masks", out / "checkpoints" / "base" / "checkpoint_last.pt"
    return f"""Results in {out}:
  report/scores.md, .json, .csv     the table above
  report/similarity.png, .csv       how much of their sub-networks the pairs share
  report/translations/              every translation
  masks/                            one file a pair, one bit a weight
  checkpoints/                      base, dense and joint model

What to run next:
  lass list {masks}
  lass compare {masks} --by component
  lass export {joint} --pair {pair} --out {pair}.pt
  lass search {data} --base {base} --out search-gradual \\
      --pairs {listed} --ratio {recipe.ratio:g} \\
      --together --criterion sensitivity --updates {updates}
  your own text: lass quickstart --data DIR   (train|valid|test.SRC-TGT.LANG)"""
