"""Compare pruning ratios: masks, joint training, scores, one table and one curve.

    lass sweep DATA --base base/checkpoint_best.pt --searches search --out sweep \\
        --updates 40000 -- --max-tokens 8192

Masks at all ratios are cut from the scores of one search a pair, so nine ratios cost
one search (He 2023, Fig. 1). Each variant is then trained jointly from the base for the
same number of updates, beside the dense baseline, and all are translated and scored.
What follows -- are flags of fairseq-train; they replace the base's options, as in 'lass
search'.

The scores of a one-shot search give exact masks at every ratio, and a one-shot search
by gradient those by magnitude too (--methods gradient-oneshot,magnitude-oneshot). A
gradual search trains under its mask: give the searches of each ratio, for instance
--searches search-0.1 search-0.2 …, or accept masks cut from another with --recut.

--ablation masks attention and feed-forward alone (He 2023, Table 2), --random draws the
control, --controls others that share the overlap between pairs or the |W| profile with
the masks of each method and ratio ('lass random'), --own-ratios gives each pair a ratio
of its own ('lass allocate' says how).
--losses-only skips joint training: it measures the validation loss of the base's
weights under each mask, in minutes. That loss says what a mask costs before it is
trained, not how good the model will be.

Progress goes to stderr, the log of a training to DIR/joint/VARIANT/train.log. The same
command again goes on where it was; other ratios in the same DIR add to it.
"""

from lass_plugin.experiments.sweeps.settings import SweepSettings

HELP = "compare pruning ratios, sub-layers and random masks"
SETTINGS = SweepSettings
QUIET = True
USAGE = (
    "lass sweep DATA --base BASE.pt --searches DIR … --out DIR --updates N [options] "
    "[-- fairseq-train flags]"
)


def run(settings: SweepSettings) -> int:
    """Sweep, and print the table."""
    from lass_plugin.experiments.sweeps.tables import to_markdown
    from lass_plugin.experiments.sweeps.weight_sweep import WeightSweep

    sweep = WeightSweep(settings)
    print(to_markdown(sweep.table, sweep.run()))
    print(f"written to {settings.out}")
    return 0
