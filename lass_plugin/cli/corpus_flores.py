"""FLORES-101 in all directions between some languages (Cao 2024).

    lass corpus flores ARCHIVES OUT --languages lang30
    lass prepare --text OUT --out DATA --pairs "$(cat OUT/pairs.txt)" …

ARCHIVES has flores101_dataset.tar.gz, or what it unpacks to: dev/eng.dev,
devtest/eng.devtest and so on, 997 and 1012 lines. As Cao 2024 has it, dev becomes train
and devtest becomes test; --valid N takes the last N lines of dev for valid. Languages
are named as M2M-124 names them: Norwegian is no, Chinese (simplified) zh.

ARCHIVES may also hold devtest.en.gz and so on, without a dev split. Then --dev N takes
the first N lines as dev and leaves the others as test.
"""

from lass_plugin.corpora.flores import FloresSettings, build, said

HELP = "101 languages in all directions (Cao 2024)"
SETTINGS = FloresSettings


def run(settings: FloresSettings) -> int:
    """Make the corpus, and print what it holds."""
    from lass_plugin.experiments.corpus_making import make

    record = make(settings, build)
    if record["done"]:
        print(said(record["languages"], record["lines"]))
    else:
        print(f"{settings.out} is made already; nothing to do")
    return 0
