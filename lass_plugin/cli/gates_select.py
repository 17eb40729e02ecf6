"""Choose which heads and hidden units stay, by their importance.

    lass gates select importance/ --sparsity 0.5 --out gates/
    lass gates select importance/ --dynamic --shared --out gates/

The least important ones go until the share that is left out is nearest to --sparsity;
a head weighs 4 times its width, a hidden unit 2 (Li 2022, Appendix B). With --dynamic
the gates serve every tenth: training draws one for each batch, and translation takes
--sparsity. With --shared one set of gates serves all pairs.
"""

from lass_plugin.methods.gates.settings import SelectSettings

HELP = "choose the heads and hidden units that stay"
SETTINGS = SelectSettings
QUIET = True


def run(settings: SelectSettings) -> int:
    """Select, and say what each key has."""
    from lass_plugin.methods.gates.selecting import selected, selected_for_any
    from lass_plugin.methods.gates.sets import save_gates
    from lass_plugin.methods.gates.stored_importance import load_importance

    importance = load_importance(settings.importance)
    if settings.dynamic:
        sets = selected_for_any(importance, settings.shared)
    else:
        assert settings.sparsity is not None
        sets = selected(importance, settings.sparsity, settings.shared)
    save_gates(settings.out, sets)
    for key in sets.keys if not settings.dynamic else ():
        share = sets.components.sparsity(sets.values(key))
        print(f"{key}: {share:.2%} of heads and hidden units left out")
    print(f"gates of {', '.join(sets.keys)}: {settings.out}")
    return 0
