"""Losses that fairseq knows by name; a task imports those it may be trained with."""
