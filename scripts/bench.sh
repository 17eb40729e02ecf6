#!/usr/bin/env bash
# Runs the programs in benchmarks/ one after another, each with the given arguments.
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/scripts/environment.sh"
lass_environment test || exit 1
cd "$root" || exit 1

found=
for benchmark in benchmarks/*.py; do
    grep -qs '^if __name__ == "__main__"' "$benchmark" || continue
    found=yes
    echo "== $benchmark"
    "$LASS_PYTHON" "$benchmark" "$@" || {
        lass_say "error: $benchmark failed"
        exit 1
    }
done
[ -n "$found" ] || {
    lass_say "error: there is no program in benchmarks/ to run"
    exit 1
}
