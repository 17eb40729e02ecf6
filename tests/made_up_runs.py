"""Folders of runs with given contents, for tests of what is made from them."""

import json
from dataclasses import asdict
from pathlib import Path

from made_up_reports import report_of

from lass_plugin.evaluation import report_file
from lass_plugin.evaluation.texts import write_texts
from lass_plugin.experiments.recipes.called import CALLED, NAME, Called, CalledStage
from lass_plugin.experiments.stage import STAGE
from lass_plugin.records.json_record import RecordFormat

VERSIONS = {"Python": "3.11.7", "torch": "2.13.0", "fairseq": "0.12.3.1"}
SCORES = {
    "dense": {"de-en": 20.0, "en-he": 10.0},
    "sub-networks": {"de-en": 22.5, "en-he": 9.5},
}
SVG = """<?xml version="1.0" encoding="utf-8"?>
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"
 width="72pt" height="36pt" viewBox="0 0 72 36">
 <defs><path id="mark" d="M 0 0 L 1 1"/><clipPath id="box"><rect width="9" height="9"/>
 </clipPath></defs>
 <g clip-path="url(#box)"><use xlink:href="#mark" x="3" style="fill: url( #mark )"/></g>
 <text x="1" y="2" style="font: 10px sans">de &amp; nl</text>
</svg>"""
ENDS = {"de-en": "en", "en-he": "he"}
TEXTS = {
    "de-en": [f"a sentence of {n} words {'more ' * n}end" for n in range(8)],
    "en-he": [f"שלום {'עולם ' * n}סוף" for n in range(8)],
}


def write_evaluation(folder: Path, scores=SCORES, **about) -> Path:
    """A folder as ``lass evaluate`` writes it."""
    report_file.write(report_of(**scores), folder)
    run = {"split": "test", "data": "data", "decoding": {"beam": 4}}
    report_file.RUN.write(folder / "run.json", {**run, "versions": VERSIONS, **about})
    sources = {pair: [f"source {pair} {n}" for n in range(8)] for pair in TEXTS}
    write_texts(folder / "sources", "test", sources, side="source")
    write_texts(folder / "references", "test", TEXTS)
    for system in scores:
        lines = {pair: [f"{system}: {x}" for x in of] for pair, of in TEXTS.items()}
        write_texts(folder / "translations" / system, "test", lines)
    return folder


def write_drawing(folder: Path, kind="similarity", name="similarity", svg=SVG) -> Path:
    """A record of *kind*, and what was drawn of it."""
    RecordFormat(f"lass_plugin {kind}", "").write(folder / f"{name}.json", {})
    path = folder / f"{name}.svg"
    path.write_text(svg)
    path.with_suffix(".png").write_bytes(b"\x89PNG")
    return path


def write_stage(record: Path, name: str, results, **identity) -> Path:
    """The record of a stage; *results* None where it has not ended."""
    content = {"stage": name, "identity": identity, "results": results, "seen": []}
    return STAGE.write(record, content)


def write_run(folder: Path, *, about="two systems", values=("text=TEXT",)) -> Path:
    """A folder of ``lass run``: a training and a report that are done, a picture that
    is drawn, and a stage that is left."""
    commands = {
        "base": "fairseq-train out/data --max-update 300 --save-dir out/base",
        "report": "lass evaluate out/data --system dense=out/base --out out/report",
        "similarity": "lass similarity out/masks --out out/similarity",
        "tree": "lass tree out/masks --out out/tree",
    }
    stages = [
        CalledStage(
            name=name,
            command=line.split(),
            made=[line.split()[-1]],
            output=None,
            record=f"out/stages/{name}.stage.json",
            environment=["OMP_NUM_THREADS=1"],
        )
        for name, line in commands.items()
    ]
    date = "2026-03-01 14:05 UTC"
    call = Called("study.yaml", about, "out", list(values), date, VERSIONS, stages)
    CALLED.write(folder / "stages" / NAME, asdict(call))
    write_stage(folder / "stages" / "recipe.stage.json", "recipe", None, stages={})
    for name in ("base", "report", "similarity"):
        write_stage(folder / "stages" / f"{name}.stage.json", f"stage {name}", {})
    (folder / "base").mkdir(parents=True)
    write_evaluation(folder / "report")
    write_drawing(folder / "similarity")
    return folder


def write_quickstart(folder: Path) -> Path:
    """A folder of ``lass quickstart``, whose trainings were told two things."""
    recipe = {"base_updates": 500, "joint_updates": 400}
    identity = {"command": "lass quickstart", "options": {"pairs": ["de-en", "en-he"]}}
    more = {"recipe": recipe, "text": {"catalogues": True}}
    write_stage(folder / "stage.json", "quick start", {}, **identity, **more)
    for name in ("base", "joint"):
        words = {"--arch": "tiny", "--masks": "=", "--bf16-autocast": True}
        options = {"updates": 300, "pairs": ["de-en", "en-he"]}
        place = folder / "checkpoints" / name / "stage.json"
        write_stage(place, f"training {name}", {}, options=options, words=words)
    write_evaluation(folder / "report", versions=None)
    (folder / "data").mkdir()
    prepared = {"versions": {"sentencepiece": "0.2.3"}, "options": {}}
    (folder / "data" / "preparation.json").write_text(json.dumps(prepared))
    return folder
