"""Text of FLORES-101 in all directions between some languages, for lass prepare.

Usage: python scripts/flores.py FLORES OUT [--languages lang12|lang30|de,en,…]
                                [--valid N] [--dev N]

The same as 'lass corpus flores FLORES OUT', which keeps a record beside, too.

FLORES is the unpacked dataset: dev/eng.dev, devtest/eng.devtest and so on, 997 and 1012
lines. As Cao 2024 has it, dev becomes train and devtest becomes test; --valid N takes
the last N lines of dev for valid. Languages are named as M2M-124 names them: Norwegian
is no, Chinese (simplified) zh.

FLORES may also hold devtest.en.gz and so on, without a dev split. Then --dev N takes
the first N lines as dev and leaves the others as test.

OUT gets {train,valid,test}.X-Y.LANG, one pair of files for both directions, and
pairs.txt with all directions: lass prepare --pairs "$(cat OUT/pairs.txt)" …
"""

import argparse
import sys
from pathlib import Path

from lass_plugin.corpora.archives import find
from lass_plugin.corpora.flores import CODES, FloresSettings, said, splits, write
from lass_plugin.errors import LassError
from lass_plugin.settings import parse_words

__all__ = ["CODES", "main"]


def main() -> int:
    """Read, write, and say what was written."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("flores", metavar="FLORES")
    parser.add_argument("out", metavar="OUT")
    for name, metavar in {"languages": "LIST", "valid": "N", "dev": "N"}.items():
        parser.add_argument(f"--{name}", metavar=metavar)
    given = vars(parser.parse_args())
    words = [given.pop("flores"), given.pop("out")]
    for name, value in given.items():
        words += [f"--{name}", value] if value is not None else []
    try:
        settings = parse_words(FloresSettings, words)
        folder, languages = settings.archives, list(settings.languages)
        files = find([folder], settings.needed(), settings.ORIGIN).files
        found = splits(files, folder, languages, settings.valid, settings.dev)
        write(Path(settings.out), found)
    except LassError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(said(languages, {name: len(s[languages[0]]) for name, s in found.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
