#!/usr/bin/env bash
# Compare one search of all pairs together with a search of each pair by itself, in the
# folder that compare_searches.sh has made (its base, its searches, its trainings).
#
#   bash scripts/compare_searches.sh TEXT OUT PAIRS
#   bash scripts/compare_together.sh OUT PAIRS
#
# TIMES="1 2": how many times as long as the search of one pair the search of all is;
# the other lengths are the variables of compare_searches.sh and must be the same.
# Writes OUT/agreement-together-N.csv (masks of both, pair by pair) and, after joint
# training under the masks of each, OUT/report-together (BLEU side by side).
# A killed run goes on when it is started again.
set -euo pipefail
out=${1:?folder that compare_searches.sh has made} pairs=${2:?de-en,en-de,…}
. "$(dirname "${BASH_SOURCE[0]}")/comparison.sh"
if [ ! -d "$out/masks/gradient-gradual" ]; then
    echo "error: $out has no masks/gradient-gradual; run compare_searches.sh first" >&2
    exit 1
fi

systems=(--system "dense=$out/dense/checkpoint_last.pt")
systems+=(--system "separate=$out/gradient-gradual/checkpoint_last.pt")
for times in ${TIMES:-1 2}; do
    name=together-$times
    updates=$((times * search_updates))
    OMP_NUM_THREADS=$((OMP_NUM_THREADS * jobs)) \
        lass search "$out/data" --base "$out/base/checkpoint_last.pt" \
        --pairs "$pairs" --together --out "$out/search/$name" \
        --masks-out "$out/masks/$name" --ratio "$ratio" --updates "$updates" \
        $cpu -- --disable-validation --seed "$seed" \
        >"$out/search-$name.txt"
    lass agreement "$out/masks/gradient-gradual" "$out/masks/$name" --by component \
        --out "$out/agreement-$name.csv" | tee "$out/agreement-$name.txt"
    OMP_NUM_THREADS=$((OMP_NUM_THREADS * jobs)) train "$name" "$joint_updates" \
        "${start[@]}" --masks "$out/masks/$name" $cpu
    systems+=(--system "$name=$out/$name/checkpoint_last.pt")
done
lass evaluate "$out/data" "${systems[@]}" --beam 4 --max-len-a 1.2 --max-len-b 10 \
    --limit "$limit" $cpu --out "$out/report-together"
