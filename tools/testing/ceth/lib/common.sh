# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the host-side scripts share: where things are, and how to run a command
# inside the guest tree without leaving mounts behind.

CETH_CACHE=${CETH_CACHE:-/var/cache/ceth}
CETH_TREE=${CETH_TREE:-$CETH_CACHE/tree}
CETH_TOOLS=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# What debug-kernel builds, which is not part of the tree
CETH_DEBUG=$CETH_CACHE/debug-kernel
# shellcheck disable=SC2034 # for the scripts that read this file
CETH_REPO=$(cd "$CETH_TOOLS/../../.." && pwd -P)

die()
{
	echo "${0##*/}: $*" >&2
	exit 1
}

need_root()
{
	[ "$(id -u)" = 0 ] || die "must run as root (it mounts file systems and starts guests)"
}

need_tree()
{
	[ -f "$CETH_TREE/.ceth-image" ] || "$CETH_TOOLS/image"
}

# tree_run ROOT [HOSTDIR:MOUNTPOINT ...] -- COMMAND...
#
# Run COMMAND in the tree at ROOT. Mounts live in a mount namespace and
# processes in a PID namespace of their own, so nothing survives this call, not
# even when it is killed with SIGKILL. MOUNTPOINT is below /mnt, which is a
# fresh tmpfs.
tree_run()
{
	local root=$1 binds=()
	shift
	while [ "$1" != -- ]; do
		binds+=("$1")
		shift
	done
	shift
	# shellcheck disable=SC2016 # expanded by the inner shell
	unshare --mount --pid --fork --kill-child --propagation private \
		bash -c '
		set -e
		root=$1 nbinds=$2
		shift 2
		mount -t tmpfs tmpfs "$root/mnt"
		while [ "$nbinds" -gt 0 ]; do
			mkdir -p "$root/mnt/${1#*:}"
			mount --bind "${1%%:*}" "$root/mnt/${1#*:}"
			shift
			nbinds=$((nbinds - 1))
		done
		mount -t proc proc "$root/proc"
		mount --rbind /sys "$root/sys"
		mount --rbind /dev "$root/dev"
		mount -t tmpfs tmpfs "$root/tmp"
		mount -t tmpfs tmpfs "$root/run"
		exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
			HOME=/root LC_ALL=C.UTF-8 TERM="${TERM:-dumb}" DEBIAN_FRONTEND=noninteractive \
			${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
			CETH_JOBS="$(nproc)" "$@"
		' tree_run "$root" "${#binds[@]}" "${binds[@]}" "$@"
}

# Full releases of the kernels whose headers are in the tree, oldest first
tree_kernels()
{
	local d
	for d in "$CETH_TREE"/lib/modules/*/build; do
		[ -e "$CETH_TREE/usr/src/linux-headers-$(basename "$(dirname "$d")")" ] || continue
		basename "$(dirname "$d")"
	done | sort -V
}

# Full release of the debug kernel; nothing if there is none
debug_release()
{
	local k
	for k in "$CETH_DEBUG"/boot/ceth-initrd-*; do
		[ ! -e "$k" ] || echo "${k##*/ceth-initrd-}"
	done
}

# resolve_kernel NAME: a short name ("6.12", "6.12.94") to the newest release
# that it is a prefix of; "debug" to the one that debug-kernel builds
resolve_kernel()
{
	local k found=
	k=$(debug_release)
	if [ "$1" = debug ] || [ "$1" = "$k" ]; then
		[ -n "$k" ] || die "no debug kernel yet: run tools/testing/ceth/debug-kernel"
		echo "$k"
		return 0
	fi
	for k in $(tree_kernels); do
		case $k in
		"$1" | "$1".* | "$1"+*) found=$k ;;
		esac
	done
	[ -n "$found" ] || die "no kernel \"$1\" in the guest tree; there are: $(tree_kernels | tr '\n' ' ')"
	echo "$found"
}
