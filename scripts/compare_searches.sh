#!/usr/bin/env bash
# Compare ways to search sub-networks under equal conditions: dense, random masks and the
# four searches of He 2023 (Table 1, rows of sub-network extraction), on your own text.
#
#   bash scripts/compare_searches.sh TEXT OUT PAIRS     TEXT as for lass prepare
#
# From one base: a search of each pair by each system, joint training under its masks, the
# same training without masks, and one table of all. Lengths are environment variables:
#   BASE=3000 SEARCH=400 JOINT=800 RATIO=0.4 VOCAB=4000 SEED=1 JOBS=2 LIMIT=300
# Further ones: FLAGS, options of fairseq-train for the base and for joint training;
# WARMUP=200, updates of the base; PREPARE, options of lass prepare; CUDA=1 for a GPU.
# One-shot searches by magnitude and by gradient train alike, so one run serves both.
# A killed run goes on when it is started again.
set -euo pipefail
TEXT=${1:?folder of the text} out=${2:?folder of the results} PAIRS=${3:?de-en,en-de,…}
. "$(dirname "${BASH_SOURCE[0]}")/recipe.sh"
recipe searches "$out" text=TEXT pairs=PAIRS "${shared[@]}"
