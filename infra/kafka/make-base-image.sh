#!/bin/sh
# Makes the image debian:bookworm-slim with debootstrap, for machines that can reach a Debian mirror but pull no image.
#
#     sudo infra/kafka/make-base-image.sh [MIRROR]
#
# MIRROR is the URL of a Debian archive; without it, the one that apt uses here. Takes one to two minutes; does nothing
# if the image is there. Needs root, debootstrap, and a Docker engine that answers.
set -eu

suite=bookworm
image=debian:$suite-slim

fail() {
    echo "make-base-image: $1" >&2
    exit 1
}

docker version >/dev/null 2>&1 || fail "no Docker engine answers: start one or set DOCKER_HOST"
if docker image inspect "$image" >/dev/null 2>&1; then
    echo "$image is there"
    exit 0
fi
[ "$(id -u)" -eq 0 ] || fail "debootstrap needs root: run it with sudo"
command -v debootstrap >/dev/null || fail "debootstrap is not installed: apt-get install debootstrap"

mirror=${1:-}
if [ -z "$mirror" ] && command -v apt-get >/dev/null; then
    mirror=$(apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(COMPONENT) $(SITE)' |
        awk -v suite="$suite" '$1 == "Debian" && $2 == suite && $3 == "main" { print $4; exit }')
fi

work=$(mktemp -d)
# Not across file systems: debootstrap may have been stopped while /proc was mounted in there.
trap 'rm -rf --one-file-system "$work"' EXIT
trap 'exit 143' INT TERM

echo "making $image, which takes a minute or two"
debootstrap --variant=minbase "$suite" "$work/root" ${mirror:+"$mirror"} >"$work/log" 2>&1 ||
    fail "debootstrap failed: $(tail -n 1 "$work/log")"
rm -rf "$work"/root/var/cache/apt/archives/*.deb "$work"/root/var/lib/apt/lists/*
tar -C "$work/root" -c . | docker import --change 'CMD ["bash"]' - "$image" >/dev/null
docker image inspect "$image" >/dev/null 2>&1 || fail "docker import made no image"
echo "$image is made"
