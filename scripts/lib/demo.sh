# shellcheck shell=bash
# Sourced by run.sh --demo: the server in the background, the sample imported, then everything waits for the server.

# demo ROOT ARGUMENTS...: exits with the server's exit code, or that of a failed import. SIGINT and SIGTERM go on to the server.
# The globals `server` and `guide` are process ids that the traps use; `stopping` says that a signal was passed on.
demo() {
    local root=$1 bin="$1/.venv/bin" host=$PERGAMUM_HOST
    shift
    [[ "$host" != 0.0.0.0 && "$host" != "::" ]] || host=127.0.0.1
    if (exec 3<>"/dev/tcp/$host/$PERGAMUM_PORT") 2>/dev/null; then
        echo "Port $PERGAMUM_PORT is in use already; choose another: PERGAMUM_PORT=8001 ./run.sh --demo" >&2
        exit 1
    fi
    [[ "$host" != *:* ]] || host="[$host]"
    export PERGAMUM_URL="http://$host:$PERGAMUM_PORT"

    server='' guide='' stopping=''
    trap 'pass_on INT' INT
    trap 'pass_on TERM' TERM HUP
    # Process groups of their own: Ctrl-C in a terminal reaches the server once, through the trap.
    set -m
    "$bin/pergamum" serve "$@" &
    server=$!
    show_demo "$root" "$server" &
    guide=$!
    set +m

    local failed=0
    wait_for "$guide" || [[ -n "$stopping" ]] || failed=$?
    [[ $failed -eq 0 ]] || pass_on TERM
    wait_for "$server"
    exit "$failed"
}

# pass_on SIGNAL: to the server; an import under way ends.
pass_on() {
    stopping=yes
    [[ -z "$guide" ]] || kill -TERM -- "-$guide" 2>/dev/null || true
    [[ -z "$server" ]] || kill "-$1" "$server" 2>/dev/null || true
}

# wait_for PID: its exit code, however many signals interrupt the waiting.
wait_for() {
    local code again
    while :; do
        code=0
        wait "$1" 2>/dev/null || code=$?
        kill -0 "$1" 2>/dev/null || break
    done
    if [[ $code -gt 128 ]]; then # interrupted just as the process ended, or ended by a signal: ask once more
        again=0
        wait "$1" 2>/dev/null || again=$?
        [[ $again -eq 127 ]] || code=$again
    fi
    return "$code"
}

# show_demo ROOT SERVER: waits until the server is ready, imports the sample if it is not there yet, searches it.
show_demo() {
    local root=$1 server=$2 bin="$1/.venv/bin" sample
    "$bin/python" "$root/scripts/lib/wait_ready.py" "$PERGAMUM_URL/readyz" "$server" || return 1
    sample=$("$bin/python" -c 'from pergamum.samples import WORDNET; print(WORDNET)') || return 1
    "$bin/pergamum" import --create --library wordnet "$sample" || return 1
    cat <<MESSAGE

The WordNet sample is in the library "wordnet". Try a search by meaning:

    $bin/pergamum search wordnet "a word for fear of heights"

or

    curl $PERGAMUM_URL/v1/libraries/wordnet/search \\
        -H 'Content-Type: application/json' -d '{"text": "a word for fear of heights", "k": 3}'

or, for a guided tour that needs no server,

    $bin/pergamum demo

Ctrl-C stops the server; the data stays in $PERGAMUM_DATA_DIR.
MESSAGE
}
