"""The nine tasks: kind, languages, labels, lengths (Hu 2020; Li 2022, §5.1)."""

from dataclasses import dataclass

from lass_plugin.errors import LassError

PAIRS, TAGS, SPANS = "pairs", "tags", "spans"
MINING, NEAREST = "mining", "nearest"
RETRIEVAL = (MINING, NEAREST)
"""Kinds without a training."""


@dataclass(frozen=True)
class Task:
    """One task of XTREME.

    Attributes:
        name: as in files and options.
        title: as the paper's Table 1 has it.
        kind: of its examples and its head.
        languages: those of XTREME, English among them where it is tested.
        metrics: what it is scored with; the first one is its score, where it has two
            (F1 and EM) both are.
        labels: of pairs and tags.
        length: most tokens of an example, begin and ends included.
    """

    name: str
    title: str
    kind: str
    languages: tuple[str, ...]
    metrics: tuple[str, ...]
    labels: tuple[str, ...] = ()
    length: int = 128

    @property
    def trains(self) -> bool:
        """Whether a head is trained for it."""
        return self.kind not in RETRIEVAL


UPOS = (
    "ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X"
).split()
IOB2 = "O B-PER I-PER B-ORG I-ORG B-LOC I-LOC".split()

_POS = (
    "af ar bg de el en es et eu fa fi fr he hi hu id it ja kk ko mr nl pt ru ta te th "
    "tl tr ur vi yo zh"
)
_PANX = (
    "af ar bg bn de el en es et eu fa fi fr he hi hu id it ja jv ka kk ko ml mr ms my "
    "nl pt ru sw ta te th tl tr ur vi yo zh"
)
_TATOEBA = (
    "af ar bg bn de el es et eu fa fi fr he hi hu id it ja jv ka kk ko ml mr nl pt ru "
    "sw ta te th tl tr ur vi zh"
)
_XNLI = "ar bg de el en es fr hi ru sw th tr ur vi zh"
_QA = ("F1", "EM")


def _task(
    name: str, title: str, kind: str, languages: str, metrics: tuple[str, ...], **more
) -> Task:
    return Task(name, title, kind, tuple(languages.split()), metrics, **more)


TASKS = {
    task.name: task
    for task in (
        _task(
            "xnli",
            "XNLI",
            PAIRS,
            _XNLI,
            ("accuracy",),
            labels=("contradiction", "entailment", "neutral"),
        ),
        _task(
            "pawsx",
            "PAWS-X",
            PAIRS,
            "de en es fr ja ko zh",
            ("accuracy",),
            labels=("0", "1"),
        ),
        _task("udpos", "POS", TAGS, _POS, ("F1", "accuracy"), labels=tuple(UPOS)),
        _task("panx", "NER", TAGS, _PANX, ("F1", "accuracy"), labels=tuple(IOB2)),
        _task(
            "xquad", "XQuAD", SPANS, "ar de el en es hi ru th tr vi zh", _QA, length=384
        ),
        _task("mlqa", "MLQA", SPANS, "ar de en es hi vi zh", _QA, length=384),
        _task("tydiqa", "TyDiQA", SPANS, "ar bn en fi id ko ru sw te", _QA, length=384),
        _task("bucc2018", "BUCC", MINING, "de fr ru zh", ("F1",), length=512),
        _task("tatoeba", "Tatoeba", NEAREST, _TATOEBA, ("accuracy",), length=512),
    )
}
"""Name -> task, in the order of the paper's Table 1."""


def task_of(name: str) -> Task:
    """The task called *name*.

    Raises:
        LassError: there is no such task.
    """
    if name not in TASKS:
        raise LassError(
            f"'{name}' is no task of XTREME; choose from {', '.join(TASKS)}"
        )
    return TASKS[name]
