#!/usr/bin/env bash
# Everything that can be shown of sub-networks, from the checkpoints that
# compare_searches.sh has made: similarity, trees, tables, ratios, zero-shot, how settled
# the masks are, one search for all pairs, and new languages.
#
#   bash scripts/compare_searches.sh TEXT OUT PAIRS
#   bash scripts/study.sh OUT PAIRS [NEW_TEXT NEW_PAIRS]
#
# OUT/study gets a folder for each. NEW_TEXT holds parallel text of NEW_PAIRS, which are
# added to the trained model. The variables are those of compare_searches.sh and must be
# the same; and SWEEP, EXTEND, updates of each joint training there (default JOINT);
# RATIOS=0.1:0.9; SETTLED=0.9, the agreement at which a search may stop; ABLATE, pairs X-Y
# of the zero-shot ablation (default: none); LOW, HIGH, bounds of the groups by data size;
# OLD, older pairs to watch while new ones are added (default: all); ONLY="sweep cost",
# these steps alone.
# Zero-shot is skipped where the data have no pairs to test it on (PREPARE="--test-pairs
# … --through en"). A killed run goes on when it is started again.
set -euo pipefail
COMPARED=${1:?folder that compare_searches.sh has made} PAIRS=${2:?de-en,en-de,…}
NEW_TEXT=${3:-} NEW_PAIRS=${4:-}
. "$(dirname "${BASH_SOURCE[0]}")/recipe.sh"
if [ ! -f "$COMPARED/report/scores.json" ]; then
    echo "error: $COMPARED has no report/scores.json; run compare_searches.sh first" >&2
    exit 1
fi
unset ZERO_SHOT
untrained=$(basename -a "$COMPARED/data"/test.*.idx | grep -v -e '\.en-' -e '-en\.' || true)
if [ -n "$untrained" ]; then ZERO_SHOT=1; fi
recipe study "$COMPARED/study" compared=COMPARED pairs=PAIRS base=FROM \
    new_text=NEW_TEXT new_pairs=NEW_PAIRS zero_shot=ZERO_SHOT search_updates=SEARCH \
    joint_updates=JOINT sweep_updates=SWEEP extend_updates=EXTEND ratio=RATIO \
    ratios=RATIOS settled=SETTLED ablate=ABLATE low=LOW high=HIGH old=OLD times=TIMES \
    limit=LIMIT seed=SEED
