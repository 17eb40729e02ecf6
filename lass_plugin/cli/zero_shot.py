"""Translate pairs that were never trained, without masks and under merged ones.

    lass zero-shot DATA --checkpoint joint/checkpoint_best.pt --out DIR

For X→Y the encoder takes the mask of X→en and the decoder that of en→Y, if the masks
are those of pairs with English (Lin 2021, §5.2.2); another language in between is found
or given with --through. All directions are translated at once and scored with
BLEU, chrF and on-target accuracy, the share of translations in the target language. The
test sets of such pairs are made with 'lass prepare … --test-pairs'.

--ablation also translates with each encoder mask, then each decoder mask, of the other
languages in the place of the pair's own (Lin 2021, Table 5).

DIR gets zero_shot.json, .csv and .md (ablation.… likewise), the translations, and the
merged masks in DIR/masks for fairseq-generate --inference-masks.
"""

from lass_plugin.evaluation.zero_shot_settings import ZeroShotSettings

HELP = "translate pairs never trained under merged masks"

SETTINGS = ZeroShotSettings


def run(settings: ZeroShotSettings) -> int:
    """Translate, score, and print the tables."""
    from lass_plugin.evaluation.zero_shot import zero_shot
    from lass_plugin.evaluation.zero_shot_tables import render, write

    result = zero_shot(settings)
    print(render(result), end="")
    if settings.out is not None:
        for path in write(result, settings.out):
            print(path)
    return 0
