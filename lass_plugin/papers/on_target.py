"""Our on-target accuracy, from files of ``lass zero-shot``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lass_plugin.evaluation.language_identifier import ON_TARGET
from lass_plugin.evaluation.metrics import Score
from lass_plugin.evaluation.report_tables import signature_notes
from lass_plugin.evaluation.zero_shot_tables import ZERO_SHOT
from lass_plugin.language_families import first_code
from lass_plugin.languages import Pair
from lass_plugin.papers import figures
from lass_plugin.papers.ours import Cell, Ours, is_sure
from lass_plugin.records.fields import filled


def on_target_of(files: Sequence[Path]) -> Ours:
    """Shares of translations in the target language, in %, of each system and pair.

    Differences are to the first system, which is the baseline.

    Raises:
        LassError: a file is damaged.
    """
    ours = Ours()
    for file in files:
        found = Ours()
        with ZERO_SHOT.reading(file) as record:
            systems = filled(dict[str, dict[str, Any]], record["systems"], "systems")
            found.systems = tuple(systems)
            found.baseline = found.systems[0]
            said: list[tuple[str, Score]] = []
            for name, system in systems.items():
                for pair, scores in system["pairs"].items():
                    if ON_TARGET in scores:
                        code = f"{_codes(pair)}.{figures.ON_TARGET}"
                        cell = _cell(pair, scores[ON_TARGET])
                        found.cells[name, code] = cell
                        how = filled(str, scores[ON_TARGET]["signature"], "signature")
                        said.append((pair, Score(ON_TARGET, cell.value, how)))
            found.notes = [f"ours: {note}" for note in signature_notes(said)]
        ours.add(found, file)
    return ours


def _codes(text: str) -> str:
    pair = Pair.parse(text)
    return f"{first_code(pair.source)}-{first_code(pair.target)}"


def _cell(pair: str, score: dict[str, Any]) -> Cell:
    value = filled(float, score["value"], f"{ON_TARGET} of {pair}")
    facts: dict[str, Any] = {"metric": ON_TARGET, "pairs": pair}
    test = score["difference"]
    if test is None:
        return Cell(value, facts=facts)
    facts |= {key: test[key] for key in ("p_value", "low", "high")}
    return Cell(
        value, test["delta"], is_sure([(test["delta"], test["p_value"])]), facts
    )
