"""Translate without some neurons, drawn at random: what does each pair lose?

    lass neurons erase DATA --checkpoint joint/checkpoint_best.pt --allocation masks/ \\
        --general 0.2 --specific 0.5 --seed 1,2,3 --out DIR

Erased, each by itself, are --general of the general neurons of every site; for each
pair --specific of its specific neurons of every site; and, as a control, as many
specific neurons that this pair does not have. An erased neuron leaves the masks of all
pairs, and all pairs are translated and compared with the whole model (Xie 2021, §5.4,
Fig. 5).

DIR gets erasure.json, .draws.csv (each draw), .csv (their means), .md and the picture
erasure.png and .svg, and what 'lass evaluate' writes. A run that is killed goes on when
the same command is given again; more seeds or pairs translate only what is new.
"""

from lass_plugin.neurons.settings import ErasureSettings

HELP = "translate without some general or specific neurons"
SETTINGS = ErasureSettings


def run(settings: ErasureSettings) -> int:
    """Translate, score, print the tables and write them."""
    from lass_plugin.neurons.erasure import erase
    from lass_plugin.neurons.erasure_report import record_of, to_text, write

    record = record_of(erase(settings))
    print(to_text(record), end="")
    for path in write(record, settings.out):
        print(path)
    return 0
