#!/usr/bin/env bash
# Plants the bugs of bugs.txt one by one in a copy of the house and expects the named test to find
# each. `run.sh WORD` plants only those whose name contains the word.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

bugs=tests/planted/bugs.txt
only=${1:-}
limit_s=900
place=$PWD/target/planted
copy=$place/house
log=$place/log
mkdir -p "$copy"
failures=0
declare -A sound # Test lines that pass without a bug.

fresh() {
    rm -rf "${copy:?}"/*
    tar -c --exclude=./target --exclude=./.git . | tar -x -m -C "$copy"
}

# tests LINE STEP: builds (STEP is --no-run) or runs the tests that LINE asks for.
tests() {
    local asked
    read -ra asked <<<"$1"
    # The copy has a target directory of its own: its binaries must not stand in for ours.
    (cd "$copy" && CARGO_TARGET_DIR=$place/target \
        timeout "$limit_s" cargo test --release --locked "${asked[@]}" ${2:-}) >"$log" 2>&1
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
    printf '%-10s %5ss  %-48s %s\n' "$1" "$2" "$name" "$test"
    [ "$1" = found ] || { failures=$((failures + 1)) && tail -n 15 "$log" | sed 's/^/    /'; }
}

try() {
    local started=$SECONDS
    : >"$log"
    fresh
    if [ -z "${sound[$test]:-}" ]; then
        if ! tests "$test" || ! grep -qE 'test result: ok. [1-9][0-9]* passed' "$log"; then
            verdict "UNSOUND" $((SECONDS - started)) # Fails, or tests nothing, without the bug.
            return
        fi
        sound[$test]=yes
    fi
    if ! plant "$file" "$find" "$with"; then
        echo "'$find' does not stand in $file exactly once" >"$log"
        verdict "NOT THERE" $((SECONDS - started))
    elif ! tests "$test" --no-run; then
        verdict "NO BUILD" $((SECONDS - started))
    elif tests "$test"; then
        verdict "MISSED" $((SECONDS - started))
    else
        verdict "found" $((SECONDS - started)) # A test that hangs has found it too.
    fi
}

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
        [[ $name != *"$only"* ]] || try </dev/null
        name= file= find= with=
        ;;
    *) echo "$bugs: what is '$key'?" >&2 && exit 1 ;;
    esac
done <"$bugs"

[ "$failures" -eq 0 ] || { echo "$failures planted bugs were not found." >&2; exit 1; }
