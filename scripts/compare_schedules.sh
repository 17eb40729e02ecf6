#!/usr/bin/env bash
# Compare searches of several scores, schedules, lengths and ratios: losses under their
# masks, and BLEU after joint training under them beside dense and controls.
#
#   bash scripts/compare_schedules.sh TEXT OUT PAIRS SEARCHED
#
# TEXT as for lass prepare; PAIRS (de-en,en-de,…) are those of the base, which trains until
# pair_loss is flat; SEARCHED, some of them, those that are searched and trained jointly.
# Variables: LENGTHS="300 600 1200", updates of each search; RATIOS="0.2 0.4 0.6";
# SEEDS="1 2" of joint training; CONTROLLED=600, length whose gradual search by gradient
# gets controls of equal overlap and profile; BASE=8000 and PATIENCE=8, most updates of
# the base and validations (every 250) without gain; JOINT=1000 VOCAB=4000 JOBS=2
# LIMIT=500; WARMUP=200 of the base; FLAGS, options of fairseq-train for the base, TUNING
# for searches and joint training, which have those of the base else; PREPARE, of lass
# prepare; CUDA=1 for a GPU. A killed run goes on when it is started again.
# Writes OUT/settled-LENGTH (figures of the searches), OUT/losses (of the base under every
# mask) and OUT/sweep-SEED, OUT/controls-SEED (BLEU and chrF).
set -euo pipefail
TEXT=${1:?folder of the text} out=${2:?folder of the results} PAIRS=${3:?de-en,en-de,…}
SEARCHED=${4:?directions to search, some of the third argument}
. "$(dirname "${BASH_SOURCE[0]}")/recipe.sh"
recipe schedules "$out" text=TEXT pairs=PAIRS searched=SEARCHED lengths=LENGTHS \
    ratios=RATIOS seeds=SEEDS controlled=CONTROLLED patience=PATIENCE tuning=TUNING \
    base_updates=BASE joint_updates=JOINT warmup=WARMUP vocabulary=VOCAB seed=SEED \
    limit=LIMIT prepare=PREPARE
