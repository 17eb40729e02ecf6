"""Tasks that fairseq knows by name. One of a new method is three lines:

@register_task("translation_mine", dataclass=MyOptions)
class MyTask(TranslationSubnetworkTask):
    trains = MyMethod

and so is one of encoders, whose language keys are languages: it derives from
MaskedLmLanguagesTask, and its options from MaskedLmLanguagesConfig.
"""

import importlib
import pkgutil

from lass_plugin.registry import load_plugins


def register_tasks() -> None:
    """Let fairseq know every task, as it does by itself for ``--user-dir``."""
    load_plugins()
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        importlib.import_module(module.name)
