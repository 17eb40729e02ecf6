# Provides the Python environment in which the other scripts run.
#
#   bash scripts/environment.sh            make the environment, say how to enter it
#   . scripts/environment.sh               (in a script) define the functions, then
#   lass_environment test || exit 1        make or find it, with the extra "test"
#
# Afterwards LASS_PYTHON is its interpreter and its commands come first on PATH.
# An active environment that already has what setup.py asks for is used as it is.
# Otherwise everything is installed, in the versions of constraints.txt, into .venv.
# A second call is instant; an interrupted installation is made again from the start.
#
#   LASS_VENV=DIR          make the environment in DIR instead of .venv
#   PYTHON=COMMAND         the Python to use (3.10, 3.11 or 3.12)
#   LASS_SKIP_CHECKS=1     install although the checks of the machine found a fault

LASS_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

lass_say() { printf '%s\n' "$*" >&2; }

lass_fail() {
    lass_say "error: $*"
    return 1
}

# lass_environment [EXTRAS]: make or find an environment with EXTRAS (test, or test,dev).
lass_environment() {
    local extras=${1:-test} venv base
    venv=$(lass_venv_path) || return 1
    lass_ready "$extras" && return 0
    base=$(lass_find_base) || return 1
    lass_check_machine "$base" "$venv" || return 1
    (
        # One installation at a time; others wait here and then find it done.
        if command -v flock >/dev/null && exec 9<"$LASS_ROOT"; then
            flock -n 9 || lass_say "waiting for another installation ..."
            flock 9
        fi
        lass_venv_is_current "$venv" "$extras" || lass_install "$base" "$venv" "$extras"
    ) || return 1
    lass_use "$venv/bin/python" || return 1
    export VIRTUAL_ENV=$venv
}

# lass_ready [EXTRAS]: enter an environment that is already there, or return 1.
lass_ready() {
    local extras=${1:-test} venv candidate
    venv=$(lass_venv_path) || return 1
    if [ -z "${LASS_VENV:-}" ]; then
        for candidate in "${PYTHON:-}" "${VIRTUAL_ENV:+$VIRTUAL_ENV/bin/python}" \
            "${CONDA_PREFIX:+$CONDA_PREFIX/bin/python}"; do
            [ -n "$candidate" ] && [ "$candidate" != "$venv/bin/python" ] || continue
            lass_has_requirements "$candidate" "$extras" || continue
            lass_use "$candidate"
            return
        done
    fi
    if lass_venv_is_current "$venv" "$extras"; then
        lass_use "$venv/bin/python" || return 1
        export VIRTUAL_ENV=$venv
        return
    fi
    if [ -z "${LASS_VENV:-}${PYTHON:-}" ] && [ ! -e "$venv" ] &&
        lass_has_requirements python3 "$extras"; then
        lass_use python3
        return
    fi
    return 1
}

