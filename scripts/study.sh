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
out=${1:?folder that compare_searches.sh has made} pairs=${2:?de-en,en-de,…}
new_text=${3:-} new_pairs=${4:-}
. "$(dirname "${BASH_SOURCE[0]}")/comparison.sh"
if [ ! -f "$out/report/scores.json" ]; then
    echo "error: $out has no report/scores.json; run compare_searches.sh first" >&2
    exit 1
fi
study=$out/study
mkdir -p "$study"

step() { # NAME COMMAND…: runs it and keeps what it prints, unless that has been done
    local name=$1
    shift
    [[ " ${ONLY:-$name} " == *" $name "* ]] || return 0
    local began=$SECONDS
    once "$study" --name "$name" --what "step $name" --output "$study/$name.txt" -- "$@"
    [ -f "$study/$name.seconds" ] ||
        echo "$((SECONDS - began)) s" >"$study/$name.seconds"
}

systems=()
for name in dense random magnitude-oneshot magnitude-gradual gradient-oneshot \
    gradient-gradual base; do
    systems+=(--system "$name=$out/$name/checkpoint_last.pt")
done
translation=(--beam 4 --max-len-a 1.2 --max-len-b 10 --limit "$limit" $cpu)

for masks in magnitude-oneshot magnitude-gradual gradient-oneshot gradient-gradual; do
    step "similarity-$masks" lass similarity "$out/masks/$masks" --by every \
        --out "$study/similarity-$masks"
    step "tree-$masks" lass tree "$out/masks/$masks" --out "$study/tree-$masks"
done
step settled lass settled "$out/search/oneshot" "$out/search/magnitude-gradual" \
    "$out/search/gradient-gradual" --stop-when-growth-below 0.02 --out "$study/settled"

# a search that ends by itself, against the one of fixed length
if [[ " ${ONLY:-stopped} " == *" stopped "* ]]; then
    search stopped stopped magnitude oneshot \
        --stop-when-settled "${SETTLED:-0.9}" $cpu
    OMP_NUM_THREADS=$((OMP_NUM_THREADS * jobs)) train stopped "$joint_updates" \
        "${start[@]}" --masks "$out/masks/stopped" $cpu
    lass agreement "$out/masks/magnitude-oneshot" "$out/masks/stopped" \
        >"$study/stopped-agreement.txt"
fi
step stopped lass evaluate "$out/data" --system "dense=$out/dense/checkpoint_last.pt" \
    --system "fixed=$out/magnitude-oneshot/checkpoint_last.pt" \
    --system "stopped=$out/stopped/checkpoint_last.pt" "${translation[@]}" \
    --out "$study/stopped"

step scores lass table scores "$out/report" --sizes "$out/data" \
    ${LOW:+--low "$LOW"} ${HIGH:+--high "$HIGH"} --out "$study/scores"

untrained=$(basename -a "$out/data"/test.*.idx | grep -v -e '\.en-' -e '-en\.' || true)
if [ -n "$untrained" ]; then
    step zero-shot lass zero-shot "$out/data" \
        --checkpoint "$out/magnitude-gradual/checkpoint_last.pt" \
        --baseline "$out/dense/checkpoint_last.pt" \
        ${ABLATE:+--ablation "$ABLATE"} "${translation[@]}" --out "$study/zero-shot"
fi

step sweep lass sweep "$out/data" --base "$out/base/checkpoint_last.pt" \
    --searches "$out/search/oneshot" --methods magnitude-oneshot \
    --ratios "${RATIOS:-0.1:0.9}" --own-ratios "$ratio" --ablation "$ratio" \
    --random "$ratio" --updates "${SWEEP:-$joint_updates}" --jobs "$jobs" \
    --beam 4 --limit "$limit" $cpu --out "$study/sweep" \
    -- $flags --lr 0.003 --lr-scheduler polynomial_decay \
    --total-num-update "${SWEEP:-$joint_updates}" --seed "$seed"

step together bash "$(dirname "${BASH_SOURCE[0]}")/compare_together.sh" "$out" "$pairs"

if [ -n "$new_text" ]; then
    step extend lass extend "$out/magnitude-gradual/checkpoint_last.pt" \
        --data "$out/data" --text "$new_text" --pairs "$new_pairs" \
        --dense "$out/dense/checkpoint_last.pt" --ratio "$ratio" \
        --ways sub-network,hold-shared,disjoint --search-updates "$search_updates" \
        --updates "${EXTEND:-$joint_updates}" --points 5 \
        ${OLD:+--old-pairs "$OLD"} --beam 4 --limit "$limit" $cpu \
        --threads "$((OMP_NUM_THREADS * jobs))" --out "$study/extend" \
        -- $flags --lr 0.001 --warmup-updates 20 --seed "$seed"
fi

step cost lass table cost "${systems[@]}" --scores "$out/report" --data "$out/data" \
    --beam 4 --max-len-a 1.2 --max-len-b 10 $cpu --out "$study/cost"
head -n 1 "$study"/*.seconds
