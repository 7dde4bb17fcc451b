#!/bin/sh
set -eu
echo "the page says: $PAGE"
printf '{"page": "%s"}\n' "$PAGE" > "$NUON_ACTIONS_OUTPUT_FILEPATH"
