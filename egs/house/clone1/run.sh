#!/usr/bin/env bash
# The house models for cloning, on the features and the fs2 of ../tts1.
set -euo pipefail
cd "$(dirname "$0")"

./clone.sh --start ../../../tts/assets/fs2 --aligner ../../../tts/assets/aligner "$@"
