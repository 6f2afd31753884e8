#!/usr/bin/env bash
# Runs `make test-containers` where nobody has set up Docker: uses the engine that answers, else installs one with apt,
# starts it for this run on a socket of its own, and stops it by its process id.
#
# Exit code: 0 the tests passed; 69 there is no engine to be had here, told in one line, and nothing was tested; any
# other: the tests failed. Takes at most 20 minutes. What dockerd stores (the base image, the layers) stays in
# ${MABOS_CACHE_DIR:-~/.cache/mabos}/docker, so that a second run takes a minute less.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin # where dockerd, iptables and debootstrap are
cd "$(dirname "$0")/../.."

prepared_by_s=250
done_by_s=1200
engine_pid=
tests_pid=
run=
trap stop_all EXIT
trap 'exit 143' INT TERM

give_up() {
    echo "ci-docker: no container tests: $1" >&2
    exit 69
}

prepare() { # COMMAND...: one step, silent; if it fails, its last line is why
    local left=$((prepared_by_s - SECONDS))
    [ "$left" -gt 0 ] && timeout --kill-after=5 "$left" "$@" >"$state/step.log" 2>&1 && return
    give_up "$1 failed, or took until second $prepared_by_s: $(last_line "$state/step.log")"
}

last_line() {
    grep -v '^[[:space:]]*$' "$1" | tail -n 1 | cut -c 1-300
}

stop() { # SIGNAL PID: and after 15 s, SIGKILL; no PID is nothing to do
    [ -n "$2" ] && kill -"$1" "$2" 2>/dev/null || return 0
    for _ in $(seq 75); do
        kill -0 "$2" 2>/dev/null || return 0
        sleep 0.2
    done
    kill -KILL "$2" 2>/dev/null || true
}

stop_all() {
    stop INT "$tests_pid"
    stop TERM "$engine_pid"
    [ -z "$run" ] || rm -rf --one-file-system "$run"
}

install_engine() {
    local program
    for program in dockerd docker iptables debootstrap; do
        [ -n "$(type -P "$program")" ] || break
        program=
    done
    [ -n "$program" ] || return 0
    command -v apt-get >/dev/null || give_up "no Docker engine answers, and there is no apt to install one"
    export DEBIAN_FRONTEND=noninteractive
    local install=(apt-get -o DPkg::Lock::Timeout=60 install -y --no-install-recommends)
    prepare apt-get -o DPkg::Lock::Timeout=60 update
    prepare "${install[@]}" docker.io iptables debootstrap
    command -v docker >/dev/null || prepare "${install[@]}" docker-cli # newer Debians package it by itself
}

start_engine() {
    local log=$state/dockerd.log
    run=$(mktemp -d) # short: a socket's path has at most 107 characters
    export DOCKER_HOST=unix://$run/docker.sock
    dockerd --host "$DOCKER_HOST" --data-root "$state/data" --exec-root "$run/exec" --pidfile "$run/pid" \
        >"$log" 2>&1 9>&- &
    engine_pid=$!
    for _ in $(seq 100); do
        docker version >/dev/null 2>&1 && return
        kill -0 "$engine_pid" 2>/dev/null || give_up "dockerd ended: $(last_line "$log")"
        sleep 0.3
    done
    give_up "dockerd does not answer within 30 s: $(last_line "$log")"
}

if ! timeout 10 .venv/bin/python -m tests.support.container 2>/dev/null; then
    [ "$(id -u)" -eq 0 ] || give_up "no Docker engine answers, and only root can start one"
    state=${MABOS_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/mabos}/docker
    mkdir -p "$state"
    exec 9>"$state/lock"
    flock --timeout 30 9 || give_up "another run has $state"
    install_engine
    start_engine
    prepare infra/kafka/make-base-image.sh
    echo "ci-docker: an engine and its base image are ready after $SECONDS s"
fi
# In the background, else bash would not hear of a signal before its end; with -m, else pytest would ignore the SIGINT
# that has it remove its container.
set -m
timeout --signal=INT --kill-after=10 $((done_by_s - SECONDS)) make test-containers 9>&- &
tests_pid=$!
wait "$tests_pid"