# The environment's directory, absolute.
lass_venv_path() {
    local venv=${LASS_VENV:-$LASS_ROOT/.venv}
    case $venv in /*) ;; *) venv=$PWD/$venv ;; esac
    printf '%s\n' "${venv%/}"
}

lass_version_fits() {
    "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 13))' \
        >/dev/null 2>&1
}

lass_has_requirements() {
    # shellcheck disable=SC2046 # one word for each extra
    lass_version_fits "$1" && PYTHONNOUSERSITE=1 \
        "$1" "$LASS_ROOT/scripts/check_requirements.py" $(printf '%s' "$2" | tr , ' ') \
        >/dev/null 2>&1
}

# Put PYTHON's commands first on PATH and this checkout first among its modules.
lass_use() {
    local scripts
    LASS_PYTHON=$("$1" -c 'import sys; print(sys.executable)') || return 1
    scripts=$("$1" -c 'import sysconfig; print(sysconfig.get_path("scripts"))') || return 1
    export LASS_PYTHON PATH="$scripts:$PATH" PYTHONNOUSERSITE=1
    export PYTHONPATH="$LASS_ROOT${PYTHONPATH:+:$PYTHONPATH}"
    unset PYTHONHOME
}

# What the installed state depends on, as one line.
lass_fingerprint() {
    "$1/bin/python" -I - "$1" "$LASS_ROOT" <<'PYTHON' 2>/dev/null
import hashlib, pathlib, sys
venv, root = map(pathlib.Path, sys.argv[1:])
digest = hashlib.sha256(f"{venv}\n{root}\n{sys.version}\n".encode())
for name in ("setup.py", "constraints.txt"):
    digest.update((root / name).read_bytes())
print(digest.hexdigest())
PYTHON
}

# Each complete installation leaves .installed-EXTRA, with the fingerprint, in VENV.
lass_venv_is_current() {
    local venv=$1 extra stamp fingerprint
    for extra in $(printf '%s' "$2" | tr , ' '); do
        [ -f "$venv/.installed-$extra" ] || return 1
    done
    fingerprint=$(lass_fingerprint "$venv") && [ -n "$fingerprint" ] || return 1
    for extra in $(printf '%s' "$2" | tr , ' '); do
        stamp=$(cat "$venv/.installed-$extra")
        [ "$stamp" = "$fingerprint" ] || return 1
    done
    [ -z "${PYTHON:-}" ] || lass_same_version "$venv/bin/python" "$PYTHON"
}

lass_same_version() {
    [ "$("$1" -c 'import sys; print(sys.version)' 2>&1)" = \
        "$("$2" -c 'import sys; print(sys.version)' 2>&1)" ]
}

# The Python from which to make the environment: the first that lacks nothing, else the
# first of a fitting version.
lass_find_base() {
    local candidate first=
    if [ -n "${PYTHON:-}" ]; then
        if lass_version_fits "$PYTHON"; then
            printf '%s\n' "$PYTHON"
            return
        fi
        lass_fail "PYTHON=$PYTHON is not a Python 3.10, 3.11 or 3.12; name one that is," \
            "such as PYTHON=python3.11"
        return 1
    fi
    for candidate in python3.11 python3.12 python3 python3.10 python \
        "$HOME"/.pyenv/versions/3.1[120].*/bin/python; do
        lass_version_fits "$candidate" || continue
        first=${first:-$candidate}
        if "$candidate" "$LASS_ROOT/scripts/check_machine.py" >/dev/null 2>&1; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    if [ -z "$first" ]; then
        lass_fail "no Python 3.10, 3.11 or 3.12 was found; install one (Debian, Ubuntu:" \
            "apt-get install python3 python3-venv python3-dev g++) or name one with" \
            "PYTHON=/path/to/python3.11"
        return 1
    fi
    printf '%s\n' "$first"
}

# Every fault that would make the installation fail, each in one sentence.
lass_check_machine() {
    local faults
    faults=$("$1" "$LASS_ROOT/scripts/check_machine.py" "$2") && return 0
    if [ -n "$faults" ]; then
        printf '%s\n' "$faults" | sed 's/^/error: /' >&2
    else
        lass_fail "$1 does not run; name another Python with PYTHON=/path/to/python3.11"
    fi
    [ -n "${LASS_SKIP_CHECKS:-}" ]
}

lass_install() {
    local base=$1 venv=$2 extras=$3 extra log fingerprint builds started=$SECONDS
    log=$venv/install.log
    lass_make_venv "$base" "$venv" || return 1
    : >"$log" || return 1
    lass_say "installing into $venv: takes 2 to 6 minutes, once (details: $log)"
    builds=(cython setuptools wheel)
    case ,$extras, in *,xtreme,*) builds+=(setuptools_scm) ;; esac # for seqeval
    lass_say "  1 of 3: PyTorch"
    lass_pip "$venv" install -c "$LASS_ROOT/constraints.txt" \
        torch numpy "${builds[@]}" >>"$log" 2>&1 ||
        { lass_explain_failure "$log"; return 1; }
    lass_say "  2 of 3: fairseq and the rest (fairseq may have to be compiled)"
    (cd "$LASS_ROOT" && lass_install_rest "$venv" ".[$extras]") >>"$log" 2>&1 ||
        { lass_explain_failure "$log"; return 1; }
    # fairseq asks for torchaudio, of which there is no release for this PyTorch. Nothing
    # here needs it, and one that cannot be imported stops whatever looks for it, such as
    # transformers.
    "$venv/bin/python" -c 'import torchaudio' >/dev/null 2>&1 ||
        lass_pip "$venv" uninstall -y torchaudio >>"$log" 2>&1
    lass_say "  3 of 3: first import"
    "$venv/bin/python" -c 'import torch, fairseq' >>"$log" 2>&1 || {
        lass_fail "fairseq was installed but cannot be imported; see the end of $log"
        return 1
    }
    fingerprint=$(lass_fingerprint "$venv") || return 1
    for extra in $(printf '%s' "$extras" | tr , ' '); do
        printf '%s\n' "$fingerprint" >"$venv/.installed-$extra" || return 1
    done
    lass_say "installed in $((SECONDS - started)) s"
}

