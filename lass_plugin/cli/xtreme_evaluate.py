"""Predict every language of a prepared task, and score it.

    lass xtreme evaluate data/xnli --checkpoint checkpoint_best.pt --out scores/xnli

Pairs are scored by accuracy; tags by F1 of chunks (seqeval, the extra xtreme) and by
accuracy of words; answers by F1 and exact match (SQuAD's rules, MLQA's own); Tatoeba by
accuracy and BUCC by F1 of mined pairs, whose threshold is chosen on its dev data. What
the checkpoint gives each language (gates, masks) is computed with.

DIR gets the predictions, test.LANG.json, and scores.json for 'lass xtreme table'.
"""

from lass_plugin.evaluation.xtreme.settings import XtremeEvaluationSettings

HELP = "predictions and scores of every language"
SETTINGS = XtremeEvaluationSettings
QUIET = True


def run(settings: XtremeEvaluationSettings) -> int:
    """Evaluate, and print the scores."""
    from lass_plugin.evaluation.xtreme.evaluating import evaluate
    from lass_plugin.evaluation.xtreme.report import NAME

    scores = evaluate(settings)
    for language, found in scores.languages.items():
        values = ", ".join(f"{name} {one.score:.1f}" for name, one in found.items())
        print(f"{scores.task.title} {language}: {values}")
    means = ", ".join(f"{n} {scores.mean(n):.1f}" for n in scores.task.metrics)
    print(f"{scores.task.title}: {means}; {settings.out / NAME}")
    return 0
