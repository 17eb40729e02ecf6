"""Add pairs, also of new languages, to a jointly trained model (Lin 2021, Fig. 3).

    lass extend joint/checkpoint_best.pt --data data/ --text new-text/ \\
        --pairs en-uk,uk-en --out extended/ --dense dense/checkpoint_best.pt \\
        --search-updates 2000 --updates 2000 -- --max-tokens 4096 --warmup-updates 100

Four stages, each of which is skipped where it has been done:

  extend  encodes the new text with the model's subwords, appends symbols and language
          tokens to the dictionary and rows to the embeddings (no old index moves)
  search  finds the sub-networks of the new pairs from there
  train   trains the new pairs only, once for each way of --ways:
            sub-network  their whole sub-networks, and all that no mask covers
            hold-shared  only their sub-networks and the embeddings of new symbols
            disjoint     only weights that no older pair's mask keeps, and these
                         embeddings: older pairs keep their outputs bit for bit
          and with --dense once more without masks, from a model without masks
  report  scores new and older pairs at --points checkpoints: OUT/extend.md, .json,
          .csv, curve.png, .svg, .csv; with --bilingual REPORT the picture has the
          level of models of the new pairs alone, scored by lass evaluate --system
          'bilingual=DIR/{pair}/checkpoint_best.pt'

Flags of fairseq-train after -- hold for the search and for training; all others are
those of the checkpoint. The checkpoints of a way in OUT/checkpoints/ carry the masks of
all pairs and translate with the data folder OUT/data.
"""

from lass_plugin.experiments.new_pairs.settings import ExtendSettings

HELP = "add pairs to a trained model and show what it costs the older pairs"
USAGE = (
    "lass extend CHECKPOINT --data DIR --text DIR --pairs SRC-TGT,… --out DIR "
    "[options] [-- fairseq-train flags]"
)
SETTINGS = ExtendSettings
QUIET = True


def run(settings: ExtendSettings) -> int:
    """Extend, and print the table."""
    from lass_plugin.experiments.new_pairs.report import EXTENSION, to_text
    from lass_plugin.experiments.new_pairs.run import extend

    written = extend(settings)
    if written:
        print(to_text(EXTENSION.read(written[0])))
        print(f"written to {settings.out}")
    return 0
