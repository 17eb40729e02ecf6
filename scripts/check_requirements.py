"""Tell what this Python lacks of the requirements in setup.py, one line for each.

Usage: python scripts/check_requirements.py [EXTRA ...]

Exit status 0: nothing is missing; 1: something is. Nothing is imported or installed.
"""

import ast
import importlib.metadata
import sys
from pathlib import Path

SETUP = Path(__file__).resolve().parent.parent / "setup.py"


def declared(name: str):
    """The literal that setup.py assigns to *name*."""
    for statement in ast.parse(SETUP.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and statement.targets[0].id == name:
            return ast.literal_eval(statement.value)
    raise KeyError(name)


def missing(requirements: list[str]) -> list[str]:
    """Those of *requirements* that are not installed in a fitting version."""
    try:
        from packaging.requirements import Requirement
    except ImportError:
        return requirements
    lacking = []
    for requirement in map(Requirement, requirements):
        if requirement.marker is None or requirement.marker.evaluate():
            try:
                version = importlib.metadata.version(requirement.name)
            except importlib.metadata.PackageNotFoundError:
                version = None
            if version is None or not requirement.specifier.contains(version, True):
                lacking.append(f"{requirement} (found: {version or 'nothing'})")
    return lacking


def main(extras: list[str]) -> int:
    """Print what is missing for the package and its *extras*."""
    requirements = list(declared("INSTALL_REQUIRES"))
    for extra in extras:
        requirements += declared("EXTRAS_REQUIRE")[extra]
    lacking = missing(requirements)
    print(*lacking, sep="\n", end="\n" if lacking else "")
    return 1 if lacking else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
