# shellcheck shell=bash disable=SC2034 # failed is for the scripts that source this
# Tests that print "ok NAME", or "not ok NAME" and why.  Sourced; the last line
# of the script is: exit $failed

failed=0
not_ok() {	# not_ok NAME LINE...
	printf 'not ok %s\n' "$1"
	printf '%s\n' "${@:2}" | head -c 4000 | sed 's/^/    /'
	failed=1
}
is() {	# is NAME EXPECTED FOUND
	if [ "$2" = "$3" ]; then echo "ok $1"; else not_ok "$1" "expected: $2" "found: $3"; fi
}
like() {	# like NAME PATTERN FOUND		PATTERN: of bash's =~
	if [[ $3 =~ $2 ]]; then echo "ok $1"; else not_ok "$1" "expected, like: $2" "found: $3"; fi
}
works() {	# works NAME COMMAND...
	local output
	if output=$("${@:2}" 2>&1); then echo "ok $1"; else not_ok "$1" "${*:2}: status $?" "$(tail -n 40 <<<"$output")"; fi
}
