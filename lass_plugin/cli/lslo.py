"""Low-rank modules of each language in a frozen model (LSLo, Cao 2024).

    fairseq-train DATA --user-dir lass_plugin --task translation_lslo --base BASE.pt …

count        the parameters that modules of given ranks have, in both ways of counting
fit          all of the steps below and the trainings between them, in one command
placement    the index of every layer that weight learning found (Fig. 1)
estimate     what each language and matrix demands, from what pruning left of it
ranks        a plan with individual ranks under a budget, from an estimate
show         what a checkpoint holds
to-peft      the modules of one direction as a LoRA adapter of the library peft
from-peft    a checkpoint of low-rank modules from such an adapter

'lass lslo MODE --help' explains the options of each. 'lass evaluate', 'lass translate'
and 'lass export' take checkpoints of low-rank modules as they take any other.
"""

HELP = "low-rank modules of each language in a frozen model (Cao 2024)"

MODES = {
    "count": "lslo_count",
    "fit": "lslo_fit",
    "placement": "lslo_placement",
    "estimate": "lslo_estimate",
    "ranks": "lslo_ranks",
    "show": "lslo_show",
    "to-peft": "lslo_to_peft",
    "from-peft": "lslo_from_peft",
}
