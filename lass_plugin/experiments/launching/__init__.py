"""Trainings of fairseq in processes of their own.

The base's options become flags, devices say what a training runs on, a job is one
training with its stage and log, a queue runs many, and a console shows how far they
are. Searches, sweeps, extensions, the quick start run theirs so.
"""
