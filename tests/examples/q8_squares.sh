#!/bin/sh
# SPDX-License-Identifier: MIT
#
# q8_squares.sh PROGRAM: does it print what it should?  Times are any numbers;
# all else is compared with what awk squares.
set -eu
# shellcheck source=tests/examples/lib.sh
. "$(dirname "$0")/lib.sh"

# told FROM TO SIZE...: what it should print, each time given as T, each speed-up as X.
told() {
	squares=$(awk -v from="$1" -v to="$2" 'BEGIN {
		for (n = from; n <= to; n++) printf("%s%.0f", (n > from ? ", " : ""), n * n) }')
	shift 2
	for size; do
		echo "Using Pool size: $size"
		echo "Results: [$squares]"
		echo "Time taken: T seconds"
	done
	echo
	echo 'Pool size   Seconds    Speed-up'
	for size; do
		printf '%9d   T   X\n' "$size"
	done
}

# good FROM TO SIZES ARGUMENT...: a run that squares FROM to TO.
good() {
	from=$1 to=$2 sizes=$3
	shift 3
	run "$@"
	# shellcheck disable=SC2086 # a list of words
	told "$from" "$to" $sizes >expected
	sed 's/^\(Time taken: \)[0-9]\{1,\}\.[0-9]\{6\} seconds$/\1T seconds/
	s/^\( *[0-9]\{1,\}   \)[0-9]\{1,\}\.[0-9]\{6\}   *[0-9]\{1,\}\.[0-9][0-9]$/\1T   X/' out >seen
	check "status of '$*'" [ "$status" -eq 0 ]
	check "output of '$*'" diff expected seen
	check "silence on standard error of '$*'" [ ! -s err ]
}

good 1 10 '2 4 8'
check 'the first size is what others are compared with' grep -q '^ *2 .* 1\.00$' out
good 1 10 '1' 1
good 1 10 '3 1 3' 3 1 3
good 1 10 '2 4 8' --work 1
good -5 5 '2' --range -5 5 2
good 0 0 '2 4 8' -r 0 0
good 1 3000 '2 5' --range 1 3000 --work 0 2 5
good 94906200 94906200 '2' --range 94906200 94906200 2
run --range 3037000499 3037000499 1
check 'the largest square' grep -q '^Results: \[9223372030926249001\]$' out

bad "'0' is not a number from 1 to" 0
bad "'1025' is not a number from 1 to" 2 1025
bad "'two' is not a number" two
bad "'' is not a number" ''
bad "'1x' is not a number" 1x
bad "'-1' is not a number from 0 to" --work -1
bad "'3' is not a number from 5 to" --range 5 3
bad "'3037000500' is not a number" --range 3037000500 3037000500
bad "'1000001' is not a number from 1 to 1000000" --range 1 1000001
bad 'usage:' --range 1
bad 'usage:' --unknown
# shellcheck disable=SC2046 # many words
bad 'usage:' $(seq 65)

help
full 'cannot write' 2

finish
