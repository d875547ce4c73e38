#!/bin/sh
# SPDX-License-Identifier: MIT
#
# q4_shared_list.sh PROGRAM: does it print what it should?  Which thread comes
# when is not determined; but the lines must be a story that a list can tell:
# awk tells it again with a list of its own.
set -eu
# shellcheck source=tests/examples/lib.sh
. "$(dirname "$0")/lib.sh"

# shellcheck disable=SC2317 # called by check
# A story: numbers come in at the end, go out at the front, and all are told of.
story() {
	awk '
	function wrong(why) { print "line " NR ": " why ": " $0; bad = 1; exit 1 }
	BEGIN { added = removed = vain = 0 }
	ended { wrong("after the end") }
	/^Added: [0-9]+$/ { list[added++] = $2; next }
	/^Removed: [0-9]+$/ {
		if (removed == added) wrong("the list is empty")
		if (list[removed] != $2) wrong("its front is " list[removed])
		removed++; next
	}
	/^List is empty, cannot remove$/ {
		if (removed != added) wrong("it holds " added - removed)
		vain++; next
	}
	/^Final list: \[.*\]$/ {
		rest = ""
		for (i = removed; i < added; i++) rest = rest (i > removed ? ", " : "") list[i]
		if ($0 != "Final list: [" rest "]") wrong("it is [" rest "]")
		ended = 1; next
	}
	{ wrong("no line of this program") }
	END {
		if (bad) exit 1
		if (!ended || added != 10 || removed + vain != 10) {
			print added " added, " removed " removed, " vain " in vain"
			exit 1
		}
	}' out
}

for seed in 0 1 2 3 4 5 6 7 8 9 2147483647; do
	for pause in 0 1; do
		run --seed $seed --pause $pause
		check "status of seed $seed, pause $pause" [ $status -eq 0 ]
		check "story of seed $seed, pause $pause" story
		check "silence on standard error" [ ! -s err ]
		grep '^Added' out >added.$pause
	done
	check "seed $seed gives the same numbers" diff added.0 added.1
	cat added.0 >>all
done
check 'seeds give different numbers' [ "$(sort -u all | wc -l)" -gt 20 ]
run -p 0 -s 5
check 'short options' story
run -p 0
check 'no seed' story

bad "'-1' is not a number from 0 to" --pause -1
bad "'x' is not a number" --pause x
bad "'' is not a number" --seed ''
bad "'1x' is not a number" --seed 1x
bad "'99999999999999999999' is not a number" --seed 99999999999999999999
bad 'usage:' surplus
bad 'usage:' --unknown

help
full 'cannot write' --pause 0

finish
