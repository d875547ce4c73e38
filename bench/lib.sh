#!/bin/sh
# SPDX-License-Identifier: MIT
#
# bench/lib.sh: what bench/run, processes, locks and queue share.  They read it in, and say
# what is measured, of whom, and what the floors are.
#
# Each figure is measured in a process of its own; the peers take turns, ROUNDS
# times (7), and the table shows the median and, in brackets, least and most.
# Times of a busy machine mean little, ratios more, and nothing here fails because
# something was slow: the table only says which floors were met.
#
# Variables: ROUNDS; BENCHMARKS, the names of those to run; B, where the library
# was built (build); CC, CFLAGS.
here=$(dirname "$0")
B=${B:-$here/../build}
rounds=${ROUNDS:-7}
out=$B/bench
library=$(cd "$B" && pwd)/libconc.so.0
mkdir -p "$out"
[ -e "$library" ] || { echo "$0: there is no $library: run make first" >&2; exit 1; }

# compile NAME FLAG...
compile() {
	name=$1
	shift
	# shellcheck disable=SC2086 # flags are many words
	${CC:-cc} -std=c11 -D_GNU_SOURCE -pthread -Wall -Wextra ${CFLAGS:--O2} \
	    -I"$here/../include" -o "$out/$name" "$here/$name.c" "$library" \
	    -Wl,-rpath,"${library%/*}" "$@"
}

has_python() {
	command -v python3 >/dev/null 2>&1 ||
	    { echo 'Python is not installed (python3): skipped'; false; }
}

# take_turns FILE PEERS NAMES: measure each, by "measure PEER NAME", which prints "name
# value unit", or nothing; write lines of "peer name value unit".
take_turns() {
	peers=$2
	round=0
	while [ "$round" -lt "$rounds" ]; do
		for name in $3; do
			for peer in $peers; do
				figure=$(measure "$peer" "$name")
				[ -z "$figure" ] || echo "$peer $figure"
			done
		done
		# Another one begins the next round.
		[ "$peers" = "${peers#* }" ] || peers="${peers#* } ${peers%% *}"
		round=$((round + 1))
		[ ! -t 2 ] || printf '\rround %d of %d' "$round" "$rounds" >&2
	done >"$1"
	[ ! -t 2 ] || printf '\r\033[K' >&2
}

# table FILE NAMES PROGRAM: print what take_turns wrote.  The program, in awk, has the
# functions heading() and row(name), which print a line each.
table() {
	sort -k1,2 -k3,3n "$1" | awk -v names="$2" '
	{ n = ++count[$1, $2]; value[$1, $2, n] = $3; unit[$2] = $4 }

	function median(peer, name,    n) {
		n = count[peer, name]
		return (value[peer, name, int((n + 1) / 2)] + value[peer, name, int(n / 2) + 1]) / 2
	}
	function cell(peer, name) {
		if (!count[peer, name])
			return "-"
		return sprintf("%.0f (%.0f-%.0f)", median(peer, name), value[peer, name, 1], \
		    value[peer, name, count[peer, name]])
	}
	# How many times as long as the peer libconc takes; 0: not measured.
	function ratio(peer, name) {
		if (!count["conc", name] || !count[peer, name])
			return 0
		return median("conc", name) / median(peer, name)
	}
	function verdict(is_met) {
		return is_met ? "met" : "missed"
	}
	END {
		heading()
		n = split(names, rows, " ")
		for (i = 1; i <= n; i++)
			row(rows[i])
	}
	'"$3"
}
