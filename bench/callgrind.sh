# Sourced by what counts instructions: a server under valgrind, and the instructions of a
# transaction in its backend, which neither neighbours nor other load change.  The kernel's
# are not in it.
# shellcheck shell=bash
# needs: packaging/setup/lib.sh sourced, $state with a stopped cluster in data, its environment set
# shellcheck disable=SC2154
counts=$state/callgrind

# start_valgrind SETTING...
start_valgrind() {
	local setting options=()
	for setting in synchronous_commit=off fsync=off checkpoint_timeout=1d "$@"; do
		options+=(-c "$setting")
	done
	as_owner rm -rf "$counts"
	as_owner mkdir "$counts"
	# the postmaster under valgrind; each backend writes its counts when it ends
	cd "$state" || die "there is no $state"
	as_owner valgrind --tool=callgrind --callgrind-out-file="$counts/%p" "$(command -v postgres)" -D data \
		"${options[@]}" >"$counts/log" 2>&1 &
	server=$!
	for _ in {1..120}; do
		! psql -X -q -At -c 'SELECT 1' >/dev/null 2>&1 || return 0
		kill -0 "$server" || die "the server does not start: $(tail -n 3 "$counts/log")"
		sleep 0.5
	done
	die "the server does not start"
}
stop_valgrind() {
	kill -INT "$(head -n 1 "$state/data/postmaster.pid")"
	wait "$server" || true
}

# instructions_of TRANSACTIONS PGBENCH-ARGUMENT...: of a backend that does that many
instructions_of() {
	local pid='' seen running transactions=$1
	shift
	PGAPPNAME=bench-instructions pgbench --no-vacuum --protocol=prepared --transactions="$transactions" "$@" \
		>"$counts/pgbench.log" 2>&1 9<&- &
	running=$!
	# the last one that is seen: pgbench has another session before, which looks around
	while kill -0 "$running" 2>/dev/null; do
		seen=$(psql -X -q -At -c "SELECT pid FROM pg_stat_activity
			WHERE application_name = 'bench-instructions' ORDER BY backend_start DESC LIMIT 1")
		pid=${seen:-$pid}
	done
	if ! wait "$running" || [ -z "$pid" ]; then
		die "pgbench fails: $(cat "$counts/pgbench.log")"
	fi
	for _ in {1..120}; do
		! grep -q '^totals:' "$counts/$pid" 2>/dev/null || break
		sleep 0.5
	done
	awk '/^totals:/ { print $2 }' "$counts/$pid"
}

# What a session does once is the same in both, so it is not in the difference; the
# first run meets what VACUUM and CHECKPOINT have left to do, and does not count.
# per_transaction PGBENCH-ARGUMENT...
per_transaction() {
	local few many
	instructions_of 2000 "$@" >/dev/null
	few=$(instructions_of 500 "$@")
	many=$(instructions_of 2500 "$@")
	echo $(((many - few) / 2000))
}
