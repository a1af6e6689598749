#!/usr/bin/env bash
# Plants the bugs of bugs.txt one by one in a copy of the house and expects the named test to find
# each. `run.sh WORD` plants only those whose name contains the word. MOONSWITCH_SEEDS bounds the
# storms, as everywhere.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

bugs=tests/planted/bugs.txt
only=${1:-}
build_s=900 # At most.
run_s=120
memory_kb=8000000
place=$PWD/target/planted
copy=$place/house
log=$place/log
count=0
failures=0
declare -A sound # Of each test line: whether it passes without a bug.

# What the house is made of is built as ever; the house itself, which is built once for every bug,
# from what has changed and without delay.
hasty=(--config 'profile.release.package.moonswitch.opt-level=0'
    --config 'profile.release.package.moonswitch.debug=0')

fresh() {
    mkdir -p "$copy"
    rm -rf "${copy:?}"/*
    # Not preserving times: cargo must see that the last plant is gone.
    tar -c --exclude=./target --exclude=./.git . | tar -x -m -C "$copy"
}

# builds LINE, runs LINE: the tests that LINE asks for. Some bugs never end and some eat memory.
builds() { in_copy "$build_s" "$1 --no-run"; }
runs() { in_copy "$run_s" "$1"; }

in_copy() {
    local asked
    read -ra asked <<<"$2"
    # The copy has a target directory of its own: its binaries must not stand in for ours.
    (cd "$copy" && ulimit -v "$memory_kb" && CARGO_TARGET_DIR=$place/target CARGO_INCREMENTAL=1 \
        timeout "$1" cargo test --release --locked "${hasty[@]}" "${asked[@]}") >"$log" 2>&1
}

# is_sound LINE: the tests pass without a bug, and there are some. Asked before the first plant, so
# that what several bugs share is built for this once.
is_sound() {
    if [ -z "${sound[$1]:-}" ]; then
        sound[$1]=no
        if builds "$1" && runs "$1" && grep -qE 'test result: ok. [1-9][0-9]* passed' "$log"; then
            sound[$1]=yes
        else
            tail -n 15 "$log" | sed 's/^/    /'
        fi
    fi
    [ "${sound[$1]}" = yes ]
}

# plant FILE FIND WITH: fails unless FIND stands in FILE exactly once.
plant() {
    local text without
    [ -f "$copy/$1" ] || return 1
    text=$(<"$copy/$1")
    without=${text//"$2"/}
    [ $((${#text} - ${#without})) -eq ${#2} ] || return 1
    printf '%s\n' "${text/"$2"/"$3"}" >"$copy/$1"
}

verdict() {
    printf '%-9s %4ss  %-52s %-29s %s\n' "$1" "$2" "$name" "${file#src/}" "$test"
    [ "$1" = found ] || { failures=$((failures + 1)) && tail -n 15 "$log" | sed 's/^/    /'; }
}

try() {
    local started=$SECONDS
    count=$((count + 1))
    : >"$log"
    if ! is_sound "$test"; then
        verdict "UNSOUND" $((SECONDS - started))
    elif ! plant "$file" "$find" "$with"; then
        echo "'$find' does not stand in $file exactly once" >"$log"
        verdict "NOT THERE" $((SECONDS - started))
    elif ! builds "$test"; then
        verdict "NO BUILD" $((SECONDS - started))
    elif runs "$test"; then
        verdict "MISSED" $((SECONDS - started))
    else
        verdict "found" $((SECONDS - started)) # A test that hangs has found it too.
    fi
    [ ! -f "$file" ] || cp "$file" "$copy/$file"
}

# each WHAT: does WHAT for every bug whose name contains the word.
each() {
    local line key value
    name= file= find= with= test=
    while IFS= read -r line || [ -n "$line" ]; do
        key=${line%% *}
        value=${line#"$key"}
        value=${value#"${value%%[! ]*}"}
        case $key in
        '' | '#'*) ;;
        name | file | find | with) printf -v "$key" '%s' "$value" ;;
        test)
            test=$value
            [[ $name != *"$only"* ]] || "$1" </dev/null
            name= file= find= with=
            ;;
        *) echo "$bugs: what is '$key'?" >&2 && exit 1 ;;
        esac
    done <"$bugs"
}

sounds() { is_sound "$test" || true; }

fresh
each sounds
each try

[ "$failures" -eq 0 ] || { echo "$failures of $count planted bugs were not found." >&2; exit 1; }
echo "All $count planted bugs were found."
