"""Make a data folder from a task's original files, for one model.

    lass xtreme prepare xnli --data XNLI/ --model xlmr.base/ --out data/xnli
    lass xtreme prepare panx --data panx/ --model xlmr.base/ --out data/panx-all \\
        --train-languages de,en,fr --languages de,en,fr

TASK is xnli, pawsx, udpos, panx, xquad, mlqa, tydiqa, bucc2018 or tatoeba. Files are
found anywhere below DIR by the names that they were published under. The checkpoint is
chosen on English dev data, as in XTREME. A label that the task does not know, a test
file without labels and an answer that its context does not hold are named.
"""

from lass_plugin.data.xtreme.settings import XtremePreparationSettings

HELP = "a task's original files, as a model reads them"
SETTINGS = XtremePreparationSettings
QUIET = True


def run(settings: XtremePreparationSettings) -> int:
    """Prepare, and print what the folder holds."""
    from lass_plugin.data.xtreme.preparation import prepare

    record = prepare(settings)
    if not record["done"]:
        print(f"{settings.out} is prepared already; nothing to do")
        return 0
    for name, count in record["counts"].items():
        print(f"{name}: {count} examples")
    return 0
