#!/usr/bin/env bash
# ruff, mypy and the fast tests; fails if any of them does.
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/scripts/environment.sh"
lass_environment test,dev || exit 1
cd "$root" || exit 1

failed=
echo "== ruff"
"$LASS_PYTHON" -m ruff check . || failed="$failed ruff"
echo "== mypy"
"$LASS_PYTHON" -m mypy || failed="$failed mypy"
echo "== tests"
bash scripts/test.sh "$@" || failed="$failed tests"
if [ -n "$failed" ]; then
    lass_say "error: failed:$failed"
    exit 1
fi
