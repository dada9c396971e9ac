#!/usr/bin/env bash
# The house infill, on the features of ../tts1 and the text side and voices of the shipped fs2.
set -euo pipefail
cd "$(dirname "$0")"

./infill.sh --start ../../../tts/assets/fs2 --aligner ../../../tts/assets/aligner "$@"
