# shellcheck shell=bash
# What the set-up scripts and test/run share.  Sourced, never run.
#
# Nothing of ours runs as root but apt-get: a cluster, the build, the tests and
# the demo belong to the "owner", who is the caller, or postgres when the
# caller is root.  Everything they need is copied into one state folder of the
# owner's, mode 0700, because a checkout under /root is closed to postgres:
#
#   /var/tmp/quota-NAME-OWNER/     QUOTA_STATE_DIR says where, if not /var/tmp
#     root/     a private copy of Debian's PostgreSQL with our extension in it,
#               so that no other cluster of the machine ever meets our library
#     data/ socket/ server.log     the private cluster; it listens on no network
#     tree/     a snapshot of the checkout
#     logs/ home/

umask 077

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck disable=SC2034 # for the scripts that source this
setup=$top/packaging/setup
# shellcheck disable=SC2034
python=/usr/bin/python3				# another python3 may come first on PATH

# Whatever points the caller's psql to a server must not lead us there.
for name in $(compgen -v PG); do
	case $name in
		PG_MAJOR | PG_CONFIG | PG_TEST_TIMEOUT_DEFAULT) ;;
		*) unset "$name" ;;
	esac
done
unset LANGUAGE "${!LC_@}"
export LC_ALL=C.UTF-8

say() { printf '%s\n' "$*"; }
die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# quota.control is the only place that states it.
version() { sed -n "s/^default_version *= *'\(.*\)'/\1/p" "$top/quota.control"; }

# The PostgreSQL that we build for: PG_MAJOR, else the newest one installed
# with headers, else the newest installed, else the one Debian offers.
pg_major() {
	local v
	if [ -n "${PG_MAJOR:-}" ]; then
		echo "$PG_MAJOR"
		return
	fi
	for v in 18 17 16 15; do
		[ ! -f "/usr/include/postgresql/$v/server/postgres.h" ] || { echo "$v" && return; }
	done
	for v in 18 17 16 15; do
		[ ! -x "/usr/lib/postgresql/$v/bin/postgres" ] || { echo "$v" && return; }
	done
	apt-cache depends postgresql 2>/dev/null | sed -n 's/^ *Depends: postgresql-\([0-9]*\)$/\1/p'
}
pg_config_path() { echo "/usr/lib/postgresql/$(pg_major)/bin/pg_config"; }

owner() { if [ "$(id -u)" = 0 ]; then echo postgres; else id -un; fi; }

# Runs a command as the owner; exec_as_owner in place of this shell.
as_owner() { (exec_as_owner "$@"); }
exec_as_owner() {
	local become=()
	if [ "$(id -u)" = 0 ]; then
		become=(setpriv --reuid=postgres --regid=postgres --init-groups)
	fi
	exec "${become[@]}" env HOME="${state:-}/home" USER="$(owner)" LOGNAME="$(owner)" "$@"
}

# The same with the output in logs/NAME.log, which the owner writes too.
logged() {
	local log=$state/logs/$1.log
	shift
	# shellcheck disable=SC2016 # expanded by the inner shell
	as_owner bash -c 'log=$1; shift; exec "$@" </dev/null >"$log" 2>&1' - "$log" "$@"
}

state_path() { echo "${QUOTA_STATE_DIR:-/var/tmp}/quota-$1-$(owner)"; }

# Is the folder one that we made?  /var/tmp is open to everybody.
is_our_state() {
	[ -d "$1" ] && [ ! -L "$1" ] && [ -f "$1/.quota-state" ] &&
		[ "$(stat -c %U:%a "$1")" = "$(owner):700" ]
}

# Makes state folder $state if need be.
make_state() {
	if [ ! -e "$state" ] && [ ! -L "$state" ]; then
		as_owner mkdir -m 700 "$state"
		as_owner touch "$state/.quota-state"
		as_owner mkdir "$state/home" "$state/logs"
	fi
	is_our_state "$state" || die "$state is there but not made by us; remove it, or set QUOTA_STATE_DIR"
}

# The checkout as it stands, as a tar file without what was built or downloaded there.
pack_checkout() {
	tar -C "$top" --exclude=./.git --exclude=./build --exclude='*.o' --exclude='*.bc' --exclude='*.so' --exclude=./quota.map \
		--exclude=__pycache__ --exclude=./clients/node/node_modules --exclude=./clients/node/dist --exclude=./results --exclude='./sql/quota--*.sql' -cf - .
}

# Copies the checkout to $state/tree.  Objects built there before from the same
# checkout stay, so that a second build is short; the checkout's are not copied.
snapshot() {
	[ "$(cat "$state/tree.from" 2>/dev/null)" = "$top" ] || as_owner rm -rf "$state/tree"
	as_owner mkdir -p "$state/tree"
	echo "$top" | as_owner tee "$state/tree.from" >/dev/null
	as_owner find "$state/tree" -type f ! -name '*.o' ! -name '*.bc' -delete
	pack_checkout | as_owner tar -C "$state/tree" --no-same-owner -xf -
}

# A process is named by its id and the moment it started, so that a pid file
# left behind never leads to somebody else's process.
process_start() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | awk '$1 != "Z" {print $20}'; }
# start_process NAME COMMAND...: in the background, noted in $state/NAME.pid,
# its output in $state/logs/NAME.log.
start_process() {
	local name=$1
	shift
	# shellcheck disable=SC2016 # expanded by the inner shell
	as_owner setsid --fork bash -c '
		state=$1 name=$2 start=$(sed "s/.*) //" /proc/$$/stat | awk "{print \$20}")
		shift 2
		echo "$$ $start" >"$state/$name.pid"
		exec "$@" </dev/null >>"$state/logs/$name.log" 2>&1 9<&-
	' - "$state" "$name" "$@"
}
remembered_process() {
	local pid started
	[ -f "$1" ] && read -r pid started < "$1" || return 1
	[ -n "$started" ] && [ "$(process_start "$pid")" = "$started" ] && echo "$pid"
}
end_process() {
	local pid i
	pid=$(remembered_process "$1") || return 0
	kill "$pid"
	for ((i = 0; i < 100; i++)); do
		[ "$(remembered_process "$1")" = "$pid" ] || return 0
		[ $i != 70 ] || kill -9 "$pid"
		sleep 0.1
	done
	die "process $pid does not end"
}
