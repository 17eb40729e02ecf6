"""Show how much gates leave out of each layer.

    lass gates show gates/
    lass gates show gates/ --sparsity 0.7
    lass gates show checkpoints/checkpoint_last.pt

For each key the weighted share of heads and hidden units that is left out, of the whole
model, of heads and of units, and of each layer (Li 2022, Fig. 3, 5 and 6). Gates for
any sparsity need --sparsity.
"""

from lass_plugin.methods.gates.settings import ShowSettings

HELP = "show the sparsity of each key and layer"
SETTINGS = ShowSettings
QUIET = True


def run(settings: ShowSettings) -> int:
    """Print a table for all keys."""
    from lass_plugin.methods.gates.carried import gates_at
    from lass_plugin.methods.gates.shares import share_rows
    from lass_plugin.records.text_tables import print_table

    sets = gates_at(settings.gates)
    print_table(share_rows(sets, settings.sparsity))
    return 0
