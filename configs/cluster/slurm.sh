#!/bin/bash
#SBATCH --job-name=stylize
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=32
#SBATCH --time=12:00:00
#SBATCH --signal=B:TERM@180
#SBATCH --requeue
#SBATCH --no-kill
#SBATCH --open-mode=append
#SBATCH --output=stylize-%j.log
# stylize under Slurm: a Ray head on the first node, Ray on the others, and the run beside the head.
#
#     sbatch configs/cluster/slurm.sh /shared/stylize/job.yaml
#
# To set: --nodes, --gpus-per-node, --cpus-per-task above, as your machines are; VENV below. One node will do, too.
#
# Preempted, or three minutes before --time ends, this script gets SIGTERM (`B:` sends it to the script alone), hands it
# to stylize, which finishes the frames in work and ends with 75; then the job goes back into the queue and goes on from
# there. Where Slurm kills it without a warning, --requeue puts it back, and the frames in work are lost, no more.
# 2, 3 and 5 are not tried again: the job ends with that code; 75 and a killed stylize are, up to STYLIZE_RESTARTS times
# (20), by Slurm's own count of restarts. A node that fails costs its frames in work; --no-kill keeps the job on the
# others, and where it is the first one, --requeue starts it anew. Where only the head's process dies, stylize ends with
# 75.
# To end it for good: scontrol update JobId=ID Requeue=0, then scancel ID.
set -u

job=${1:?usage: sbatch slurm.sh JOB.yaml}
VENV=${VENV:-$HOME/stylize/.venv}    # SET: on a file system that all nodes share
RESTARTS=${STYLIZE_RESTARTS:-20}     # more than these, and something is wrong that another start does not mend
export PATH="$VENV/bin:$PATH"

# Whoever reaches Ray's ports runs code, and other people are on this network: no one without the token gets in.
RAY_AUTH_TOKEN=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN RAY_USAGE_STATS_ENABLED=0

mapfile -t hosts < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${hosts[0]}
head_ip=$(getent ahostsv4 "$head" | awk 'NR == 1 {print $1}')
port=$((20000 + SLURM_JOB_ID % 20000))
temp="/tmp/ray-$SLURM_JOB_ID"        # a path of its own: /tmp/ray may be another user's
common=(--block --num-cpus "${SLURM_CPUS_PER_TASK:-1}" --object-store-memory 200000000 --disable-usage-stats)

srun --overlap --nodes=1 --ntasks=1 --nodelist="$head" \
    ray start --head --node-ip-address="$head_ip" --port="$port" --temp-dir="$temp" --include-dashboard=false \
    "${common[@]}" &
for _ in $(seq 120); do
    (: </dev/tcp/"$head_ip"/"$port") 2>/dev/null && break
    sleep 1
done
others=$((${#hosts[@]} - 1))
if [ "$others" -gt 0 ]; then         # one that comes later is put to work when it comes
    srun --overlap --nodes="$others" --ntasks="$others" --exclude="$head" --kill-on-bad-exit=0 \
        ray start --address="$head_ip:$port" "${common[@]}" &
fi

stylize run "$job" --set "execution.address=$head_ip:$port" &
run=$!
trap 'kill -TERM "$run" 2>/dev/null' TERM
wait "$run"
code=$?
while kill -0 "$run" 2>/dev/null; do # `wait` came back for the signal; stylize is still finishing its frames
    wait "$run"
    code=$?
done

restarts=${SLURM_RESTART_COUNT:-0}
echo "stylize ended with exit code $code ($restarts restarts of this job so far)"
if [ "$code" -eq 75 ] || [ "$code" -gt 128 ]; then # interrupted, or its head lost, or killed
    if [ "$restarts" -lt "$RESTARTS" ]; then
        scontrol requeue "$SLURM_JOB_ID"
    else
        echo "given up after $restarts restarts; nothing is lost, submit it again to go on"
    fi
fi
exit "$code"
