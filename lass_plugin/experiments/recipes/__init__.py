"""Recipes: a run of several commands, written down in one file of YAML.

The file is read (:mod:`.reading`), its variables are put in (:mod:`.words`), its stages
are multiplied by their lists and ordered by what they need (:mod:`.stages`); each
becomes a job that is kept, continued or refused by what it was made with (:mod:`.jobs`,
:mod:`.standing`). Then the stages run (:mod:`.run`), or their lines are printed
(:mod:`.lines`); on a cluster through submitit (:mod:`.cluster`).
"""
