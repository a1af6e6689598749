#!/usr/bin/env bash
# Breaks each border of the house once, in a copy, and expects to be stopped in the right words:
# a lock that never bites is an ornament. The copy shares the target directory with the house, so
# what the house depends on is not built again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target/locks/house"
target=$(cd "$target" && pwd)
copy=$target/locks/house
said=$target/locks/said
failures=0

fresh() {
    rm -rf "${copy:?}"/*
    # Not preserving times: cargo must see each plant, and that it is gone.
    cp -r Cargo.toml Cargo.lock clippy.toml src "$copy"
    for it in scripts sounds tests benches; do
        [ ! -e "$it" ] || cp -r "$it" "$copy"
    done
}

cargo_in_copy() {
    (cd "$copy" && CARGO_TARGET_DIR=$target cargo "$@" --locked --release) >"$said" 2>&1
}

# stops NAME FILE LINE WORDS COMMAND…: with LINE at the end of FILE, COMMAND must fail with WORDS.
stops() {
    local name=$1 file=$2 line=$3 words=$4
    shift 4
    fresh
    printf '\n%s\n' "$line" >>"$copy/$file"
    if "$@"; then
        echo "  DOES NOT BITE  $name: it passed"
    elif ! grep -qE "$words" "$said"; then
        echo "  DOES NOT BITE  $name: it failed, but not with '$words':"
        tail -n 20 "$said"
    else
        echo "  bites          $name"
        return
    fi
    failures=$((failures + 1))
}

# passes NAME COMMAND…: without a plant, COMMAND must pass, or its failures would say nothing.
passes() {
    local name=$1
    shift
    fresh
    "$@" && echo "  opens          $name" && return
    echo "  DOES NOT OPEN  $name:"
    tail -n 20 "$said"
    failures=$((failures + 1))
}

core() {
    cargo_in_copy check --lib --no-default-features
}

clippy() {
    cargo_in_copy clippy --lib --no-default-features
    # What clippy only warns of, `make lint` denies.
    ! grep -q 'disallowed method' "$said"
}

house() {
    (cd "$copy" && rustc --edition 2024 --test -o "$target/locks/house_test" tests/house.rs &&
        "$target/locks/house_test" the_house_keeps_its_rules) >"$said" 2>&1
}

echo "Three locks, tried:"
passes "core without node" core
stops "tokio in a computing room" src/sip/mod.rs \
    'fn planted() { let _ = tokio::time::sleep; }' 'cannot find .*`tokio`|unresolved.*`tokio`' core
stops "a computing room that names node" src/sip/mod.rs \
    'use crate::node as _;' 'unresolved import `crate::node`|could not find `node`|no `node`' core
passes "clippy" clippy
stops "a clock in a computing room" src/sip/mod.rs \
    'pub(crate) fn planted() -> std::time::Instant { std::time::Instant::now() }' \
    'disallowed method `std::time::Instant::now`' clippy
passes "house rules" house
stops "a room that looks up" src/sip/mod.rs \
    'use crate::{base::Mono as _, call::{Input as _, Output as _}};' \
    'src/sip/mod.rs:[0-9]+: `sip` must not know `call::Input`' house
stops "a socket in a computing room" src/call/mod.rs \
    'fn planted() { let _ = std::net::UdpSocket::bind("0:0"); }' \
    'src/call/mod.rs:[0-9]+: `std::net::UdpSocket::bind` in a computing room' house

[ "$failures" -eq 0 ] || { echo "$failures of the locks failed." >&2; exit 1; }
