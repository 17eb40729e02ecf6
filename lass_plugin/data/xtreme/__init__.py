"""Examples of the nine XTREME tasks as a model reads them.

* pieces: text as a model's symbols, and the characters that each stands for.
* features: examples as symbols with labels, cut to the model's length.
* stored: the files of a prepared folder.
* preparation, settings: ``lass xtreme prepare``.
* dataset: batches of one language.
"""
