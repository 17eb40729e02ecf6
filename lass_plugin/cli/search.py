"""Search the sub-network of every pair (phase 2), several pairs at a time.

Each pair is one run of fairseq-train that starts from the base. The architecture, the
language tokens, criterion, optimizer, learning rate and batch size are those of the
base, read from its checkpoint; flags of fairseq-train after -- replace them:

    lass search DATA --base base/checkpoint_best.pt --out search \\
        --pairs de-en,en-de --updates 80000 -- --max-tokens 16384 --dropout 0.3

The schedule has the shape of He 2023 at any length: the first twentieth of --updates is
warm-up without pruning (T1), nine twentieths ramp up (T2), the rest is trained at the
full ratio. The rate is the base's at its peak; gradients are clipped. What was chosen,
and where flags of yours depart from what is known to work, is said on stderr. A search
that goes on keeps the schedule it began with, also where --updates has grown: its third
stage gets longer. Progress goes to stderr, the log of a pair to
DIR/PAIR/train.log, its mask to DIR/masks/PAIR.safetensors. The same command again goes
on where it was, after Ctrl-C, a crash or the end of a job's time. Of a finished search
checkpoint_last.pt is kept; 'lass extract' takes masks at other ratios from it. With
--keep scores that is all it can do, in less than a third of the bytes.

With --together all pairs are searched in one training (not by magnitude): each update
is of one pair, and the pairs share the weights that are fine-tuned, so that the search
costs as much as its --updates say, not that for each pair; --start, --ramp and
--interval count the updates of each pair. --sampling-method after -- says how often a
pair is drawn (default: uniform).

On a cluster, one pair in each task of a job array, then collect and see the table:

    sbatch --array=0-7 --gpus=1 --wrap "lass search DATA --base BASE.pt --out DIR \\
        --pairs de-en,en-de,… --array \\$SLURM_ARRAY_TASK_ID"
    lass search DATA --base BASE.pt --out DIR --pairs de-en,en-de,…

For other schedulers, --print-commands prints one line of shell for each pair.
"""

from lass_plugin.experiments.searches.settings import SearchSettings

HELP = "search the sub-network of every pair"
USAGE = (
    "lass search DATA --base BASE.pt --out DIR --pairs SRC-TGT,… [options] "
    "[-- fairseq-train flags]"
)
SETTINGS = SearchSettings
QUIET = True


def run(settings: SearchSettings) -> int:
    """Search, and print a table of the results."""
    from lass_plugin.experiments.searches.results import table
    from lass_plugin.experiments.searches.run import run_searches, search_commands

    settings = settings.of_array()
    if settings.print_commands:
        print("\n".join(search_commands(settings)))
    else:
        print(table(run_searches(settings)))
    return 0
