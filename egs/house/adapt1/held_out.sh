#!/usr/bin/env bash
# One language of the house held out, then added with 0, 2.5, 5 and 15 minutes. Base models that never heard it are trained first:
# an aligner and an fs2, on the features of ../tts1 without it. The house aligner, which heard the language, only judges.
set -euo pipefail
cd "$(dirname "$0")"

language=nl
aligner_base_minutes=40
acoustic_base_minutes=150
aligner_base_steps=     # stop at these steps even if minutes are left; empty: never
acoustic_base_steps=
nj=$(nproc)
ngpu=0
exp=exp/held-out
minutes="0 2.5 5 15"
base=true               # false: the base models are there
options=                # passed on to adapt.sh, for example "--stage 6 --acoustic-minutes 5"
dry_run=false
list_stages=false
stage=0
stop_stage=0
help_message="Usage: ./held_out.sh [--language TAG] [--minutes 'M M ...'] [--base true|false] [--options '--stage N ...']
Options, with their defaults: see the top of held_out.sh."

. ./path.sh
. ./cmd.sh
. ./parse_options.sh
. "$parlance_root/egs/TEMPLATE/tts1/stages.sh"

exp=$exp/$language
dump=$exp/base/dump
if $base; then
    recipes subset --dump ../tts1/dump --out "$dump" --without "$language"
    train train-aligner --exp "$exp/base/aligner" --minutes "$aligner_base_minutes" --config ../tts1/conf/aligner.yaml \
        ${aligner_base_steps:+--max-steps "$aligner_base_steps"}
    recipes export --exp "$exp/base/aligner" --dump "$dump" --out "$exp/base/models/aligner"
    train train-acoustic --model fs2 --exp "$exp/base/fs2" --minutes "$acoustic_base_minutes" --config ../tts1/conf/fs2.yaml \
        ${acoustic_base_steps:+--max-steps "$acoustic_base_steps"}
    recipes export --exp "$exp/base/fs2" --dump "$dump" --out "$exp/base/models/fs2"
fi

run ./adapt.sh --data "$exp/data" --dump "$exp/dump" --exp "$exp" --data-options "--languages $language" --minutes "$minutes" \
    --model "$exp/base/models/fs2" --aligner "$exp/base/models/aligner" --replay "$dump" --judge ../../../tts/assets/aligner \
    --nj "$nj" --ngpu "$ngpu" $options
