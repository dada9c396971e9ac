#!/usr/bin/env bash
# Malayalam, a language, script and sounds that the house models never met, from 0, 2.5, 5 and 15 minutes of phone recordings.
# Needs the features of ../tts1. The recordings are share-alike (CC BY-SA 3.0), and so is every model that this makes.
set -euo pipefail
cd "$(dirname "$0")"

./adapt.sh --model ../../../tts/assets/fs2 --aligner ../../../tts/assets/aligner --minutes "0 2.5 5 15" \
    --data-options "--languages ml" --sentences 20 "$@"
