#!/usr/bin/env bash
# A training stage on several machines that share a folder; the same call on each of them, in the recipe's folder:
#   ../../TEMPLATE/tts1/torchrun.sh NODES HEAD:PORT PROCESSES STAGE [OPTIONS]
#   ../../TEMPLATE/tts1/torchrun.sh 2 node1:29500 8 train-codec --exp exp/codec --minutes 600 --device cuda
# PROCESSES is how many GPUs each machine has. A run that was stopped goes on, with as many processes as before.
set -euo pipefail
. ./path.sh
[[ $# -ge 4 ]] || { sed -n '2,5s/^# //p' "$0" >&2; exit 2; }
nodes=$1 head=$2 processes=$3
shift 3
exec "$PYTHON" -m torch.distributed.run --nnodes "$nodes" --nproc-per-node "$processes" --rdzv-backend c10d \
    --rdzv-endpoint "$head" --rdzv-id parlance -m recipes "$@"
