#!/usr/bin/env bash
# The stages of every ZMM-TTS recipe, on the features of a tts1 recipe: units, the three models, both systems. A recipe's run.sh
# sets its corpus and calls this with its own options.
set -euo pipefail

stage=1            # first stage to run
stop_stage=7       # last stage to run
nj=$(nproc)        # parallel processes
ngpu=0             # GPUs to train on; 0 is the CPU
data=../tts1/data  # data directories: train, dev, test
dump=../tts1/dump  # feature store, aligned
exp=exp            # training folders and models
pack=              # train from a packed corpus; 6 and 7 need the recordings
extractor=house    # whose units: house, house:DIR, xlsr:PLACE ...
front=phones       # what txt2vec reads: phones, characters or xphonebert
start=             # an acoustic model or txt2vec whose text side txt2vec begins from; empty: nothing
vocoder=           # a vocoder that the generator of zmm2 begins from; empty: nothing
speaks=            # the vocoder that zmm1 takes with it; empty: the house vocoder
aligner=../tts1/exp/models/aligner
systems="zmm1 zmm2"
told=0.5           # share of the utterances whose units are told by txt2vec when the other models learn; 0: none
txt2vec_minutes=240
vec2mel_minutes=120
vec2wav_minutes=240
txt2vec_steps=     # stop at these steps even if minutes are left; empty: never
vec2mel_steps=
vec2wav_steps=
voices_from_minutes=15
speak=test         # the split that stage 6 speaks
utterances=40      # at most so many of it
dry_run=false      # print the commands only
list_stages=false
help_message="Usage: ./run.sh [--stage N] [--stop-stage M] [--ngpu G] [--name value | --name=value] ...
Stages: 1 units, 2 txt2vec, 3 vec2mel, 4 vec2wav, 5 export, 6 synthesise, 7 evaluate.
Options, with their defaults: see the top of zmm.sh."

. ./path.sh
. ./cmd.sh
. ./parse_options.sh
. "$parlance_root/egs/TEMPLATE/tts1/stages.sh"

models=$exp/models
units=(--set "task.extractor=$extractor")

wanted() { [[ " $systems " == *" $1 "* ]]; }

if begin 1 "units"; then
    recipes units --dump "$dump" --extractor "$extractor" --nj "$nj"
    if [[ $front == characters ]]; then recipes spell --dump "$dump"; fi
fi

if begin 2 "txt2vec"; then
    train train-txt2vec --exp "$exp/txt2vec" --minutes "$txt2vec_minutes" --config conf/txt2vec.yaml "${units[@]}" \
        --set "model.front=$front" ${start:+--warm-start "$start"} ${txt2vec_steps:+--max-steps "$txt2vec_steps"}
    recipes export --exp "$exp/txt2vec" --dump "$dump" --out "$models/txt2vec"
    if [[ $told != 0 ]]; then recipes told-units --dump "$dump" --txt2vec "$models/txt2vec"; fi
fi

if begin 3 "vec2mel"; then
    if wanted zmm1; then
        train train-vec2mel --exp "$exp/vec2mel" --minutes "$vec2mel_minutes" --config conf/vec2mel.yaml "${units[@]}" \
            --set "task.told=$told" ${vec2mel_steps:+--max-steps "$vec2mel_steps"}
    fi
fi

if begin 4 "vec2wav"; then
    if wanted zmm2; then
        train train-vec2wav --exp "$exp/vec2wav" --minutes "$vec2wav_minutes" --config conf/vec2wav.yaml "${units[@]}" \
            --set "task.told=$told" ${vocoder:+--vocoder "$vocoder"} ${vec2wav_steps:+--max-steps "$vec2wav_steps"}
    fi
fi

if begin 5 "export"; then
    if wanted zmm1; then
        recipes export --exp "$exp/vec2mel" --dump "$dump" --out "$models/zmm1" --txt2vec "$models/txt2vec" \
            --voices-from-minutes "$voices_from_minutes" ${speaks:+--vocoder "$speaks"}
    fi
    if wanted zmm2; then
        recipes export --exp "$exp/vec2wav" --dump "$dump" --out "$models/zmm2" --txt2vec "$models/txt2vec" \
            --voices-from-minutes "$voices_from_minutes"
    fi
fi

if begin 6 "synthesise"; then
    for system in $systems; do
        recipes synthesise --data "$data/$speak" --model "$models/$system" --out "$exp/synth/$system" --utterances "$utterances"
    done
fi

if begin 7 "evaluate"; then
    for system in $systems; do
        recipes score --data "$data/$speak" --synth "$exp/synth/$system" --aligner "$aligner" --results "$exp/RESULTS.md"
    done
fi
