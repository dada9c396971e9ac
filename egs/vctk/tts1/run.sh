#!/usr/bin/env bash
# VCTK: 110 English speakers of many accents.
set -euo pipefail
cd "$(dirname "$0")"

./tts.sh --acoustic flow "$@"
