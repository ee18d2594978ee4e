# shellcheck shell=bash
# Debians in folders: made by debootstrap, entered by unshare, all as root.
# Sourced after packaging/setup/lib.sh, never run.
# MIRROR: where debootstrap gets Debian from.

umask 022								# not lib.sh's: user postgres reads what is in there

# Sets place, a folder of root's that keeps Debians; descriptor 9 is for its lock.
open_place() {	# open_place FOLDER
	place=$1
	[ "$(id -u)" = 0 ] || die "changing to another root folder needs root"
	for command in debootstrap unshare; do
		command -v "$command" >/dev/null || die "$command is missing: packaging/setup/packages roots"
	done
	[ -d "$place" ] || mkdir -m 700 "$place"
	[ "$(stat -c %u "$place")" = 0 ] || die "$place is there but not root's; remove it"
	exec 9<"$place"
}

# Is complete or not there at all, whatever interrupts it.  It is as debootstrap
# made it, but that a mirror may lag behind, and that dpkg does not wait for the disk.
make_debian() {	# make_debian RELEASE
	local debian=$place/$1 conf=etc/apt/apt.conf.d/90quota-roots
	if [ ! -d "$debian" ]; then
		rm -rf --one-file-system "$debian.part"
		# shellcheck disable=SC2086 # no argument when there is no mirror
		debootstrap --variant=minbase --include=ca-certificates,make "$1" "$debian.part" ${MIRROR:-} 9<&- || return 1
		rm -f "$debian".part/var/cache/apt/archives/*.deb
		mv "$debian.part" "$debian"
	fi
	if [ ! -f "$debian/$conf" ]; then
		echo force-unsafe-io >"$debian/etc/dpkg/dpkg.cfg.d/quota-roots"
		printf '127.0.0.1\tlocalhost\n::1\tlocalhost\n' >"$debian/etc/hosts"
		printf '%s\n' 'Acquire::Check-Valid-Until "false";' 'Acquire::Languages "none";' >"$debian/$conf"
	fi
}

# "${inside[@]}" ROOT FOLDER COMMAND...: its processes and mounts are its own and
# end with it.
# shellcheck disable=SC2034 # for the scripts that source this
inside=(unshare --mount --ipc --pid --fork --kill-child "$top/test/roots/init")

# A repository of the checkout as it stands, in one commit.
commit_checkout() {	# commit_checkout FOLDER
	mkdir "$1"
	pack_checkout | tar -C "$1" -xf -
	git -C "$1" init --quiet --initial-branch=main
	git -C "$1" add --all
	git -C "$1" -c user.name=test -c user.email=test@localhost commit --quiet --message="as it stands"
}

# The checkout as it stands, at /root/quota.
copy_checkout() {	# copy_checkout ROOT
	rm -rf "$1/root/quota"
	mkdir -p "$1/root/quota"
	pack_checkout | tar --extract --no-same-owner --directory="$1/root/quota"
}
