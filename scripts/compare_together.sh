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
out=${1:?folder that a comparison of searches has made} pairs=${2:?de-en,en-de,…}
. "$(dirname "${BASH_SOURCE[0]}")/comparison.sh"
from=${FROM:-$out/base/checkpoint_last.pt}
name=separate-$search_updates

find_masks() { # NAME UPDATES FLAGS…
    local into=$out/search-together/$1 updates=$2
    shift 2
    lass search "$out/data" --base "$from" --pairs "$pairs" --ratio "$ratio" \
        --updates "$updates" --out "$into" $cpu "$@" -- --disable-validation --seed "$seed"
}
separate=$out/search/gradient-gradual masks=$out/masks/gradient-gradual
if [ ! -d "$masks" ]; then # compare_searches.sh has searched them already
    find_masks "$name" "$search_updates" --jobs "$jobs"
    separate=$out/search-together/$name masks=$separate/masks
fi
together=()
for times in ${TIMES:-1 2}; do
    updates=$((times * search_updates))
    OMP_NUM_THREADS=$((OMP_NUM_THREADS * jobs)) \
        find_masks "together-$updates" "$updates" --together
    together+=("$out/search-together/together-$updates")
    lass agreement "$masks" "$out/search-together/together-$updates/masks" --by component \
        --out "$out/agreement-together-$updates.csv"
done
lass settled "$separate" "${together[@]}" --out "$out/settled-together"
[ "$joint_updates" = 0 ] ||
    lass sweep "$out/data" --base "$from" --searches "$separate" "${together[@]}" \
        --out "$out/report-together" --updates "$joint_updates" --ratios "$ratio" \
        --random "$ratio" --beam 4 --limit "$limit" --jobs "$jobs" $cpu -- \
        --lr-scheduler polynomial_decay --total-num-update "$joint_updates" \
        --warmup-updates $((joint_updates / 10)) --seed "$seed"
