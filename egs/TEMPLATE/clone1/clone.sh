#!/usr/bin/env bash
# The stages of every cloning recipe, on the features and models of a tts1 recipe: speaker encoder, megatts, prosody models,
# content adapter. A recipe's run.sh sets its corpus and calls this with its own options.
set -euo pipefail

stage=1            # first stage to run
stop_stage=8       # last stage to run
nj=$(nproc)        # parallel processes
ngpu=0             # GPUs to train on; 0 is the CPU
data=../tts1/data  # data directories: train, dev, test
dump=../tts1/dump  # feature store, aligned
exp=exp            # training folders and models
pack=              # train from a packed corpus: begins at stage 1; 7 and 8 need the recordings
start=../tts1/exp/models/fs2          # the fs2 that megatts goes on with
aligner=../tts1/exp/models/aligner
vocoder=           # a vocoder's folder that megatts takes with it; empty: the house vocoder
speaker_minutes=90
open_minutes=10    # of megatts before there are codes
codes_minutes=30   # while the codes are learned
rest_minutes=120   # afterwards
prosody_minutes=30 # of each form
content_minutes=25
speaker_steps=     # stop at these steps even if minutes are left; empty: never
open_steps=250
codes_steps=850
rest_steps=
prosody_steps=
content_steps=
voices_from_minutes=15
speak=test         # the split that stage 7 speaks
utterances=40      # at most so many of it
dry_run=false      # print the commands only
list_stages=false
help_message="Usage: ./run.sh [--stage N] [--stop-stage M] [--ngpu G] [--name value | --name=value] ...
Stages: 1 speaker encoder, 2 megatts without codes, 3 megatts learns codes, 4 megatts goes on, 5 prosody models,
6 content adapter, 7 synthesise, 8 evaluate. Options, with their defaults: see the top of clone.sh."

. ./path.sh
. ./cmd.sh
. ./parse_options.sh
. "$parlance_root/egs/TEMPLATE/tts1/stages.sh"

packed 1 "$speak"
models=$exp/models
judged=(--set "task.speaker_encoder=$models/speaker")

if begin 1 "speaker encoder"; then
    train train-speaker --exp "$exp/speaker" --minutes "$speaker_minutes" --config conf/speaker.yaml \
        ${speaker_steps:+--max-steps "$speaker_steps"}
    recipes export --exp "$exp/speaker" --dump "$dump" --out "$models/speaker"
fi

if begin 2 "megatts without codes"; then
    train train-acoustic --model megatts --exp "$exp/megatts-open" --minutes "$open_minutes" --config conf/megatts.yaml \
        --set task.quantize=false --set task.adversarial_from=null --warm-start "$start" "${judged[@]}" \
        ${open_steps:+--max-steps "$open_steps"}
    recipes export --exp "$exp/megatts-open" --dump "$dump" --out "$models/megatts-open" --voices-from-minutes 100000
fi

if begin 3 "megatts learns codes"; then
    train train-acoustic --model megatts --exp "$exp/megatts-codes" --minutes "$codes_minutes" --config conf/megatts.yaml \
        --warm-start "$models/megatts-open" "${judged[@]}" ${codes_steps:+--max-steps "$codes_steps"}
    recipes export --exp "$exp/megatts-codes" --dump "$dump" --out "$models/megatts-codes" --voices-from-minutes 100000
fi

if begin 4 "megatts goes on"; then
    train train-acoustic --model megatts --exp "$exp/megatts" --minutes "$rest_minutes" --config conf/megatts.yaml \
        --set task.codes_until=0 --warm-start "$models/megatts-codes" "${judged[@]}" ${rest_steps:+--max-steps "$rest_steps"}
    recipes export --exp "$exp/megatts" --dump "$dump" --out "$models/megatts" --voices-from-minutes "$voices_from_minutes" \
        ${vocoder:+--vocoder "$vocoder"}
fi

if begin 5 "prosody models"; then
    for form in causal masked; do
        train train-prosody --acoustic "$models/megatts-codes" --exp "$exp/prosody-$form" --minutes "$prosody_minutes" \
            --config conf/prosody.yaml --set "model.form=$form" ${prosody_steps:+--max-steps "$prosody_steps"}
        recipes export --exp "$exp/prosody-$form" --dump "$dump" --out "$models/megatts/prosody-$form"
    done
fi

if begin 6 "content adapter"; then
    train train-content --acoustic "$models/megatts" --exp "$exp/content" --minutes "$content_minutes" \
        ${content_steps:+--max-steps "$content_steps"}
    recipes export --exp "$exp/content" --dump "$dump" --out "$models/megatts/content"
fi

if begin 7 "synthesise"; then
    recipes synthesise --data "$data/$speak" --model "$models/megatts" --out "$exp/synth/megatts" --utterances "$utterances"
fi

if begin 8 "evaluate"; then
    recipes score --data "$data/$speak" --synth "$exp/synth/megatts" --aligner "$aligner" \
        --results "$exp/RESULTS.md"
    if [[ -x local/evaluate.sh ]]; then run local/evaluate.sh --model "$models/megatts" --exp "$exp"; fi
fi
