"""Measure the importance of every head and hidden unit for every pair or language.

    lass gates importance DATA --checkpoint base.pt --out importance/
    lass gates importance DATA --checkpoint xlmr.base/model.pt \\
        --on heads,units,ranks --out importance/

Eq. 4 of Li 2022: |headᵀ ∂L/∂head|, the mean over sentences or batches of the validation
data; of an encoder alone over samples of text of which some tokens are masked, and
ranks of its embedding can be measured, too. The result is
component_importance.safetensors in the folder of --out.
"""

from lass_plugin.methods.gates.settings import ImportanceSettings

HELP = "measure the importance of every head and hidden unit for every key"
SETTINGS = ImportanceSettings
QUIET = True


def run(settings: ImportanceSettings) -> int:
    """Measure, and say what there is."""
    from lass_plugin.experiments.gate_importance import measure_gates
    from lass_plugin.methods.gates.stored_importance import NAME

    found = measure_gates(settings)
    print(
        f"{found.components.total} components at {len(found.components.counts)} sites, "
        f"{len(found.rows)} keys: {settings.out / NAME}"
    )
    return 0
