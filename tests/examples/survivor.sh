#!/bin/sh
# SPDX-License-Identifier: MIT
#
# survivor.sh PROGRAM: does each task end as it must, in its place, and the
# program live on?  Numbers that differ from run to run, of processes, times and
# memory, are not looked at.
set -eu
# shellcheck source=tests/examples/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck disable=SC3045 # dash, bash and busybox have it
ulimit -c 0 # crashes that are meant leave no core files

# told ROUNDS: the outcomes that there must be, without messages.
told() {
	round=0
	while [ $round -lt "$1" ]; do
		cat <<-END
			square: done: 4
			segfault: CONC_ECRASHED
			square: done: 9
			abort: CONC_ECRASHED
			hang: CONC_ETIMELIMIT
			square: done: 16
			spin: CONC_ETIMELIMIT
			exit 0: CONC_ECRASHED
			exit 3: CONC_ECRASHED
			square: done: 25
			killed: CONC_ECRASHED
			leak: ENOMEM
			leak blindly: CONC_ECRASHED
			fail: ENOENT
			square: done: 36
			flaky: done: $((round * round))
			square: done: 64
		END
		round=$((round + 1))
	done
}

# good ROUNDS ARGUMENT...: a run in which all goes as it must.
good() {
	rounds=$1
	shift
	run "$@"
	each=17
	told "$rounds" >expected
	if grep -q '^left out, since it is built with a sanitizer' out; then
		skipped=', no limit of memory: sanitizers need more' each=15
		sed '/^leak/d' expected >expected.less
		mv expected.less expected
	fi
	sed -n '/^[a-z 03]*: done: /p; s/^\([a-z 03]*: [A-Z_]*\): .*/\1/p' out >seen
	check "status of '$*'" [ "$status" -eq 0 ]
	check "outcomes of '$*'" diff expected seen
	check "causes of '$*'" [ "$(grep -c '^    because: no /etc/squares.conf$' out)" = "$rounds" ]
	check "the end of '$*'" [ "$(tail -n 1 out)" = \
	    "Tasks done: $((rounds * 7)) of $((rounds * each))" ]
	check "warnings of '$*'" [ "$(grep -cE \
	    ' warning survivor-[0-9]+: flaky: this run of round [0-9]+ will crash$' err)" = "$rounds" ]
	check "silence otherwise of '$*'" [ "$(wc -l <err)" -eq "$rounds" ]
}

# story TASK PATTERN: what its message says of the death.
story() {
	check "the story of $1" grep "^$1: CONC_E[A-Z]*: .*$2" out
}

good 1
story segfault 'SIGSEGV'
story abort 'SIGABRT'
story 'exit 0' 'exit'
story 'exit 3' 'exit.*3'
story killed 'SIGKILL'
story hang 'worker'
story spin 'worker'
good 1 --workers 1
good 3 --workers 8 --rounds 3

bad "'0' is not a number from 1 to" --workers 0
bad "'1025' is not a number from 1 to" --workers 1025
bad "'x' is not a number" --rounds x
bad 'usage:' surplus
bad 'usage:' --unknown

help
full 'cannot write'

finish
