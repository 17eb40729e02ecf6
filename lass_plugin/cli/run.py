"""Run a recipe: commands that need each other, each once, over GPUs or cores.

    lass run configs/recipes/searches.yaml --out DIR \\
        --set text=TEXT --set pairs=de-en,en-de

A recipe (YAML) names stages: command lines of fairseq-train, lass and others, what they
need and make, variables with defaults (--set NAME=VALUE) and lists that multiply a
stage. Its form is in docs/running.md. A stage that was done with the very same command,
options and inputs is kept; one that was killed goes on; one whose results another
command has made is refused by name, before anything runs. Stages run as soon as what
they need is done, as many at a time as --jobs says. One that fails stops those that
need it; the others go on, and the end says what has failed.

--dry-run prints the lines of shell, which alone make the same files. --only STAGE runs
that stage and what it needs that is missing. Progress and the time left go to stderr; a
stage's words to DIR/stages/STAGE.log, those of a training to SAVE_DIR/log.

On a cluster with Slurm, from a node that can submit and stays on (needs submitit):

    lass run RECIPE.yaml --out DIR --cluster slurm --partition gpu --gpus 1 --hours 24

A recipe runs what it names, as a shell script does: read one that is not yours.
"""

from lass_plugin.experiments.recipes.settings import RunSettings

HELP = "run a recipe: stages that are kept, continued or refused, in order"
USAGE = "lass run RECIPE.yaml [--out DIR] [--set NAME=VALUE] [options]"
SETTINGS = RunSettings
QUIET = True


def run(settings: RunSettings) -> int:
    """Run the recipe, or say what it would run."""
    from lass_plugin.experiments.recipes.run import run_recipe

    return run_recipe(settings)