lass_install_rest() {
    local venv=$1 package=$2
    if "$venv/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        # fairseq-fixed is compiled against the PyTorch of this environment; pip's
        # isolated build environment would need a second one.
        lass_pip "$venv" install -c constraints.txt --no-build-isolation -e "$package"
        return
    fi
    # Stock fairseq lacks the sources of its PyTorch extensions, so it can be built only
    # where there is no PyTorch; newer versions of pip refuse the omegaconf it asks for.
    lass_pip "$venv" install "pip<24.1" &&
        PIP_CONSTRAINT=constraints.txt lass_pip "$venv" install -e "$package"
}

# pip of VENV, deaf to settings that would make it install elsewhere, or make fairseq
# compile kernels that this package does not use.
lass_pip() (
    venv=$1
    shift
    unset CUDA_HOME PYTHONPATH PYTHONHOME
    export PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PYTHONNOUSERSITE=1
    exec "$venv/bin/python" -m pip "$@"
)

# Leave a complete environment for an update; make any other of ours again.
lass_make_venv() {
    local base=$1 venv=$2 stamp complete=
    if [ -e "$venv" ] && [ ! -e "$venv/.lass-venv" ] &&
        { [ ! -d "$venv" ] || [ -n "$(ls -A "$venv")" ]; }; then
        lass_fail "$venv is there already, was not made by this script and lacks what" \
            "is needed; remove it, or name another place with LASS_VENV=DIR"
        return 1
    fi
    for stamp in "$venv"/.installed-*; do
        [ -f "$stamp" ] && complete=yes
    done
    if [ -n "$complete" ] && lass_same_version "$venv/bin/python" "$base" &&
        [ "$(cat "$venv/.lass-venv")" = "$venv" ]; then
        rm -f "$venv"/.installed-*
        return 0
    fi
    if [ -e "$venv/.lass-venv" ]; then
        [ -n "$complete" ] || lass_say "an unfinished installation is made again"
        rm -rf "$venv"
    fi
    mkdir -p "$venv" && printf '%s\n' "$venv" >"$venv/.lass-venv" || {
        lass_fail "cannot write to $venv; name another place with LASS_VENV=DIR"
        return 1
    }
    "$base" -m venv "$venv" >"$venv/install.log" 2>&1 || {
        lass_fail "$base -m venv failed; see $venv/install.log (Debian, Ubuntu:" \
            "apt-get install python3-venv)"
        return 1
    }
}

# Say in one sentence why pip failed, as far as its log tells.
lass_explain_failure() {
    local log=$1 what
    if grep -qi "no space left on device" "$log"; then
        what="the disk is full; free 4 GB, or name another place with LASS_VENV=DIR"
        what="$what (and TMPDIR=DIR for temporary files)"
    elif grep -qi "connection broken by" "$log"; then
        what="pip could not reach its package index; connect this machine to the"
        what="$what network, or set PIP_INDEX_URL or PIP_PROXY"
    elif grep -qE "No matching distribution|ResolutionImpossible" "$log"; then
        what=$(grep -m 1 "^ERROR: " "$log")
        what=${what#ERROR: }
        what="pip found no fitting versions (${what%.}); check PIP_INDEX_URL"
    elif grep -qE "[Ff]ailed building wheel|error: command .* failed|Killed" "$log"; then
        what="fairseq could not be compiled; check the C++ compiler and that 3 GB of"
        what="$what memory are free, or use Python 3.12"
    else
        what="pip failed"
    fi
    lass_fail "$what; then run this again (details: the end of $log)"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    lass_environment "${1:-test}" || exit 1
    echo "The environment is ready; its Python is $LASS_PYTHON"
    [ -z "${VIRTUAL_ENV:-}" ] || echo "Enter it with: . $VIRTUAL_ENV/bin/activate"
fi
