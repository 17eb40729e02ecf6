"""COMET (Rei 2020), where its package and a model of it are installed.

COMET is a trained model that reads source, translation and reference; the score of a
test set is the mean of its sentences' scores. It comes with the package
``unbabel-comet`` (the extra ``comet``), which needs numpy 1.
"""

import contextlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lass_plugin.errors import LassError
from lass_plugin.evaluation.metrics import Metric, sentences
from lass_plugin.languages import Pair

DEFAULT_MODEL = "Unbabel/wmt22-comet-da"
_BATCH_SIZE = 16


class CometModel:
    """A model of COMET by name or path, loaded when the first score is asked for.

    Args:
        name: a name of the Hugging Face hub, or the path of a ``.ckpt`` file.
        gpu: score on the first GPU.

    Raises:
        LassError: the package is not installed, or the model can be had neither here
            nor from the hub. That is found out before anything is translated.
    """

    def __init__(self, name: str = DEFAULT_MODEL, gpu: bool = False):
        self.name = name
        self._gpu = gpu
        self._package = _import_comet()
        self._path = self._find()
        self._model: Any = None

    @property
    def signature(self) -> str:
        """The model and the version of the package: neither alone fixes a score."""
        version = getattr(self._package, "__version__", "unknown")
        return f"model:{self.name}|comet:{version}"

    def scores(self, samples: list[dict[str, str]]) -> list[float]:
        """The score of each of *samples*, which have ``src``, ``mt`` and ``ref``."""
        with _quiet():
            if self._model is None:
                try:
                    self._model = self._package.load_from_checkpoint(self._path)
                except Exception as error:  # files of others: anything can be raised
                    raise LassError(
                        f"{self._path} cannot be loaded as a model of COMET "
                        f"({type(error).__name__}: {_first_line(error)}); give another "
                        "--comet-model"
                    ) from error
            found = self._model.predict(
                samples, batch_size=_BATCH_SIZE, gpus=int(self._gpu), progress_bar=False
            )
        return [float(score) for score in found.scores]

    def _find(self) -> str:
        if Path(self.name).is_file():
            return self.name
        if self.name.endswith(".ckpt"):
            raise LassError(f"there is no COMET model {self.name}; check --comet-model")
        try:
            with _quiet():
                path = str(self._package.download_model(self.name))
        except Exception as error:
            raise LassError(
                f"the COMET model {self.name} is not on this machine and cannot be "
                f"downloaded ({type(error).__name__}: {_first_line(error)}); download "
                "it where there is a network and give its .ckpt file as --comet-model, "
                "or leave COMET out of --metrics"
            ) from error
        return path


class _Comet(Metric):
    """COMET of one pair; a sentence's counts are its score and 1."""

    def __init__(
        self,
        pair: Pair,
        sources: Sequence[str],
        references: Sequence[str],
        model: CometModel,
    ):
        super().__init__("COMET", pair, len(references))
        self._sources, self._references = list(sources), list(references)
        self._model = model

    @property
    def signature(self) -> str:
        return self._model.signature

    def value(self, totals: np.ndarray) -> float:
        return float(totals[0] / totals[1])

    def _rows(self, hypotheses: list[str]) -> list[list[float]]:
        three = zip(self._sources, hypotheses, self._references, strict=True)
        samples = [{"src": src, "mt": mt, "ref": ref} for src, mt, ref in three]
        return [[score, 1.0] for score in self._model.scores(samples)]


def comet(
    pair: Pair | str,
    sources: Sequence[str],
    references: Sequence[str],
    model: CometModel,
) -> Metric:
    """COMET with *model*; the score of a test set is the mean over its sentences.

    Raises:
        LassError: there are not as many sources as references.
    """
    pair = Pair.parse(str(pair))
    before = sentences(sources, "sources", pair)
    after = sentences(references, "references", pair)
    if len(before) != len(after):
        raise LassError(
            f"{pair} has {len(before)} sources for {len(after)} references; COMET "
            "needs both line for line"
        )
    return _Comet(pair, before, after, model)


def _import_comet() -> Any:
    try:
        with _quiet():
            import comet
    except ImportError as error:
        missing = getattr(error, "name", None) or "comet"
        what = "is not installed" if missing == "comet" else f"lacks {missing}"
        raise LassError(
            f"COMET needs the package unbabel-comet, which {what}; install it with "
            'pip install "lass-plugin[comet]", or leave COMET out of --metrics'
        ) from error
    if not hasattr(comet, "load_from_checkpoint"):
        raise LassError(
            "another package called comet is installed in the place of unbabel-comet; "
            'install that with pip install "lass-plugin[comet]"'
        )
    return comet


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no reason given"])[0].strip("'\". ")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the lines that COMET's libraries print about themselves off the terminal."""
    loggers = [logging.getLogger(name) for name in ("pytorch_lightning", "lightning")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
