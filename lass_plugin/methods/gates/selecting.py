"""Gate sets made of importance."""

from lass_plugin.methods.gates.dynamic import TENTHS, slopes_of
from lass_plugin.methods.gates.hard_concrete import HardConcrete
from lass_plugin.methods.gates.ranking import keep_most_important
from lass_plugin.methods.gates.sets import DYNAMIC, FIXED, SHARED, GateSets
from lass_plugin.methods.gates.stored_importance import ComponentImportance


def selected(
    importance: ComponentImportance, sparsity: float, shared: bool = False
) -> GateSets:
    """Gates of 0 and 1 of every key, or one set that serves all (§4.1)."""
    components = importance.components
    rows = {}
    for key in _keys(importance, shared):
        gates = keep_most_important(components, importance.of(key), sparsity)
        rows[key] = {"open": components.joined(gates).bool()}
    note = {**_note(importance), "sparsity": sparsity}
    return GateSets(FIXED, components, rows, importance.base, note=note)


def selected_for_any(importance: ComponentImportance, shared: bool = False) -> GateSets:
    """Gates for any sparsity (§6.1, Appendix D)."""
    gate, rows = HardConcrete(), {}
    for key in _keys(importance, shared):
        found = slopes_of(importance.components, importance.of(key), TENTHS, gate)
        rows[key] = {
            "offset": found.offsets,
            "slope": found.slopes,
            "size": found.sizes,
        }
    return GateSets(
        DYNAMIC,
        importance.components,
        rows,
        importance.base,
        gate,
        TENTHS,
        _note(importance),
    )


def _keys(importance: ComponentImportance, shared: bool) -> list[str]:
    return [SHARED] if shared else list(importance.rows)


def _note(importance: ComponentImportance) -> dict[str, str]:
    return {"granularity": importance.granularity, "measured": importance.note}
