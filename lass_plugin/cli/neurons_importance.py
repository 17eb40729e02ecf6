"""Measure the importance of every neuron for every pair.

    lass neurons importance DATA --checkpoint base.pt --sample 20000 --out importance/

One pass over the data gives all criteria at once: |∂L/∂h · h| of each position and of
each sentence (Taylor expansion, Eq. 7), |h| (Eq. 8), and how often h > 0 (Tan 2024).
Padding never counts. The result is importance.safetensors in the folder of --out. For
Tan's specialised neurons alone:

    lass neurons importance DATA --checkpoint base.pt --split valid \\
        --units ffn-hidden --criterion activation --out activation/

A run that is killed goes on when the same command is given again. Several processes,
on one machine or many, share the work with --share 1/8 … --share 8/8 and the same
--out; the last one to finish puts the parts together, and the numbers are the same.
"""

from lass_plugin.neurons.settings import MeasuringSettings

HELP = "measure the importance of every neuron for every pair"
SETTINGS = MeasuringSettings
QUIET = True


def run(settings: MeasuringSettings) -> int:
    """Measure, and say what there is."""
    from lass_plugin.experiments.importance import measure_importance
    from lass_plugin.neurons.importance import NAME

    importance = measure_importance(settings)
    if importance is None:
        number, processes = settings.share
        print(
            f"share {number}/{processes} is measured; parts of other shares are missing"
        )
        return 0
    neurons = sum(importance.neurons.values())
    sentences = sum(counts.sentences for counts in importance.counts.values())
    print(
        f"{neurons} neurons at {len(importance.neurons)} sites, "
        f"{len(importance.pairs)} pairs, {sentences} sentences: "
        f"{settings.out / NAME}"
    )
    return 0
