#!/usr/bin/env bash
# The first ten requests, with curl, against a server that runs: PERGAMUM_URL, or http://127.0.0.1:8000.
# Makes the library "quickstart" and deletes it at the end.
set -euo pipefail

libraries="${PERGAMUM_URL:-http://127.0.0.1:8000}/v1/libraries"
json="Content-Type: application/json"

# say TITLE CURL-ARGUMENTS...
say() {
    printf '\n# %s\n' "$1"
    shift
    curl --silent --show-error --fail-with-body -H "$json" "$@"
    echo
}

say "A library; texts are embedded by the built-in model" "$libraries" -d '{"name": "quickstart"}'
say "A document" "$libraries/quickstart/documents" \
    -d '{"id": "tides", "title": "Tides", "text": "The moon pulls the sea, so it rises and falls twice a day."}'
say "Another, cut into chunks by us" "$libraries/quickstart/documents" \
    -d '{"id": "bread", "title": "Bread", "chunks": [{"text": "Yeast eats sugar and breathes out gas."},
         {"text": "The gas makes the dough rise."}]}'
say "A search by meaning" "$libraries/quickstart/search" -d '{"text": "what moves the ocean?", "k": 1}'
say "Two searches at once" "$libraries/quickstart/search:batch" \
    -d '{"queries": [{"text": "the sea", "k": 1}, {"text": "baking", "k": 1}]}'
say "A change" -X PATCH "$libraries/quickstart/documents/tides" -d '{"author": "me", "tags": ["sea"]}'
say "All documents" "$libraries/quickstart/documents"
say "How it is searched" "$libraries/quickstart/index"
say "One document less" -X DELETE "$libraries/quickstart/documents/bread"
say "No library any more" -X DELETE "$libraries/quickstart"
