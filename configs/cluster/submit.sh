#!/usr/bin/env bash
# Submits a job to a running Ray cluster, follows it, and submits it again until it is done.
#
#     RAY_API_SERVER_ADDRESS=http://HEAD:8265 ./submit.sh /shared/stylize/job.yaml
#     RAY_API_SERVER_ADDRESS=http://HEAD:8265 ./submit.sh /shared/stylize/job.yaml --no-wait
#
# The YAML is one that the head can read, with execution.address: auto. HEAD:8265 is the dashboard, which runs whatever
# it is sent: reach it through `ssh -L 8265:localhost:8265 HEAD`, never over an open network. Where the cluster asks for a
# token: export RAY_AUTH_MODE=token, with the token in ~/.ray/auth_token. Needs `pip install 'ray[default]'` here.
#
# Run again: exit code 75 (interrupted), a driver that was killed, a head that was lost; nothing that is finished is
# painted twice. Not run again: 0 (done), 2 (the YAML is wrong), 3 (some sources failed), 5 (the cluster is not able to),
# or a job that somebody stopped. The exit code is the command's own; 75 after STYLIZE_TRIES tries (20).
set -u

job=${1:?usage: submit.sh JOB.yaml [--no-wait]}
wait=${2:-}
tries=${STYLIZE_TRIES:-20}
pause_s=${STYLIZE_PAUSE_S:-15}
: "${RAY_API_SERVER_ADDRESS:?set it to the cluster, e.g. http://localhost:8265}"

submit() { # ID
    ray job submit --no-wait --submission-id "$1" -- stylize run "$job" --set execution.address=auto
}

# How a job ended: an exit code, "stopped", "killed", or "lost" where no head answers or it does not know the job.
ending() { # ID
    local said code
    said=$(ray job status "$1" 2>&1)
    case $said in
        *"'$1' succeeded"*) echo 0 ;;
        *"'$1' was stopped"*) echo stopped ;;
        *"'$1' failed"*)
            code=$(grep -o -m 1 'failed with exit code -\?[0-9]\+' <<<"$said" | grep -o -- '-\?[0-9]\+$')
            echo "${code:-killed}"
            ;;
        *RUNNING* | *PENDING*) echo running ;;
        *) echo lost ;;
    esac
}

try=0
while [ "$try" -lt "$tries" ]; do
    try=$((try + 1))
    id="stylize-$(date +%Y%m%d-%H%M%S)-$$-$try"
    if submit "$id"; then
        if [ "$wait" = --no-wait ]; then
            echo "submitted; follow it with: ray job logs --follow $id"
            exit 0
        fi
        end=running
        while [ "$end" = running ]; do # the connection may break while the job goes on
            ray job logs --follow "$id"
            end=$(ending "$id")
            [ "$end" != running ] || sleep "$pause_s"
        done
    else
        end=lost
    fi
    case $end in
        0 | 2 | 3 | 5) exit "$end" ;;
        stopped) echo "somebody stopped the job; nothing is lost, submit it again to go on" >&2; exit 75 ;;
        *) echo "try $try of $tries ended: $end; again in $pause_s s" >&2 ;;
    esac
    sleep "$pause_s"
done
echo "given up after $tries tries; nothing is lost, submit it again to go on" >&2
exit 75
