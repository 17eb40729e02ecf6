#!/usr/bin/env bash
# Neuron allocation (Xie 2021) on your own text: the comparisons, the two criteria, the
# variants, and what the neurons show.
#
#   bash scripts/compare_neurons.sh TEXT OUT PAIRS       TEXT as for lass prepare
#
# Trains a multilingual base, a wider one (+Expansion) and one model for each pair
# (Individual); measures importance; allocates by Taylor expansion (each position, each
# sentence) and absolute value, and by pair, source, target, and source and target;
# trains each as long as the base goes on without masks; one table of all. Then layer
# scores, importance curves, erased neurons, sweeps over k and rho, and smaller models.
# Variables: BASE=3000 JOINT=800 VOCAB=4000 SEED=1 JOBS=2 LIMIT=300 WARMUP=200 FLAGS
# PREPARE CUDA as in compare_searches.sh, and
#   INDIVIDUAL, updates of each pair's own model (default: BASE / number of pairs);
#   WIDE=375, hidden units of +Expansion (the base has 256; the paper 3,000 and 2,048);
#   GENERAL=0.9 THRESHOLD=0.7, rho and k; GENERALS=0.8,0.9,0.95 THRESHOLDS=0.1:0.9:0.2
#   and SWEEP, updates of each variant of the sweep (default: JOINT / 2);
#   SAMPLE, sentences of each pair that importance is measured on (default: all);
#   ERASE, pairs whose specific neurons are erased (default: all);
#   HALF=0.5, share of the parameters of feed-forward layers that a smaller model keeps.
# A killed run goes on when it is started again.
set -euo pipefail
TEXT=${1:?folder of the text} out=${2:?folder of the results} PAIRS=${3:?de-en,en-de,…}
. "$(dirname "${BASH_SOURCE[0]}")/recipe.sh"
recipe neurons "$out" text=TEXT pairs=PAIRS base_updates=BASE joint_updates=JOINT \
    warmup=WARMUP vocabulary=VOCAB seed=SEED limit=LIMIT prepare=PREPARE \
    individual_updates=INDIVIDUAL sweep_updates=SWEEP wide=WIDE half=HALF sample=SAMPLE \
    general=GENERAL threshold=THRESHOLD generals=GENERALS thresholds=THRESHOLDS \
    erase=ERASE
