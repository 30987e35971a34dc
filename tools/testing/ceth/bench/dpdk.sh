#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# dpdk.sh pmd|DRIVER SECONDS: what `dpdk` runs in the guest. The figure is its last
# line.

set -u -o pipefail
# shellcheck source=../guest/lib.sh
. /ceth/tools/testing/ceth/guest/lib.sh

driver=$1 seconds=$2
log=/tmp/testpmd.log
plugins=$(echo /usr/lib/*/dpdk/pmds-*)

fail()
{
	echo "dpdk: $*" >&2
	cat "$log" >&2
	exit 1
}

: > $log
sysctl -qw vm.nr_hugepages=160
case $driver in
pmd)
	# Plugins are taken from a folder that nobody else can write to.
	for so in /share/dpdk/*; do
		cp "$so" "$plugins/"
		cp "$so" "$plugins/$(basename "$so" .0)"
	done
	modprobe uio_pci_generic || fail "no uio_pci_generic"
	for pci in "$DUT0_PCI" "$PEER0_PCI"; do
		unbind_pci "$pci"
		bind_pci "$pci" uio_pci_generic || fail "no driver for $pci"
	done
	eal=(--iova-mode=pa -a "$DUT0_PCI" -a "$PEER0_PCI") ;;
*)
	eal=(--iova-mode=va --no-pci)
	load_ceth
	for pci in "$DUT0_PCI" "$PEER0_PCI"; do
		unbind_pci "$pci"
		bind_pci "$pci" "$driver"
		dev=$(netdev_of "$pci") || fail "no driver for $pci"
		ip link set "$dev" up
		eal+=(--vdev "net_af_xdp${#eal[@]},iface=$dev,queue_count=1")
	done ;;
esac

session()
{
	until grep -q "testpmd>" $log; do
		sleep 1
	done
	sleep 2
	# Eight times 32 packets from either end
	echo "start tx_first 8"
	sleep 1
	echo "clear fwd stats all"
	sleep "$seconds"
	# Without zero-copy a socket's frames are counted elsewhere.
	ss -H --xdp -e >> /tmp/sockets
	echo stop
	sleep 1
	echo quit
}

session | timeout 1200 dpdk-testpmd --in-memory --no-telemetry "${eal[@]}" --lcores '0@0,1@0' -- -i \
	--forward-mode=io --record-core-cycles --record-burst-stats --total-num-mbufs=8192 \
	>> $log 2>&1 || fail "testpmd failed"
if [ "$driver" != pmd ]; then
	[ "$(grep -c zc:1 /tmp/sockets)" = 2 ] || fail "not zero-copy: $(cat /tmp/sockets)"
fi

# A burst that is sent is one that was received. Fewer than 24 at once would cost
# more each.
awk '
	/TX-bursts/ { bursts += $3 }
	/TX-packets/ { packets = $2 }
	match($0, /cycles\/packet=[0-9.]+/) { each = substr($0, RSTART + 14, RLENGTH - 14) }
	END {
		printf "%d packets, %.1f at once\n", packets, packets / bursts
		if (!each || packets < 10000 || packets / bursts < 24)
			exit 1
		print each
	}' $log || fail "no full bursts"
