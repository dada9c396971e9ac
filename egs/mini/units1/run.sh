#!/usr/bin/env bash
# Every stage on the corpus of ../tts1, made in seconds; budgets are in steps.
set -euo pipefail
cd "$(dirname "$0")"

./units.sh --first-steps 60 --second-steps 60 --books-steps 80 "$@"
