# shellcheck shell=bash
# Sourced by run.sh and test.sh: makes a virtual environment that holds exactly what a lock says.

# Prints the newest suitable Python, or says what is missing and fails.
find_python() {
    local candidate
    for candidate in "${PERGAMUM_PYTHON:-}" python3.14 python3.13 python3.12 python3.11 python3 python; do
        if [[ -n "$candidate" ]] && "$candidate" -c \
            'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' >/dev/null 2>&1; then
            command -v "$candidate"
            return
        fi
    done
    echo "Pergamum needs Python 3.11, 3.12, 3.13 or 3.14, and none was found. On Debian or Ubuntu:" >&2
    echo "    apt-get install python3 python3-venv" >&2
    echo "A Python elsewhere can be named: PERGAMUM_PYTHON=/path/to/python3 $0" >&2
    return 1
}

# environment_is_ready FOLDER FINGERPRINT: true if an earlier call finished with the same lock at the same place.
environment_is_ready() {
    [[ -f "$1/.lock" && "$(<"$1/.lock")" == "$2" ]] && "$1/bin/python" -c '' 2>/dev/null
}

# install PYTHON FOLDER ARGUMENTS...: pip of the environment, or of PYTHON where Debian keeps ensurepip in a package.
install() {
    local python=$1 folder=$2
    shift 2
    local pip=("$folder/bin/python" -m pip)
    if [[ ! -d "$(echo "$folder"/lib/python3*/site-packages/pip)" ]]; then
        pip=("$python" -m pip --python "$folder/bin/python")
    fi
    PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 "${pip[@]}" install --quiet --no-compile "$@"
}

# create PYTHON FOLDER: an empty environment; a folder that these scripts did not make is kept and added to.
create() {
    local python=$1 folder=$2 clear=()
    if [[ -f "$folder/.lock" ]] || [[ -d "$folder" && ! -x "$folder/bin/python" ]]; then
        clear=(--clear)
    fi
    if "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
        "$python" -m venv "${clear[@]}" "$folder"
    elif "$python" -m pip --version >/dev/null 2>&1; then
        "$python" -m venv --without-pip "${clear[@]}" "$folder"
    else
        echo "$python has neither venv with ensurepip nor pip. On Debian or Ubuntu: apt-get install python3-venv" >&2
        return 1
    fi
}

# ensure_environment ROOT FOLDER LOCK: makes FOLDER hold LOCK and pergamum itself (editable). At once if it does.
# An interrupted installation leaves no matching fingerprint, so the next call starts over.
ensure_environment() {
    local root=$1 folder=$2 lock=$3 fingerprint python
    fingerprint="$root $(cat "$lock" "$root/pyproject.toml" | cksum)"
    if environment_is_ready "$folder" "$fingerprint"; then
        return
    fi
    python=$(find_python) || return 1
    echo "Installing $(basename "$lock" .txt) requirements into $folder (once, about half a minute) ..." >&2
    create "$python" "$folder" || return 1
    echo "unfinished" >"$folder/.lock"
    install "$python" "$folder" --require-hashes --requirement "$lock" || return 1
    install "$python" "$folder" --no-deps --no-build-isolation --editable "$root" || return 1
    printf '%s\n' "$fingerprint" >"$folder/.lock"
}
