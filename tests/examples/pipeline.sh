#!/bin/sh
# SPDX-License-Identifier: MIT
#
# pipeline.sh PROGRAM: does it print what grep does, whatever the numbers of threads and
# blocks, and end cleanly when a stage fails?
set -eu
# shellcheck source=tests/examples/lib.sh
. "$(dirname "$0")/lib.sh"
export LC_ALL=C

# same WHAT PATTERN FILE...: in all shapes of the pipeline, as grep prints it.
same() {
	what=$1
	shift
	grep -hE "$@" >expected || :
	for shape in '' '-j 1 -q 1' '-j 8 -q 1' '-j 1 -q 50' '-j 5 -q 3'; do
		# shellcheck disable=SC2086 # several arguments
		run $shape "$@"
		check "$what, $shape: status $status" [ $status -eq 0 ]
		check "$what, $shape: output" cmp expected out
		check "$what, $shape: messages" [ ! -s err ]
		# shellcheck disable=SC2086
		run $shape --check "$@"
		check "$what, $shape: --check says $status" [ $status -eq 0 ]
		check "$what, $shape: --check is silent" [ -z "$(cat out err)" ]
	done
}

: >empty
printf '\n' >newline
printf 'no newline at the end' >open
printf '\n\n\nend\n' >newlines
printf 'a \200\377 end\n\001\n' >bytes
find "$tree/lib" "$tree/include" "$tree/man" -type f -exec cat {} + >own
cat own own own own own own own own >large # some blocks
head -c 262144 large >block                # one, which ends within a line
{ head -c 262143 large | tr '\n' ' '; echo; } >line # one, which ends with the line
{ head -c 3000000 large | tr '\n' ' '; echo end; tail -n 9 large; } >long

same 'nothing to search' end empty
same 'no match' 'no such text' large empty
same 'every line' '' empty newline newlines open bytes large
same 'a line without an end' end open newlines open open
same 'anchors' '^.?$|^[a-z].*[a-z]$' newlines large
same 'a few matches' 'conc__(queue|thread)_[a-z]+\(' large own large
same 'whole blocks' 'e' block line block
same 'long lines' 'end|e$' long line long
same 'strange bytes' 'e' bytes

# fails MESSAGE ARGUMENT...: one stage fails; what is printed is how the output begins.
fails() {
	message=$1
	shift
	for shape in '' '-j 1 -q 1' '-j 8 -q 1' '-j 5 -q 50'; do
		# shellcheck disable=SC2086
		run $shape "$@"
		check "$message, $shape: status $status" [ $status -eq 1 ]
		printf 'pipeline: %s\npipeline: the output is not whole\n' "$message" >told
		check "$message, $shape: message" diff told err
		head -c "$(wc -c <out)" expected >begin
		check "$message, $shape: output" cmp begin out
	done
}

grep -hE e large large large >expected
fails 'missing: No such file or directory' e missing large
fails 'missing: No such file or directory' e large missing large
grep -hE e large >expected
check 'all before it is printed' cmp expected out
grep -hE e large large large >expected
fails '.: Is a directory' e large . large
fails 'own/x: Not a directory' e large own/x
cp large secret
chmod 000 secret
if [ -r secret ]; then
	skipped=', no unreadable file: root reads all'
else
	fails 'secret: Permission denied' e large secret large
fi
{ cat large; printf 'here: \000\n'; cat large; } >binary
fails 'binary: a zero byte: this is no text' e binary
fails 'binary: a zero byte: this is no text' e large binary large
fails '(: Unmatched ( or \(' '(' large
run --check e large binary
check '--check of what fails' [ $status -eq 1 ]
check '--check of what fails: message' \
    [ "$(cat err)" = 'pipeline: binary: a zero byte: this is no text' ]

# Full at once, with much under way, and only when the last bytes are flushed.
for input in large open; do
	for shape in '-j 1 -q 1' '-j 8 -q 1' '-j 5 -q 50'; do
		# shellcheck disable=SC2086
		full '^pipeline: cannot write: No space left on device$' $shape e $input $input
	done
done

# A failure stops the reader, though its file never ends.
status=0
{ cat binary; yes; } | timeout 120 "$program" e /dev/stdin >out 2>err || status=$?
check "an endless file that is no text: status $status" [ $status -eq 1 ]
check 'an endless file that is no text: message' grep '/dev/stdin: a zero byte' err
if [ -w /dev/full ]; then
	status=0
	yes | timeout 120 "$program" y /dev/stdin >/dev/full 2>err || status=$?
	check "an endless file, a full disk: status $status" [ $status -eq 1 ]
	check 'an endless file, a full disk: message' grep 'cannot write' err
fi

# Several stages fail at the same time: any may be told, but none may hang.
i=0
while [ $i -lt 50 ]; do
	run -j 8 -q $((i % 5 + 1)) e binary binary missing
	check "all fail, $i: status $status" [ $status -eq 1 ]
	check "all fail, $i: message" grep -qE '^pipeline: (binary: a zero|missing: No such)' err
	i=$((i + 1))
done

bad 'usage:'
bad 'usage:' e
bad 'usage:' --unknown e open
bad "'0' is not a number from 1 to 256" -j 0 e open
bad "'257' is not a number from 1 to 256" -j 257 e open
bad "'x' is not a number" -q x e open
bad "'' is not a number" -q '' e open
help

finish
