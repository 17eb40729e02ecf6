"""Give each pair a ratio of its own under one budget, and write the masks.

    lass allocate DATA --base base/checkpoint_best.pt --searches search \\
        --budget 0.6 --out own

The validation loss of every pair is measured under its mask at each ratio of a grid, on
the base's weights, without training. Of each pair's points the lower convex envelope is
taken; then weights are removed where a share of them costs the least loss, step by
step, until the mean ratio over the pairs is the budget. The masks are an ordinary mask
set in DIR/masks, for joint training with --masks; DIR/allocation.json, .csv, .png and
.svg show the losses and the choice.

A one-shot search gives exact masks at every ratio; for a gradual one, which trained
under another ratio, --recut accepts masks that are cut from its scores nevertheless.
'lass sweep --own-ratios' trains such masks beside those of one ratio for all pairs.
"""

from lass_plugin.experiments.sweeps.settings import OwnRatioSettings

HELP = "give each pair its own ratio under a budget"
SETTINGS = OwnRatioSettings
QUIET = True


def run(settings: OwnRatioSettings) -> int:
    """Choose the ratios, write the masks, and print a line for each pair."""
    from lass_plugin.experiments.sweeps.weight_sweep import write_own_ratios
    from lass_plugin.records.text_tables import print_table

    choice, written = write_own_ratios(settings)
    rows = [["pair", "ratio", "loss"]]
    for key, ratio in choice.ratios.items():
        rows.append([key, f"{ratio:.4f}", f"{choice.losses[key]:.4f}"])
    rows.append(["mean", f"{choice.mean_ratio:.4f}", f"{choice.mean_loss:.4f}"])
    print_table(rows)
    if choice.single is not None:
        print(f"with one ratio for all, {choice.budget:g}: {choice.single:.4f}")
    print("loss: bits a token on the validation data, before any joint training")
    for path in written:
        print(path)
    return 0
