# shellcheck shell=bash
# How test/suites and test/suites_as_root run suites and count what passed.
# usage: . bookkeeping.sh NAME [SUITE[:WHICH]]...   the run's name, and what its caller asked for
# Sourced after packaging/setup/lib.sh, never run.

state=$(state_path "$1")
logs=$state/logs
wanted=("${@:2}")

# Is the suite asked for?  Sets which, the parts of it that are, with commas; all: nothing.
wants() {
	local arg
	which=
	[ ${#wanted[@]} -gt 0 ] || return 0
	for arg in "${wanted[@]}"; do
		[ "$arg" != "$1" ] || { which= && return 0; }
		[ "${arg%%:*}" != "$1" ] || which=${which:+$which,}${arg#*:}
	done
	[ -n "$which" ]
}

# run SECONDS COMMAND...: with a time limit, output in $log; sets status.
run() {
	local limit=$1
	shift
	status=0
	timeout --kill-after=20 "$limit" "$@" >"$log" 2>&1 </dev/null &
	trap 'kill $!; wait $!; exit 130' TERM		# a signal is heard while it waits
	wait $! || status=$?
	trap - TERM
	[ $status != 124 ] || echo "not ok: time limit of $limit s reached" >>"$log"
}

begin() {
	suite=$1
	log=$logs/$1.log
	started=$SECONDS
	say "== $suite"
}

# end PASSED FAILED [FILE]...: no test at all is a failure, and so is a status
# that no failed test explains.  Of a failed suite the beginning of each FILE is shown.
end() {
	local passed=${1:-0} failed=${2:-0} file
	shift 2
	if [ $((passed + failed)) = 0 ] || { [ "$status" != 0 ] && [ "$failed" = 0 ]; }; then
		say "$suite: status $status after $passed tests"
		failed=$((failed + 1))
	fi
	tally "$passed" "$failed" 0
	say "   $passed passed, $failed failed"
	[ "$failed" != 0 ] || return 0
	for file in "$@"; do
		[ -s "$file" ] || continue
		say "-- $file"
		head -c 10000 "$file"
		[ "$(stat -c %s "$file")" -le 10000 ] || printf '\n-- ... and more in that file\n'
	done
}

# end of tests that print "ok NAME" or "not ok NAME"
end_of_lines() { end "$(grep -c '^ok ' "$log")" "$(grep -c '^not ok' "$log")" "$log"; }

# A suite that cannot run here counts as one that was skipped.
skip() {	# skip SUITE WHY
	started=$SECONDS suite=$1
	say "== $suite: SKIPPED: $2"
	tally 0 0 1
}

# tally PASSED FAILED SKIPPED: for test/run, which adds up
tally() { echo "$suite $1 $2 $3 $((SECONDS - started))" >>"$state/tally"; }
