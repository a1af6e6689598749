#!/usr/bin/env bash
# Installs the programs that the tests talk to, when they are missing. Each line: program, package.
set -euo pipefail

missing=()
while read -r program package; do
    command -v "$program" >/dev/null || missing+=("$package")
done <<'LIST'
cc gcc
baresip baresip-core
linphonec linphone-cli
sipp sip-tester
espeak-ng espeak-ng
LIST

[ ${#missing[@]} -eq 0 ] && exit 0
echo "Missing for the tests: ${missing[*]}"

fail() {
    echo "$1 Install by hand: ${missing[*]}" >&2
    exit 1
}

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "Neither root nor sudo."
    as_root=(sudo)
fi
command -v apt-get >/dev/null || fail "This system has no apt-get."

install() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y --no-install-recommends "${missing[@]}"
}
install || { "${as_root[@]}" apt-get update && install; } || fail "apt-get could not install them."
