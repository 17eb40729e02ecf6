"""Lines of shell that make what a run makes, without this package's launcher."""

import itertools
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from lass_plugin.experiments.recipes.stages import RecipeStage
from lass_plugin.experiments.recipes.standing import Found, Standing
from lass_plugin.places.devices import Device, together

WIDTH = 88
_SHOWN = 4


def shell_lines(
    stages: Sequence[RecipeStage], found: Mapping[str, Found], places: Sequence[Device]
) -> str:
    """The commands of *stages* in their order, to be pasted or run by ``bash -e``.

    Args:
        places: what stages run on; a stage alone has all of them.
    """
    blocks = []
    for stage in stages:
        state = found[stage.name]
        why = f": {state.why}" if state.why else ""
        settings = environment_of(stage, places)
        block = [f"# {stage.name}: {state.standing.value}{why}"]
        block += command_lines(stage.command, stage.made, stage.output, settings)
        blocks.append("\n".join(block))
    return "\n\n".join(blocks)


def command_lines(
    command: Sequence[str],
    made: Sequence[Path],
    output: Path | None,
    settings: Sequence[str],
) -> list[str]:
    """The folders of what a command makes, and the command.

    Args:
        output: file for what it prints.
        settings: ``NAME=VALUE``, before the command.
    """
    lines = []
    folders = [path.parent for path in made]
    folders = [f for f in dict.fromkeys(folders) if f not in (Path("."), Path("/"))]
    if folders:
        lines.append(_wrapped(["mkdir", "-p", *map(str, folders)], ""))
    end = f">{shlex.quote(str(output))}" if output else ""
    return [*lines, _wrapped(command, end, settings)]


def environment_of(stage: RecipeStage, places: Sequence[Device]) -> list[str]:
    """GPU and threads of a stage, as a shell sets them."""
    device = together(places) if stage.alone else places[0]
    gpu = [f"CUDA_VISIBLE_DEVICES={device.gpu}"] if device.gpu else []
    return [*gpu, f"OMP_NUM_THREADS={device.threads}"]


def status_lines(stages: Sequence[RecipeStage], found: Mapping[str, Found]) -> str:
    """One line for each stage: its name, its standing and what it waits for."""
    width = max(len(stage.name) for stage in stages)
    needs = {stage.name: stage.needs for stage in stages}
    lines = []
    for stage in stages:
        state = found[stage.name]
        said = state.standing.value
        missing = [n for n in stage.needs if found[n].standing is not Standing.KEPT]
        further = {each for name in missing for each in needs[name]}
        missing = [name for name in missing if name not in further]
        if state.why:
            said += f": {state.why}"
        elif missing and state.standing is not Standing.KEPT:
            said += f", after {_some(missing)}"
        lines.append(f"{stage.name:<{width}}  {said}")
    return "\n".join(lines)


def _some(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = len(names) - _SHOWN
    shown = ", ".join(names[:_SHOWN])
    return f"{shown} and {more} more" if more > 0 else shown


def tally(found: Mapping[str, Found]) -> str:
    """How many stages are in each standing: ``3 kept, 2 to do``."""
    counts = {s: sum(f.standing is s for f in found.values()) for s in Standing}
    return ", ".join(f"{n} {s.value}" for s, n in counts.items() if n)


def _wrapped(words: Sequence[str], end: str, settings: Sequence[str] = ()) -> str:
    """*words* quoted for a shell, in lines that are not too long.

    A line ends between an option with its values and the next one.
    """
    groups = [[" ".join(settings)]] if settings else []
    for word in words:
        if word.startswith("-") or len(groups) == len(settings[:1]):
            groups.append([])
        groups[-1].append(shlex.quote(word))
    lines = [""]
    for group in itertools.chain(*map(_parts, groups), [end] if end else []):
        if lines[-1].strip() and len(lines[-1]) + len(group) + 3 > WIDTH:
            lines.append(f"    {group}")
        else:
            lines[-1] = f"{lines[-1]} {group}" if lines[-1] else group
    return " \\\n".join(lines)


def _parts(group: Sequence[str]) -> list[str]:
    """A group as one part, or its words where it is too long for a line."""
    whole = " ".join(group)
    return [whole] if len(whole) + 7 <= WIDTH else list(group)
