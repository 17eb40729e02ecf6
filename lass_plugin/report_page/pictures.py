"""Pictures as parts of a page: SVG in its text, with nothing in it that acts."""

import base64
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lass_plugin.errors import LassError
from lass_plugin.report_page.holdings import Holdings, capitalised
from lass_plugin.report_page.stages import Stages

SHOWN = 4
"""Pictures of a group that are shown at once; the others on demand."""

_FIRST = ("", "encoder", "decoder", "layers")
"""What names of pictures say behind the first dot, where they show most of a model."""

_LAST = ("fit",)
"""The same of what is looked at after the rest."""

_SVG = "{http://www.w3.org/2000/svg}"
_LINK = "{http://www.w3.org/1999/xlink}href"
_ELEMENTS = frozenset(
    "svg g defs path use clipPath rect circle ellipse line polyline polygon text tspan "
    "image linearGradient radialGradient stop title desc".split()
)
"""What draws. Scripts, styles of the whole page, foreign parts and links do not."""

_ATTRIBUTES = frozenset(
    "id d x y x1 y1 x2 y2 cx cy r rx ry fx fy dx dy width height points transform "
    "style viewBox preserveAspectRatio clip-path clip-rule clipPathUnits fill "
    "fill-opacity fill-rule stroke stroke-width stroke-linecap stroke-linejoin "
    "stroke-opacity stroke-dasharray stroke-dashoffset stroke-miterlimit opacity "
    "text-anchor font-size font-family font-style font-weight offset stop-color "
    "stop-opacity gradientUnits gradientTransform".split()
)
_REFERENCE = re.compile(r"url\(\s*#([\w.:-]+)\s*\)")
_IMAGE = re.compile(r"data:image/png;base64,[A-Za-z0-9+/=\s]+")


@dataclass(frozen=True)
class Picture:
    """A picture; *svg* is markup, else *data* is an address that holds a PNG."""

    name: str
    label: str
    """What is read out in its place."""
    made_by: str
    """The command or the record that it is of, in words."""
    svg: str = ""
    data: str = ""


@dataclass(frozen=True)
class Group:
    """Pictures of one command."""

    title: str
    made_by: str
    """The command line, where it is known."""
    pictures: list[Picture]

    @property
    def shown(self) -> list[Picture]:
        return self.pictures[:SHOWN]

    @property
    def further(self) -> list[Picture]:
        return self.pictures[SHOWN:]


def of_run(holdings: Holdings, stages: Stages) -> list[Group]:
    """The pictures that the commands of the run have drawn, those of a command in one
    group; what shows most of the model first.

    Raises:
        LassError: one cannot be read; names it.
    """
    groups: dict[tuple[str, str, str], list[Picture]] = {}
    for number, path in enumerate(sorted(holdings.pictures, key=_order), start=1):
        stage, record = stages.maker(path), holdings.record_of(path)
        if stage is None and record is None:
            continue
        kind = holdings.records[record] if record else stage.name if stage else ""
        said = f"{stage.program} (stage {stage.name})" if stage else ""
        if record is not None:
            said = f"{said}, drawn from {record.name}".removeprefix(", ")
        group = (kind, holdings.name(path.parent), stages.line_of(path))
        picture = _picture(path, holdings.name(path), kind, said, f"p{number}-")
        groups.setdefault(group, []).append(picture)
    kinds = [kind for kind, _, _ in groups]
    return [
        Group(_title(kind, place, kinds.count(kind)), line, pictures)
        for (kind, place, line), pictures in groups.items()
    ]


def _order(picture: Path) -> tuple[Path, int, str]:
    said = picture.stem.partition(".")[2]
    rank = [*_FIRST, *_LAST].index(said) if said in (*_FIRST, *_LAST) else None
    if rank is None:
        rank = len(_FIRST)
    elif said in _LAST:
        rank += 1
    return picture.parent, rank, picture.stem


def _title(kind: str, place: str, times: int) -> str:
    return capitalised(kind) if times == 1 else f"{capitalised(kind)}: {place}"


def _picture(path: Path, name: str, kind: str, said: str, prefix: str) -> Picture:
    label = f"{kind}: {path.stem}"
    if path.suffix == ".svg":
        return Picture(name, label, said, svg=drawing(path, prefix, label))
    try:
        data = base64.b64encode(path.read_bytes()).decode()
    except OSError as error:
        raise LassError(f"{path} cannot be read: {error.strerror or error}") from error
    return Picture(name, label, said, data=f"data:image/png;base64,{data}")


def drawing(path: Path, prefix: str, label: str) -> str:
    """The drawing in an SVG file as markup for a page.

    Args:
        prefix: of all ids in it, so that they are unique in the page.
        label: what is read out in its place.

    Raises:
        LassError: it is no SVG.
    """
    try:
        root = ET.fromstring(path.read_bytes())
    except (OSError, ET.ParseError) as error:
        raise LassError(
            f"{path} cannot be read as a picture ({error}); remove it, or draw it again"
        ) from error
    if root.tag != f"{_SVG}svg":
        raise LassError(f"{path} is no SVG; remove it, or draw it again")
    drawn = _copied(root, prefix)
    width, height = (drawn.attrib.pop(side, "") for side in ("width", "height"))
    if "viewBox" not in drawn.attrib and width and height:
        drawn.set("viewBox", f"0 0 {_number(width):g} {_number(height):g}")
    if width:  # points; the page may make it smaller
        drawn.set("style", f"max-width:{_number(width) * 4 / 3:.0f}px")
    drawn.attrib.pop("id", None)
    drawn.set("role", "img")
    drawn.set("aria-label", label)
    return ET.tostring(drawn, encoding="unicode")


def _number(length: str) -> float:
    found = re.match(r"\s*(\d+(?:\.\d+)?)", length)
    return float(found[1]) if found else 0.0


def _copied(element: ET.Element, prefix: str) -> ET.Element:
    """*element* with the parts and attributes that draw, and no others."""
    copy = ET.Element(element.tag.removeprefix(_SVG), dict(_drawing(element, prefix)))
    copy.text = element.text if copy.tag in ("text", "tspan", "title", "desc") else None
    for child in element:
        if not isinstance(child.tag, str):
            continue
        if child.tag.removeprefix(_SVG) in _ELEMENTS and child.tag.startswith(_SVG):
            copied = _copied(child, prefix)
            copied.tail = child.tail if copy.tag in ("text", "tspan") else None
            copy.append(copied)
    return copy


def _drawing(element: ET.Element, prefix: str) -> Iterator[tuple[str, str]]:
    """Attributes that draw; places in the picture keep being in it."""
    for name, value in element.attrib.items():
        if name in (_LINK, "href"):
            if value.startswith("#"):
                yield "href", f"#{prefix}{value[1:]}"
            elif element.tag == f"{_SVG}image" and _IMAGE.fullmatch(value):
                yield "href", value
        elif name == "id":
            yield name, prefix + value
        elif name in _ATTRIBUTES:
            value, found = _REFERENCE.subn(rf"url(#{prefix}\1)", value)
            if value.count("url(") == found and "\\" not in value and "@" not in value:
                yield name, value
