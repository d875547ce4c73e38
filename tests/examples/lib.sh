#!/bin/sh
# SPDX-License-Identifier: MIT
#
# tests/examples/lib.sh: what the tests of the examples share.  They read it in, and go on
# in an empty folder, which is removed at the end; $program is their first argument.
program=$(realpath "$1")
# shellcheck disable=SC2034 # the project's folder, for those who need it
tree=$(cd "$(dirname "$0")/../.." && pwd)
dir=$(mktemp -d)
trap 'chmod -R u+rwx "$dir"; rm -rf "$dir"' EXIT
cd "$dir" || exit
checks=0 failed=0 skipped=''

# check WHAT COMMAND...: the command must succeed.
check() {
	what=$1
	shift
	checks=$((checks + 1))
	"$@" >said 2>&1 || { echo "failed: $what"; head -n 20 said; failed=1; }
}

# run ARGUMENT...: leave what it prints in out and err, its status in $status; 124: it hangs.
run() {
	status=0
	timeout 120 "$program" "$@" >out 2>err || status=$?
}

# bad MESSAGE ARGUMENT...: a run that is refused.
bad() {
	message=$1
	shift
	run "$@"
	check "status of '$*'" [ "$status" -eq 2 ]
	check "message of '$*'" grep -F -e "$message" err
	check "silence of '$*'" [ ! -s out ]
}

# help: what it says of itself.
help() {
	run --help
	check 'status of --help' [ "$status" -eq 0 ]
	check 'text of --help' grep -q '^usage:' out
}

# full MESSAGE ARGUMENT...: a run whose output finds no room.
full() {
	[ -w /dev/full ] || return 0
	message=$1
	shift
	status=0
	timeout 120 "$program" "$@" >/dev/full 2>err || status=$?
	check "a full disk, '$*': status $status" [ $status -eq 1 ]
	check "a full disk, '$*': message" grep "$message" err
}

# finish: tell how it went, and end.
finish() {
	echo "$(basename "$0" .sh): $checks checks$skipped"
	exit $failed
}
