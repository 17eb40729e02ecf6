#!/usr/bin/env bash
# Low-rank modules (Cao 2024) on your own text, from weight learning to the table.
#
#   bash scripts/compare_low_rank.sh TEXT OUT LANGUAGES TYPES     TEXT as for lass prepare
#   bash scripts/compare_low_rank.sh TEXT OUT en,de,fr,es,nl,tl 'H=en,de,fr;M=es,nl;V=tl'
#
# The train text of the pairs with PIVOT makes the base, its amounts decide what is high
# and low. Everything after that is many-to-many, in all directions between LANGUAGES, on
# the valid text, which must be the same sentences in all languages; test text is what is
# scored. So dev and devtest of FLORES-101 can be valid and test (scripts/flores.py).
#
# Base; all weights fine-tuned (ft-all); weight learning and the placement that it finds;
# intrinsic subspace estimation and language-specific pruning with their heat maps;
# modules of uniform ranks, of ranks by resource type without and with gradual pruning,
# and of individual ranks out of the estimation; one table of all by resource type.
# Variables: BASE=8000 updates, EPOCHS=15 START=2 LENGTH=8 (T, E, k), UNIFORM='4 8 16',
# BY_TYPE='2;2;8' PRUNED='0.9;0.9;0' ESTIMATE=0.7, FT_RATE=0.0003 RATE=0.003 (rates of
# ft-all and of modules), ABLATIONS=1 (the pruned ranks by type also with an encoder by
# source or by target alone, Table 3, and beside attention or, with FC_BY_TYPE='2;2;16',
# beside fc1 and fc2 alone, Table 4), ONLY='ft-all by-type …' (these trainings; without
# learned it needs a placement that was found before, or PLACEMENT=first:2), BUDGET_RANK=4
# (of individual ranks), TOKENS=1024 (a batch), PIVOT=en, and VOCAB SEED JOBS LIMIT WARMUP
# FLAGS PREPARE CUDA as in compare_searches.sh. BASE_MODEL=FILE takes a base as it is
# instead of training one; DATA must then be its data folder.
# A killed run goes on when it is started again.
set -euo pipefail
TEXT=${1:?folder of the text} out=${2:?folder of the results} languages=${3:?en,de,…}
TYPES=${4:?resource types such as 'H=en,de;V=tl'} pivot=${PIVOT:-en}
. "$(dirname "${BASH_SOURCE[0]}")/recipe.sh"

known='learned ft-all estimation by-language by-type by-type-pruned individual'
for rank in ${UNIFORM:-4 8 16}; do known+=" rank-$rank"; done
[ -z "${ABLATIONS:-}" ] ||
    known+=' by-source-pruned by-target-pruned attention-pruned fc-pruned'
for name in ${ONLY:-}; do
    [[ " $known " == *" $name "* ]] && continue
    echo "error: ONLY names '$name', which is none of the trainings: $known (ABLATIONS=1 has more)" >&2
    exit 1
done

IFS=, read -ra codes <<<"$languages"
pivot_pairs=() other_pairs=()
for source in "${codes[@]}"; do
    for target in "${codes[@]}"; do
        [ "$source" = "$target" ] && continue
        if [ "$source" = "$pivot" ] || [ "$target" = "$pivot" ]; then
            pivot_pairs+=("$source-$target")
        else
            other_pairs+=("$source-$target")
        fi
    done
done
joined() { local IFS=,; echo "$*"; }
PIVOT_PAIRS=$(joined "${pivot_pairs[@]}") OTHER_PAIRS=$(joined "${other_pairs[@]}")

unset ABLATED SYSTEMS TRAIN_BASE
if [ -n "${BASE_MODEL:-}" ]; then TRAIN_BASE=0; fi
if [ -n "${ABLATIONS:-}" ]; then
    ABLATED='by-source-pruned by-target-pruned attention-pruned fc-pruned'
fi
if [ -n "${ONLY:-}" ]; then # these trainings, what comes of them, and a table of them
    wanted=$ONLY
    for name in $ONLY; do
        case $name in
            learned) wanted+=" placement" ;;
            estimation | by-language) wanted+=" estimate-$name" ;;
            *) SYSTEMS="${SYSTEMS:-} $name" ;;
        esac
    done
    ONLY=$wanted
    if [ -n "${SYSTEMS:-}" ]; then ONLY+=" table"; fi
fi
recipe low_rank "$out" text=TEXT pivot_pairs=PIVOT_PAIRS other_pairs=OTHER_PAIRS \
    types=TYPES pivot=PIVOT data=DATA base=BASE_MODEL train_base=TRAIN_BASE \
    placement=PLACEMENT ablated=ABLATED systems=SYSTEMS base_updates=BASE \
    epochs=EPOCHS start=START length=LENGTH uniform=UNIFORM by_type=BY_TYPE \
    fc_by_type=FC_BY_TYPE pruned=PRUNED estimate=ESTIMATE budget_rank=BUDGET_RANK \
    sizes=SIZES ft_rate=FT_RATE rate=RATE tokens=TOKENS warmup=WARMUP \
    vocabulary=VOCAB seed=SEED limit=LIMIT prepare=PREPARE
