#!/usr/bin/env bash
# From nothing to masks, a jointly trained model and its scores, in one command:
#
#   bash scripts/quickstart.sh [--out DIR] [--data DIR] [--fresh]
#
# Installs what is missing (see scripts/environment.sh), then runs: lass quickstart
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/scripts/environment.sh"

for argument in "$@"; do
    case $argument in
        -h | --help)
            lass_ready test && exec "$LASS_PYTHON" -m lass_plugin.cli quickstart --help
            sed -n '2,/^set/{/^# \{0,1\}/s///p;}' "${BASH_SOURCE[0]}"
            exit 0
            ;;
    esac
done

lass_environment test || exit 1
exec "$LASS_PYTHON" -m lass_plugin.cli quickstart "$@"
