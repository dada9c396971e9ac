#!/usr/bin/env bash
# The stages of every codec recipe. A recipe's run.sh sets its corpus and calls this with its own options.
set -euo pipefail

stage=1            # first stage to run
stop_stage=8       # last stage to run
nj=$(nproc)        # parallel processes
ngpu=0             # GPUs to train on; 0 is the CPU
data=data          # data directories: train, dev, test
dump=dump          # feature store; that of a text-to-speech recipe on the same corpus serves too
exp=exp            # training folders and models
pack=              # train from a packed corpus: begins at stage 4; 7 and 8 need the recordings
check_audio=true   # stage 2 opens every recording
conf=conf/codec.yaml     # of both trainings; conf/rvq.yaml and its neighbours are ablations
name=              # of the models; default: the configuration's
vocoder=../../../vocoder/assets/house    # the decoder begins from it; empty: from random numbers
autoencoder=       # a trained autoencoder's folder, of any quantiser; empty trains one here
autoencoder_minutes=30
codes_minutes=600
minutes=           # of each training, in place of the two above
autoencoder_steps=       # stop at this step even if minutes are left; empty: never
codes_steps=
decode=test        # the split that stage 7 decodes
utterances=40      # at most so many of it
books=             # that stage 7 keeps; empty: all
aligner=../../../tts/assets/aligner      # counts the phones of stage 8
data_options=      # passed on to local/data.sh
dry_run=false      # print the commands only
list_stages=false
help_message="Usage: ./run.sh [--stage N] [--stop-stage M] [--nj K] [--ngpu G] [--name value | --name=value] ...
Stages: 1 data, 2 validate, 3 features, 4 autoencoder, 5 codes, 6 export, 7 decode, 8 evaluate.
Options, with their defaults: see the top of codec.sh."

. ./path.sh
. ./cmd.sh
. ./parse_options.sh
. "$parlance_root/egs/TEMPLATE/tts1/stages.sh"

packed 4 "$decode"
name=${name:-$(basename "$conf" .yaml)}
model=$exp/models/$name
never=1000000000   # a step that an autoencoder does not reach: it has no discriminators

if begin 1 "data"; then
    run local/data.sh --data "$data" $data_options
fi

if begin 2 "validate"; then
    folders=()
    for split in train dev test; do if [[ -d $data/$split ]] || $dry_run; then folders+=("$data/$split"); fi; done
    recipes validate "${folders[@]}" $(if $check_audio; then echo --audio; fi) --nj "$nj"
fi

if begin 3 "features"; then
    recipes features --data "$data" --dump "$dump" --no-phones --nj "$nj"
fi

if begin 4 "autoencoder"; then
    if [[ -z $autoencoder ]]; then
        train train-codec --config "$conf" --exp "$exp/$name-autoencoder" --minutes "${minutes:-$autoencoder_minutes}" \
            ${vocoder:+--vocoder "$vocoder"} ${autoencoder_steps:+--max-steps "$autoencoder_steps"} \
            --set task.quantize=false --set task.adversarial_from=$never
        recipes export --exp "$exp/$name-autoencoder" --dump "$dump" --out "$model-autoencoder"
    fi
fi

if begin 5 "codes"; then
    train train-codec --config "$conf" --exp "$exp/$name" --minutes "${minutes:-$codes_minutes}" \
        --warm-start "${autoencoder:-$model-autoencoder}" ${codes_steps:+--max-steps "$codes_steps"}
fi

if begin 6 "export"; then
    recipes export --exp "$exp/$name" --dump "$dump" --out "$model"
fi

if begin 7 "decode"; then
    recipes resynthesise --data "$data/$decode" --model "$model" --out "$exp/synth/$name" --utterances "$utterances" \
        ${books:+--books "$books"}
fi

if begin 8 "evaluate"; then
    recipes score --data "$data/$decode" --synth "$exp/synth/$name" --aligner "$aligner" --results "$exp/RESULTS.md"
    if [[ -x local/evaluate.sh ]]; then
        run local/evaluate.sh --model "$model" --autoencoder "${autoencoder:-$model-autoencoder}" --exp "$exp"
    fi
fi
