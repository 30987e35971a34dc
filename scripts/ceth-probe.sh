#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# ceth-probe.sh KDIR PROBEDIR OUTPUT [MAKE-ARGUMENT...]
#
# Find out what the kernel in KDIR offers by compiling PROBEDIR/NAME.c, and
# write "#define CETH_HAVE_NAME 1" to OUTPUT for each one that compiles.
# Version numbers cannot tell: stable series change signatures too.
#
# A probe is a whole C file. Every warning counts as a failure, except those
# for unused code and for missing prototypes, so a probe may be just
#	#include <net/netdev_lock.h>
#	void probe(struct net_device *dev) { netdev_lock_ops(dev); }
# A use that compiles on older kernels too proves nothing: check a probe on
# both sides of the change that it looks for.
#
# The answer is kept beside OUTPUT under a key made of the kernel's
# configuration and release, the compiler, the probes and this script.
# With CETH_PROBE_VERBOSE=1 the compiler's messages are printed.

set -euo pipefail
export LC_ALL=C

die()
{
	echo "ceth-probe: $*" >&2
	exit 1
}

[ $# -ge 3 ] || die "usage: ceth-probe.sh KDIR PROBEDIR OUTPUT [MAKE-ARGUMENT...]"
kdir=$1 probes=$2 out=$3
shift 3
[ -f "$kdir/Makefile" ] || die "no kernel build tree at $kdir (are the kernel headers installed?)"
kdir=$(cd "$kdir" && pwd -P)
[ -d "$probes" ] || die "no directory of probes at $probes"

# A parent make's own variables (W=1, C=2, O=, jobs) must not reach the
# compilations below: they would turn a style warning into a missing feature.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES GNUMAKEFLAGS KBUILD_EXTRA_WARN KCFLAGS W C M O MO

key=$({
	echo "$kdir" "$@"
	cat "$kdir/include/generated/autoconf.h" "$kdir/include/config/kernel.release" \
	    "$kdir/include/generated/compile.h" 2>/dev/null || true
	# Debian's header packages keep one name when only the compiler's or the
	# package's revision changes.
	stat -c %Y "$kdir/Module.symvers" 2>/dev/null || true
	"${CC:-gcc}" --version 2>/dev/null || true
	for f in "$0" "$probes"/*.c; do
		if [ -f "$f" ]; then echo "== ${f##*/}"; cat "$f"; fi
	done
} | sha256sum | cut -c1-24)

outdir=$(dirname "$out")
mkdir -p "$outdir"
cached=$outdir/.probe-$key.h

install_result()
{
	# An unchanged header keeps its time stamp, so nothing is rebuilt.
	cmp -s "$cached" "$out" || cp "$cached" "$out"
}

if [ -f "$cached" ]; then
	install_result
	exit 0
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/ceth-probe.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

names=()
for f in "$probes"/*.c; do
	[ -f "$f" ] || continue
	name=$(basename "$f" .c)
	[[ $name =~ ^[A-Z][A-Z0-9_]*$ ]] || die "$f: the name of a probe is made of A-Z, 0-9 and _"
	names+=("$name")
	cp "$f" "$work/probe_$name.c"
done

# Without these two a broken compiler, or one that swallows errors, would look
# like an old or a new kernel. The wrong one has a second use: a build that
# fails never goes on to link and post-process the modules.
cat > "$work/sane_right.c" <<'EOF'
#include <linux/netdevice.h>
int sane(const struct net_device *dev);
int sane(const struct net_device *dev) { return netif_running(dev); }
EOF
cat > "$work/sane_wrong.c" <<'EOF'
#include <linux/netdevice.h>
int sane(const struct net_device *dev);
int sane(const struct net_device *dev) { return ceth_no_such_function(dev); }
EOF

{
	echo "ccflags-y := -Werror -Wno-unused -Wno-missing-prototypes -Wno-missing-declarations"
	echo "OBJECT_FILES_NON_STANDARD := y"
	echo "obj-m := sane_right.o sane_wrong.o"
	[ ${#names[@]} -eq 0 ] || printf 'obj-m += probe_%s.o\n' "${names[@]}"
} > "$work/Kbuild"

make -k -j"$(nproc)" -C "$kdir" M="$work" "$@" modules > "$work/log" 2>&1 || true
[ "${CETH_PROBE_VERBOSE:-0}" = 0 ] || cat "$work/log" >&2

if [ ! -s "$work/sane_right.o" ]; then
	tail -n 25 "$work/log" >&2
	die "cannot compile a trivial file against $kdir (log above)"
fi
[ ! -e "$work/sane_wrong.o" ] || die "the compiler accepts a call of a function that does not exist"

{
	echo "/* SPDX-License-Identifier: GPL-2.0 */"
	echo "/* Made by scripts/ceth-probe.sh for $(cat "$kdir/include/config/kernel.release" 2>/dev/null || echo "$kdir") */"
	echo "#ifndef _CETH_GENERATED_CONFIG_H"
	echo "#define _CETH_GENERATED_CONFIG_H"
	for name in "${names[@]}"; do
		if [ -s "$work/probe_$name.o" ]; then
			echo "#define CETH_HAVE_$name 1"
		else
			echo "/* CETH_HAVE_$name is not set */"
		fi
	done
	echo "#endif"
} > "$work/result.h"
cp "$work/result.h" "$cached.tmp$$"
mv "$cached.tmp$$" "$cached"
install_result
