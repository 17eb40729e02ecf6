"""Tasks that fairseq knows by name. One of a new method is three lines:

@register_task("translation_mine", dataclass=MyOptions)
class MyTask(TranslationSubnetworkTask):
    trains = MyMethod
"""
