"""Zero-shot translation: directions never trained, under merged masks (Lin 2021).

For X→Y the encoder takes the mask of X→pivot, the decoder that of pivot→Y (§5.2.2). The
ablation (§6.3, Table 5) puts the encoder mask of every other language, then the decoder
mask of every other language, in the place of the pair's own.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lass_plugin.data import pair_data
from lass_plugin.data.data_folder import first_folder
from lass_plugin.errors import LassError
from lass_plugin.evaluation import report_file
from lass_plugin.evaluation.comparison import (
    Outputs,
    PairScores,
    Report,
    SystemScores,
    score_pair,
)
from lass_plugin.evaluation.evaluation import Evaluation, evaluate
from lass_plugin.evaluation.language_identifier import (
    ON_TARGET,
    LanguageIdentifier,
    OnTarget,
)
from lass_plugin.evaluation.systems import Saved, System
from lass_plugin.evaluation.zero_shot_settings import ZeroShotSettings
from lass_plugin.languages import Pair, languages_of
from lass_plugin.masks import MaskSet, save_masks
from lass_plugin.masks.merge import merge, merge_through

BASELINE, DENSE, MERGED = "baseline", "dense", "merged masks"
SIDES = ("encoder", "decoder")
RESULT, ABLATION = "zero_shot", "ablation"
"""Names of what is written."""


@dataclass(frozen=True)
class Scored:
    """Scores of some systems: BLEU, chrF and, with an identifier, on-target accuracy.

    Attributes:
        systems: those of the evaluation's report, all of these scores among theirs.
        limits: pair -> on-target accuracy of the references themselves: the
            identifier's own limit, which for short sentences is well below 100. Empty
            without identifier.
    """

    evaluation: Evaluation
    systems: Sequence[SystemScores]
    limits: Mapping[str, float]

    @property
    def metrics(self) -> tuple[str, ...]:
        more = (ON_TARGET,) if self.limits else ()
        return self.evaluation.report.metrics + more


@dataclass(frozen=True)
class ZeroShot:
    """Dense against merged masks; *sources* says what each mask was merged from."""

    pivot: str
    sources: dict[str, str]
    result: Scored
    ablation: Scored | None


def zero_shot(settings: ZeroShotSettings) -> ZeroShot:
    """Translate zero-shot pairs without masks and under merged ones.

    Raises:
        LassError: there are no masks to merge, a pair was trained, it has no test data,
            or the language identifier is absent or does not know a language.
    """
    checkpoint, out = settings.checkpoint, settings.out
    saved = Saved(System(MERGED, checkpoint, settings.masks))
    masks = saved.masks()
    if masks is None:
        raise LassError(
            f"{checkpoint} carries no masks to merge; give a jointly trained "
            "checkpoint, or masks with --masks"
        )
    saved.say_other_base(masks)
    trained = {*map(str, saved.trained_pairs), *masks}
    pivot = settings.through or find_pivot(masks, trained)
    pairs = choose_pairs(settings, masks, trained, pivot)
    ablated = () if settings.ablation is None else settings.ablation or tuple(pairs)
    for pair in ablated:
        if pair not in pairs:
            raise LassError(
                f"{pair} of --ablation is not among the pairs that are translated "
                f"({', '.join(map(str, pairs))}); add it to --pairs"
            )
    identifier = _identifier(settings, pairs, masks)
    merged = merge_through(masks, pairs, pivot)
    under = System(MERGED, checkpoint, merged)
    systems = [System(DENSE, checkpoint, dense=True), under]
    if settings.baseline is not None:
        baseline = System(BASELINE, settings.baseline, dense=True)
        systems = [baseline, *reversed(systems)]
    if out is not None:
        save_masks(out / "masks", merged)
    result = _score(settings, systems, pairs, out, identifier)
    if out is not None:
        _remove_earlier(out)
    ablation = None
    if ablated:
        variants = [System(MERGED, checkpoint, merged.only(map(str, ablated)))]
        variants += [
            System(name, checkpoint, replaced)
            for name, replaced in replacements(masks, ablated, pivot).items()
        ]
        folder = None if out is None else out / ABLATION
        ablation = _score(settings, variants, ablated, folder, identifier)
    sources = {key: mask.provenance.note for key, mask in merged.items()}
    return ZeroShot(pivot, sources, result, ablation)


def _remove_earlier(out: Path) -> None:
    """Remove the tables of an earlier comparison, which are not of this one's scores.

    One without an ablation writes none in the place of an earlier one.
    """
    for name in (RESULT, ABLATION):
        for ending in ("json", "csv", "md"):
            (out / f"{name}.{ending}").unlink(missing_ok=True)
    report_file.remove(out / ABLATION)


def _score(
    settings: ZeroShotSettings,
    systems: Sequence[System],
    pairs: Sequence[Pair],
    out: Path | None,
    identifier: LanguageIdentifier | None,
) -> Scored:
    how = settings.scoring.how
    evaluation = evaluate(settings.data, systems, pairs, out=out, **how)
    report, references = evaluation.report, evaluation.test_set.references
    if identifier is None:
        return Scored(evaluation, report.systems, {})
    found = score_on_target(report, evaluation.outputs, references, identifier)
    return Scored(evaluation, *found)


def score_on_target(
    report: Report,
    outputs: Sequence[Outputs],
    references: Mapping[str, Sequence[str]],
    identifier: LanguageIdentifier,
) -> tuple[list[SystemScores], dict[str, float]]:
    """Identify the language of every translation and reference.

    Returns:
        The systems of *report* with on-target accuracy among their scores and their
        differences; and pair -> that of its references.
    """
    systems = [replace(system, pairs={**system.pairs}) for system in report.systems]
    limits = {}
    for pair, lines in references.items():
        metric = OnTarget(pair, lines, identifier)
        limits[pair] = metric.score(lines).value
        scores = score_pair(pair, outputs, [metric])
        for system, more in zip(systems, scores, strict=True):
            known = system.pairs[pair]
            system.pairs[pair] = PairScores(
                known.sentences,
                known.scores | more.scores,
                known.differences | more.differences,
            )
    return systems, limits


def find_pivot(masks: MaskSet, trained: Iterable[str]) -> str:
    """The one language through which masks of untrained pairs can be merged.

    Raises:
        LassError: there is none, or more than one.
    """
    languages = languages_of(map(Pair.parse, masks))
    found = [code for code in languages if mergeable(masks, trained, code)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise LassError(
            f"the masks of {', '.join(masks)} cannot be merged for any pair that was "
            "not trained; X→Y needs the masks of X→en and en→Y (or another language "
            "than en in between)"
        )
    raise LassError(
        f"masks could be merged through {' or '.join(found)}; choose with --through"
    )


def mergeable(masks: MaskSet, trained: Iterable[str], pivot: str) -> list[Pair]:
    """Pairs X→Y that were not trained, of which X→pivot and pivot→Y have masks."""
    given, trained = [Pair.parse(key) for key in masks], set(trained)
    sources = sorted(pair.source for pair in given if pair.target == pivot)
    targets = sorted(pair.target for pair in given if pair.source == pivot)
    every = (Pair(x, y) for x in sources for y in targets if x != y)
    return [pair for pair in every if str(pair) not in trained]


def choose_pairs(
    settings: ZeroShotSettings, masks: MaskSet, trained: set[str], pivot: str
) -> list[Pair]:
    """The pairs of *settings*, checked, or all that can be merged and have data."""
    for pair in settings.pairs:
        if str(pair) in trained:
            raise LassError(
                f"{pair} was trained, so it is no zero-shot pair; leave it out of "
                "--pairs ('lass evaluate' translates it under its own mask)"
            )
    if settings.pairs:
        return list(settings.pairs)
    possible = mergeable(masks, trained, pivot)
    if not possible:
        raise LassError(
            f"no pair that was not trained can be merged through {pivot}; the masks "
            f"are of {', '.join(masks)}"
        )
    data, split = first_folder(settings.data), settings.scoring.split
    pairs = [p for p in possible if pair_data.find_split(data, split, p, p.source)]
    if not pairs:
        raise LassError(
            f"{data} has no {split} data of any zero-shot pair "
            f"({', '.join(map(str, possible))}); prepare it with 'lass prepare … "
            f"--test-pairs {possible[0]},…'"
        )
    return pairs


def replacements(
    masks: MaskSet, pairs: Sequence[Pair], pivot: str
) -> dict[str, MaskSet]:
    """Name -> the masks of *pairs* with one side taken from another language.

    ``encoder of fr-en``: every pair has that encoder mask and its own decoder mask;
    ``decoder of en-fr``: the other way round. Where French is the pair's own language,
    this is its merged mask itself.
    """
    found: dict[str, MaskSet] = {}
    for side in SIDES:
        for key, mask in masks.items():
            given, of_encoder = Pair.parse(key), side == "encoder"
            if pivot != (given.target if of_encoder else given.source):
                continue
            found[f"{side} of {key}"] = MaskSet(
                merge(mask, masks[f"{pivot}-{pair.target}"], str(pair))
                if of_encoder
                else merge(masks[f"{pair.source}-{pivot}"], mask, str(pair))
                for pair in pairs
            )
    return found


def _identifier(
    settings: ZeroShotSettings, pairs: Sequence[Pair], masks: MaskSet
) -> LanguageIdentifier | None:
    if settings.identifier == "none":
        return None
    languages = languages_of([*pairs, *map(Pair.parse, masks)])
    unknown = [code for code, _ in settings.identify_as if code not in languages]
    if unknown:
        raise LassError(
            f"--identify-as names the language {unknown[0]}, but the languages are "
            f"{', '.join(languages)}"
        )
    return LanguageIdentifier(
        sorted({pair.target for pair in pairs}),
        dict(settings.identify_as),
        languages if settings.among == "model" else None,
    )
