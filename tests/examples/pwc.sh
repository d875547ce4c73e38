#!/bin/sh
# SPDX-License-Identifier: MIT
#
# pwc.sh PROGRAM: does it print the same bytes as the system's wc?
set -eu
# shellcheck source=tests/examples/lib.sh
. "$(dirname "$0")/lib.sh"
mkdir files
export LC_ALL=C

# compare WHAT INPUT: pwc and wc ran with that standard input; do they agree in all?
compare() {
	sed 's/^wc: /pwc: /; s/\(pwc: \)'\''\(.*\)'\'': /\1\2: /' wc.err >wc.told
	check "$1: output" diff wc.out pwc.out
	check "$1: messages" diff wc.told pwc.err
	check "$1: status $2 against $3" [ "$2" -eq "$3" ]
}

# same WHAT ARGUMENT...: with these arguments; standard input is the file "input".
# $engine is the option that chooses the engine, or nothing.
same() {
	what="$1 $engine" a=0 b=0
	shift
	# shellcheck disable=SC2086 # nothing is no argument
	"$program" $engine "$@" <input >pwc.out 2>pwc.err || a=$?
	wc "$@" <input >wc.out 2>wc.err || b=$?
	compare "$what" $a $b
}

# same_listed WHAT: with the names in the file "list", each ended by a zero byte.
same_listed() {
	a=0 b=0
	# shellcheck disable=SC2002,SC2086 # wc must read from a pipe: it cannot look ahead either
	cat list | "$program" $engine --null >pwc.out 2>pwc.err || a=$?
	# shellcheck disable=SC2002
	cat list | wc --files0-from=- >wc.out 2>wc.err || b=$?
	compare "$1 $engine" $a $b
}

# Files of every kind.
: >files/empty
printf 'no newline at the end' >files/open
printf '\n\n\n' >files/newlines
printf '   ' >files/blanks
printf 'a\tb\vc\fd\re f\n' >files/separators
printf 'a\001b \002 \177 \200\377x\240y \n' >files/unprintable
printf 'x y\n' >'files/with space'
printf 'x y z\n' >'files/a
b'
printf 'x\n' >"$(printf "files/it's\ntwo\t\n\"lines\"")"
printf 'x\n' >"$(printf 'files/\303\274\n\001 \\z\n\n')"
printf -- '-\n' >files/--progress
head -c 1 /dev/urandom >files/one
head -c 131072 /dev/urandom >files/buffer
head -c 131073 /dev/urandom >files/buffer1
mkdir files/folder
for i in 1 2 3 4 5 6 7 8; do
	head -c 300007 /dev/urandom >files/random$i
done

# From 9.5 on, wc lets unprintable bytes make words; then there is nothing to compare with.
if [ "$(printf '\001' | wc -w)" -ne 0 ]; then
	skipped="$skipped, no random bytes: this wc knows other words"
	rm files/random* files/buffer* files/one files/unprintable
fi

unreadable=''
for engine in '' --processes; do
	printf 'some words\nfor standard input\n' >input
	same 'every kind' files/*
	same 'one worker' files/empty files/open
	for file in files/*; do
		same "$file" "$file"
	done
	same 'a name that looks like an option' -- --progress files/open
	# shellcheck disable=SC2086
	(cd files && "$program" $engine -- --progress >../pwc.out && wc -- --progress >../wc.out)
	check "a file that looks like an option $engine" diff wc.out pwc.out
	same 'missing' missing
	same 'missing first' missing files/open
	same 'missing last' files/open missing
	same 'all missing' missing 'missing too'
	same 'a name that is no folder' files/open/x files/open
	same 'a folder first' files/folder files/open
	same 'a folder alone' files/folder
	same 'an empty name' files/open ''
	same 'a device' /dev/null files/open
	same 'no size in its directory' /proc/self/mounts
	same 'standard input' -
	same 'standard input twice' - files/open -
	cat files/random* >input
	same 'random standard input' - files/open

	# An unreadable file; root reads all.
	echo secret >files/secret
	chmod 000 files/secret
	if [ -r files/secret ]; then
		unreadable=', no unreadable file: root reads all'
	else
		same 'unreadable' files/open files/secret files/one
	fi
	rm -f files/secret

	# Names on standard input.
	printf '%s\0' files/* >list
	same_listed 'every kind, listed'
	printf '%s\0' files/open >list
	same_listed 'one name'
	: >list
	same_listed 'no name'
	printf 'files/open\0\0files/folder\0-\0missing\0files/blanks' >list
	same_listed 'bad names'
	i=0
	while [ $i -lt 3000 ]; do
		printf '%s\0' files/open files/blanks files/none
		i=$((i + 1))
	done >list
	same_listed 'more names than fit in the window'
	# shellcheck disable=SC2086
	printf 'files/with space\nfiles/open\nfiles/empty' | "$program" $engine >pwc.out
	printf 'files/with space\0files/open\0files/empty' | wc --files0-from=- >wc.out
	check "names one a line $engine" diff wc.out pwc.out

	# The project's own tree, by both ways in, on several numbers of workers.
	find "$tree/include" "$tree/lib" "$tree/tests" "$tree/examples" -type f ! -name '.*' \
	    -print0 >list
	same_listed 'own tree, listed'
	xargs -0 wc <list >wc.out
	for workers in 1 2 16; do
		# shellcheck disable=SC2086
		xargs -0 "$program" $engine --workers $workers <list >pwc.out
		check "own tree, $workers workers $engine" diff wc.out pwc.out
	done
done
skipped="$skipped$unreadable"

# A large file, beside small ones.
yes 'A line of some words,	and one word-with-hyphens.' | head -c 100000000 >large
for engine in '' --processes; do
	same '100 MB' large files/open files/empty
done

# The progress bar: only on a terminal, and nothing of it in the output.
"$program" --progress files/* >pwc.out 2>pwc.err || :
wc files/* >wc.out 2>wc.err || :
sed 's/^wc: /pwc: /' wc.err >wc.told
check 'no bar without a terminal' diff wc.told pwc.err
check 'output with --progress' diff wc.out pwc.out
if script -qec true /dev/null </dev/null >/dev/null 2>&1; then
	# script gives the command a terminal for standard output and standard error.
	cat >beside.sh <<-'END'
		"$program" --progress large files/r* files/open >pwc.out
	END
	cat >between.sh <<-'END'
		printf 'files/open\nfiles/blanks\n' | "$program" --progress
	END
	export program
	wc large files/r* files/open >wc.out 2>wc.err || :
	script -qec 'sh beside.sh' /dev/null </dev/null >terminal || :
	check 'a bar on a terminal' grep '\[#* *\] *[0-9]* % of [0-9]* files' terminal
	check 'output beside a bar' diff wc.out pwc.out
	script -qec 'sh between.sh' /dev/null </dev/null >terminal || :
	check 'a count where the number of files is not known' grep '[0-9] files' terminal
	check 'lines between the pictures' grep '0 5 21 files/open' terminal
else
	skipped="$skipped, no bar: no terminal to be had by script(1)"
fi

# What goes wrong otherwise.
bad 'usage:' --workers 0
bad 'usage:' --workers 1025
bad 'usage:' --processes --workers 1025
bad 'usage:' --workers 4294967297 files/open
bad 'usage:' --workers two
bad 'usage:' --processes --workers two
bad 'usage:' --workers ''
bad 'usage:' --unknown
help
full '^pwc: write error' input

finish
