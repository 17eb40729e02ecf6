"""Scores of the nine XTREME tasks (Hu 2020).

Where they differ from those of its own scripts is said in ``docs/encoders.md``.

* measured: a metric with what each example adds to it, so that systems are compared.
* answers: F1 and exact match of spans (SQuAD 1.1; MLQA's rules by language).
* tags: F1 of chunks by seqeval, and accuracy of words.
* nearest: nearest neighbours, ratio margin, threshold (Tatoeba, BUCC).
"""
