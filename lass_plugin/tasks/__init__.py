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


def register_all() -> None:
    """Import every task, as fairseq does for ``--user-dir``."""
    load_plugins()
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
