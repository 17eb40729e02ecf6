"""Tasks that fairseq knows by name. One of a new method is three lines:

@register_task("translation_mine", dataclass=MyOptions)
class MyTask(TranslationSubnetworkTask):
    trains = MyMethod

and so is one of encoders, whose language keys are languages: it derives from
MaskedLmLanguagesTask, and its options from MaskedLmLanguagesConfig.
"""
