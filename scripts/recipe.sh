# Calls a recipe with the variables of the environment that a script documents; sourced.
# ONLY="A B" runs these stages and what they need that is missing.
# shellcheck shell=bash
export PYTHONWARNINGS=ignore OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
recipes=$(cd "$(dirname "${BASH_SOURCE[0]}")/../configs/recipes" && pwd)

recipe() { # NAME OUT NAME=VARIABLE…: lass run with those variables that have a value
    local name=$1 out=$2 each words=()
    shift 2
    for each in "$@"; do
        local variable=${each#*=}
        [ -z "${!variable:-}" ] || words+=(--set "${each%%=*}=${!variable}")
    done
    [ -z "${FLAGS+given}" ] || words+=(--set "flags=$FLAGS") # perhaps none
    [ -z "${ONLY:-}" ] || words+=(--only "${ONLY// /,}")
    [ "${CUDA:-0}" = 1 ] || words+=(--cpu)
    lass run "$recipes/$name.yaml" --out "$out" --jobs "${JOBS:-2}" "${words[@]}"
}

lengths=(base_updates=BASE search_updates=SEARCH joint_updates=JOINT warmup=WARMUP)
shared=("${lengths[@]}" ratio=RATIO vocabulary=VOCAB seed=SEED limit=LIMIT prepare=PREPARE)
