#!/usr/bin/env bash
# ./test.sh             checks everything: style, types, import directions, secrets, then all tests with coverage
# ./test.sh ARGUMENTS   runs pytest with these arguments only, such as tests/unit -k splitter
# The environment is made once in .venv-test from requirements/dev.txt.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$root"
# shellcheck source=scripts/lib/environment.sh
source scripts/lib/environment.sh

ensure_environment "$root" "$root/.venv-test" requirements/dev.txt
scripts/debian-packages cc:gcc,libc6-dev curl:curl || echo "Tests that need them are skipped or fail." >&2
export PATH="$root/.venv-test/bin:$PATH"
unset PYTHONPATH PYTHONHOME VIRTUAL_ENV

if [[ -z "${PERGAMUM_TEST_DATA:-}" && -d "$root/../shared/data" ]]; then
    PERGAMUM_TEST_DATA=$(cd "$root/../shared/data" && pwd)
    export PERGAMUM_TEST_DATA
fi

echo "== compiling the kernels, if that has not been done"
python -m pergamum.index.kernel_cache

if [[ $# -gt 0 ]]; then
    exec python -m pytest -p no:cacheprovider "$@"
fi

failed=()
check() {
    echo "== $*"
    "$@" || failed+=("$*")
}
check ruff check --quiet --no-cache
check ruff format --check --quiet --no-cache
check mypy --no-error-summary
check pyright --pythonpath "$root/.venv-test/bin/python"
check lint-imports --no-cache
check scripts/scan-secrets
# Three workers on two cores: a test in three waits for a disk or another process.
check python -m pytest -p no:cacheprovider -n 3 --dist loadgroup --cov --cov-report term

if [[ ${#failed[@]} -gt 0 ]]; then
    printf 'FAILED: %s\n' "${failed[@]}" >&2
    exit 1
fi
