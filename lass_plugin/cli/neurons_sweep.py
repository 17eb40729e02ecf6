"""Compare shares of general neurons, thresholds, and ways to allocate neurons.

    lass neurons sweep DATA --base base.pt --importance importance/ --out sweep \\
        --general 0.8,0.9,0.95 --thresholds 0:1 --criterion taylor,absolute \\
        --by pair,source,target,separate --updates 40000 -- --max-tokens 8192

All masks are made of one file of importance. One thing is varied at a time, while the
others stay at ρ 0.9, k 0.7, pair and taylor (or, where one of these was not asked for,
at the first that was): k for every criterion (Xie 2021, Fig. 4), ρ (Table 3), and what
neurons are allocated to (Fig. 6). --grid takes everything with everything.

With --cumulative 0.8,0.9,0.95 that share takes the place of ρ and k (Tan 2024);
--criterion activation belongs to it.

Each variant is trained jointly from the base for the same number of updates, beside the
dense baseline, and all are translated and scored. Variants that keep the same neurons
are trained once; at k 0 all neurons are kept, which is the dense baseline. What follows
-- are flags of fairseq-train; they replace the base's options, as in 'lass search'.

--losses-only skips joint training: it measures the validation loss of the base's
weights under each mask, in minutes. That loss says what a mask costs before it is
trained, not how good the model will be.

sweep.md, .csv and .json have the tables, sweep.threshold.png and sweep.general.png (and
.svg) the curves over k and ρ, sweep.by.png the pairs by what neurons are allocated to
(Xie 2021, Fig. 6). Progress goes to stderr, the log of a training to
DIR/joint/VARIANT/train.log. The same command again goes on where it was; other values
in the same DIR add to it.
"""

from lass_plugin.experiments.sweeps.settings import NeuronSweepSettings

HELP = "compare shares of general neurons, thresholds and ways to allocate"
SETTINGS = NeuronSweepSettings
QUIET = True
USAGE = (
    "lass neurons sweep DATA --base BASE.pt --importance IMPORTANCE --out DIR "
    "--updates N [options] [-- fairseq-train flags]"
)


def run(settings: NeuronSweepSettings) -> int:
    """Sweep, and print the tables."""
    from lass_plugin.experiments.sweeps.neuron_sweep import NeuronSweep
    from lass_plugin.experiments.sweeps.tables import to_markdown

    sweep = NeuronSweep(settings)
    print(to_markdown(sweep.table, sweep.run()))
    print(f"written to {settings.out}")
    return 0
