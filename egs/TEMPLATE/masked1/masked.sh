#!/usr/bin/env bash
# The stages of every recipe of masked parallel decoding, on the features of a tts1 recipe: text to units to codec tokens, and
# the patches of tts enhance. A recipe's run.sh sets its corpus and calls this.
set -euo pipefail

stage=1            # first stage to run
stop_stage=7       # last stage to run
nj=$(nproc)        # parallel processes
ngpu=0             # GPUs to train on; 0 is the CPU
data=../tts1/data  # data directories: train, dev, test
dump=../tts1/dump  # feature store, aligned
exp=exp            # training folders and models
pack=              # train from a packed corpus
acoustic=          # acoustic model whose text side is taken; empty: the house fs2. Models that are given go into the new one's folder
codec=             # codec that speaks; empty: the house codec
units=             # unit encoder; empty: the house's
aligner=../../../tts/assets/aligner      # counts the phones of stage 7
masked_minutes=240
books_minutes=20
patches_minutes=60
masked_steps=      # stop at these steps even if minutes are left; empty: never
books_steps=
patches_steps=
voices_from_minutes=15
speak=test         # the split that stage 6 speaks
utterances=40      # at most so many of it
dry_run=false      # print the commands only
list_stages=false
help_message="Usage: ./run.sh [--stage N] [--stop-stage M] [--ngpu G] [--name value | --name=value] ...
Stages: 1 units and tokens, 2 train, 3 export, 4 patch books, 5 patches, 6 synthesise, 7 evaluate. Options, with their defaults:
see the top of masked.sh."

. ./path.sh
. ./cmd.sh
. ./parse_options.sh
. "$parlance_root/egs/TEMPLATE/tts1/stages.sh"

models=$exp/models
extractor=house${units:+:$units}

bring() { # name in the model's folder, model: put it there
    if [[ -n $2 ]]; then
        run mkdir -p "$models/masked"
        run rm -rf "$models/masked/$1"
        run cp -rL "$2" "$models/masked/$1"
    fi
}

if begin 1 "units and tokens"; then
    recipes units --dump "$dump" --extractor "$extractor"
    recipes codes --dump "$dump" ${codec:+--codec "$codec"}
fi

if begin 2 "train"; then
    train train-masked --exp "$exp/masked" --minutes "$masked_minutes" --config conf/masked.yaml --extractor "$extractor" \
        ${acoustic:+--acoustic "$acoustic"} ${codec:+--codec "$codec"} ${masked_steps:+--max-steps "$masked_steps"}
fi

if begin 3 "export"; then
    bring text "$acoustic"
    bring codec "$codec"
    bring units "$units"
    recipes export --exp "$exp/masked" --dump "$dump" --out "$models/masked" --voices-from-minutes "$voices_from_minutes"
fi

if begin 4 "patch books"; then
    train train-patches --exp "$exp/patch-books" --minutes "$books_minutes" --config conf/patches.yaml \
        ${books_steps:+--max-steps "$books_steps"}
    recipes export --exp "$exp/patch-books" --dump "$dump" --out "$models/patch-books"
fi

if begin 5 "patches"; then
    train train-patches --exp "$exp/patches" --minutes "$patches_minutes" --config conf/patches.yaml \
        --set task.part=masked --warm-start "$models/patch-books" ${patches_steps:+--max-steps "$patches_steps"}
    recipes export --exp "$exp/patches" --dump "$dump" --out "$models/patches"
fi

if begin 6 "synthesise"; then
    recipes synthesise --data "$data/$speak" --model "$models/masked" --out "$exp/synth/masked" --utterances "$utterances"
fi

if begin 7 "evaluate"; then
    recipes score --data "$data/$speak" --synth "$exp/synth/masked" --aligner "$aligner" --results "$exp/RESULTS.md"
    if [[ -x local/evaluate.sh ]]; then run local/evaluate.sh --models "$models" --exp "$exp"; fi
fi
