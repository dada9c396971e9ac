#!/usr/bin/env bash
#SBATCH --job-name=parlance --nodes=2 --ntasks-per-node=1 --gpus-per-node=1 --cpus-per-task=8 --time=24:00:00
# A training stage as a job of Slurm, a process a GPU, from the recipe's folder; what is given to sbatch wins over the line above:
#   sbatch --nodes 4 --gpus-per-node 8 ../../TEMPLATE/tts1/slurm.sh train-codec --exp exp/codec --minutes 1400 --device cuda
# A job that is queued again goes on from the newest checkpoint.
set -euo pipefail
. ./path.sh
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
srun "$parlance_root/egs/TEMPLATE/tts1/torchrun.sh" "$SLURM_JOB_NUM_NODES" "$head:${PORT:-29500}" "${SLURM_GPUS_ON_NODE:-1}" "$@"
