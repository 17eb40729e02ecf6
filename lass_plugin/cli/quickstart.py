"""From nothing to masks, a jointly trained model and its scores, on real text.

Without --data it collects the translations that four web packages ship (Django,
Wagtail, Django REST framework, django CMS; BSD licence): English to and from German,
Dutch, Spanish and Italian. About a quarter of an hour on two cores.

A second run uses what is there; an interrupted one goes on.
"""

from lass_plugin.experiments.quickstart.recipe import QuickstartSettings

HELP = "the whole way on a small corpus of real text"
SETTINGS = QuickstartSettings


def run(settings: QuickstartSettings) -> int:
    """Run the quick start."""
    from lass_plugin.experiments.quickstart.run import quickstart

    quickstart(settings)
    return 0
