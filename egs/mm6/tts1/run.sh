#!/usr/bin/env bash
# MM6: six languages, forty speakers each. Features and alignment for ../zmm; the later stages train fs2 beside it.
set -euo pipefail
cd "$(dirname "$0")"

./tts.sh --acoustic fs2 "$@"
