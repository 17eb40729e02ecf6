#!/usr/bin/env bash
# Compare one search of all pairs together with a search of each pair by itself, in the
# folder that compare_searches.sh or compare_schedules.sh has made (its data, its base).
#
#   bash scripts/compare_together.sh OUT PAIRS
#
# The separate searches of compare_searches.sh, of the same SEARCH and RATIO, are taken
# where they are there. SEARCH=400, updates of the search of one pair; TIMES="1 2", how
# many times as long the search of all is; RATIO=0.4; JOINT=800 updates of joint training,
# 0 for none; FROM, the base (OUT/base/checkpoint_last.pt). Writes OUT/settled-together
# (losses under the masks beside controls), OUT/agreement-together-N.csv (masks of both
# ways, pair by pair) and OUT/report-together (BLEU after joint training).
# A killed run goes on when it is started again.
set -euo pipefail
COMPARED=${1:?folder that a comparison of searches has made} PAIRS=${2:?de-en,en-de,…}
. "$(dirname "${BASH_SOURCE[0]}")/recipe.sh"
unset DONE SEARCHES MASKS
if [ -d "$COMPARED/masks/gradient-gradual" ]; then # compare_searches.sh has searched them
    DONE=1 SEARCHES=$COMPARED/search/gradient-gradual MASKS=$COMPARED/masks/gradient-gradual
fi
recipe together "$COMPARED/search-together" compared=COMPARED pairs=PAIRS base=FROM \
    separated=DONE separate=SEARCHES separate_masks=MASKS times=TIMES ratio=RATIO \
    search_updates=SEARCH joint_updates=JOINT limit=LIMIT seed=SEED
