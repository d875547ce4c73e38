#!/bin/sh
# SPDX-License-Identifier: MIT
#
# q7_factorials.sh PROGRAM: does it print what it should?  The lines
# "Calculating ..." come from the workers, in any order and at any moment; all
# other lines have their place.
set -eu
# shellcheck source=tests/examples/lib.sh
. "$(dirname "$0")/lib.sh"

# parts: the lines "Calculating ..." of what it printed, in their order, and all others.
parts() {
	grep '^Calculating' out | sort -k4n >calculating || :
	grep -v '^Calculating' out >rest || :
}

# factorials FROM TO: what comes beside the lines "Calculating ...", from a list of its own.
factorials() {
	set -- "$1" "$2" 1 1 2 6 24 120 720 5040 40320 362880 3628800 39916800 479001600 6227020800 \
	    87178291200 1307674368000 20922789888000 355687428096000 6402373705728000 \
	    121645100408832000 2432902008176640000
	n=0 from=$1 to=$2 results=''
	shift 2
	while [ $n -le "$to" ]; do
		if [ $n -ge "$from" ] && [ $n -le 20 ]; then
			echo "Factorial of $n is $1"
			results="$results$n! = $1
"
		elif [ $n -ge "$from" ]; then
			echo "Factorial of $n failed: $n! does not fit in 64 bits"
			results="$results$n! failed: EOVERFLOW
"
		fi
		n=$((n + 1))
		[ $# -lt 1 ] || shift
	done
	echo 'Final Results:'
	printf %s "$results"
}

# good FROM TO STATUS ARGUMENT...: a run that computes FROM! to TO!.
good() {
	from=$1 to=$2 wanted=$3
	shift 3
	run "$@"
	parts
	factorials "$from" "$to" >expected
	seq "$from" "$to" | sed 's/^/Calculating factorial of /' >all
	check "status of '$*'" [ "$status" -eq "$wanted" ]
	check "results of '$*'" diff expected rest
	check "calculations of '$*'" diff all calculating
	check "silence on standard error of '$*'" [ ! -s err ]
}

good 1 10 0
good 1 10 0 --workers 1
good 1 10 0 --workers 7
good 1 5 0 5
good 0 0 0 0 0
good 17 20 0 --workers 3 17 20
good 19 24 1 19 24
good 100 100 1 100 100
run 900 1000
parts
check 'a hundred failures' [ "$(grep -c 'failed: EOVERFLOW' rest)" -eq 101 ]

bad "'-3' is not a number from 1 to" -3
bad "'-3' is not a number from 0 to" -3 5
bad "'-5' is not a number from 3 to" 3 -5
bad "'ten' is not a number" ten
bad "'1x' is not a number" 1x 5
bad "'' is not a number" ''
bad "'3' is not a number from 5 to" 5 3
bad "'99999999999999999999' is not a number" 99999999999999999999
bad "'0' is not a number from 1 to" --workers 0
bad "'-1' is not a number from 1 to" --workers -1
bad 'usage:' 1 2 3
bad 'usage:' --unknown

help
full 'cannot write'

finish
