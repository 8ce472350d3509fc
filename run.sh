#!/usr/bin/env bash
# ./run.sh          installs what the lock file names (once), then starts the server on 127.0.0.1:8000
# ./run.sh --demo   also imports the WordNet sample and prints a search to try
# Other arguments go to `pergamum serve`. PERGAMUM_HOST and PERGAMUM_PORT choose the address; PERGAMUM_DATA_DIR the
# folder of the data (unless set: `data` in this checkout, wherever this is called from). Signals reach the server.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/environment.sh
source "$root/scripts/lib/environment.sh"

export PERGAMUM_HOST="${PERGAMUM_HOST:-127.0.0.1}"
export PERGAMUM_PORT="${PERGAMUM_PORT:-8000}"
export PERGAMUM_DATA_DIR="${PERGAMUM_DATA_DIR:-$root/data}"
unset PYTHONPATH PYTHONHOME

ensure_environment "$root" "$root/.venv" "$root/requirements/server.txt"

if [[ "${1:-}" == --demo ]]; then
    shift
    source "$root/scripts/lib/demo.sh"
    demo "$root" "$@"
fi
exec "$root/.venv/bin/pergamum" serve "$@"
