"""Configurations that tests make quickly are those that hydra makes."""

from pathlib import Path

import hydra.experimental
from conftest import LSLO_FLAGS, SEARCH_FLAGS
from fairseq.dataclass import utils
from in_process import training_config


def test_a_configuration_is_that_of_hydra(monkeypatch):
    other = ("--optimizer", "adam", "--lr", "0.1,0.2", "--adam-betas", "(0.5, 0.9)")
    for flags in (LSLO_FLAGS, (*SEARCH_FLAGS, "--save-dir", "a b=c.d"), other):
        once, again = (training_config(Path("data"), *flags) for _ in range(2))
        with monkeypatch.context() as stock:
            stock.setattr(utils, "compose", hydra.experimental.compose)
            slowly = training_config(Path("data"), *flags)
        assert once == again == slowly
        assert once.optimization.lr == slowly.optimization.lr


def test_one_configuration_does_not_write_into_the_next():
    once = training_config(Path("data"), "--update-freq", "3,4")
    once.optimization.update_freq.append(5)
    again = training_config(Path("data"))
    assert again.optimization.update_freq == [1]
