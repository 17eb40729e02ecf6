"""The nine tasks of XTREME (Hu 2020), read from the original files of each data set.

* tasks: what the tasks are: languages, labels, settings of XTREME's own scripts.
* files: which file of a folder holds which split and language.
* pairs, tagging, questions, retrieval: what the files hold, strictly.
* corpus: a task's folder, by split and language.
"""
