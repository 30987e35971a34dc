#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# rates.sh SECONDS ROUNDS: what `rates` runs in the guest. pktgen is on CPU 0, the
# interrupts of the receiving port are on CPU 1; veth has none.

set -u -o pipefail
# shellcheck source=../guest/lib.sh
. /ceth/tools/testing/ceth/guest/lib.sh

seconds=$1 rounds=$2
configfs=/sys/kernel/config/refnic

fail()
{
	echo "rates: $*" >&2
	exit 1
}

attach()
{
	bpftool net attach xdpdrv pinned "/sys/fs/bpf/bench/$2" dev "$1" overwrite ||
		fail "no program on $1"
}

received()
{
	cat "/sys/class/net/$1/statistics/rx_packets"
}

# pktgen IFACE TO: so that it only has to be started
pktgen()
{
	local line
	echo rem_device_all > /proc/net/pktgen/kpktgend_0
	echo "add_device $1" > /proc/net/pktgen/kpktgend_0 || fail "no pktgen on $1"
	for line in "count 0" "pkt_size 60" "delay 0" "dst 198.18.0.2" \
		"dst_mac $(cat "/sys/class/net/$2/address")"; do
		echo "$line" > "/proc/net/pktgen/$1"
	done
}

# rate IFACE START STOP: packets per second that come out at IFACE between two
# commands; the first second is not measured.
rate()
{
	local from to n
	eval "$2"
	sleep 1
	from=${EPOCHREALTIME/./} n=$(received "$1")
	sleep "$seconds"
	n=$(($(received "$1") - n)) to=${EPOCHREALTIME/./}
	eval "$3"
	echo $((n * 1000000 / (to - from)))
}

# It does not return until it is stopped.
start_pktgen="echo start > /proc/net/pktgen/pgctrl &"
stop_pktgen="echo stop > /proc/net/pktgen/pgctrl; wait"

# measure PATH SENDER RECEIVER
measure()
{
	case $1 in
	xdp_drop)
		attach "$3" drop
		pktgen "$2" "$3"
		rate "$3" "$start_pktgen" "$stop_pktgen"
		;;
	xdp_tx)
		attach "$3" tx
		attach "$2" drop
		pktgen "$2" "$3"
		rate "$2" "$start_pktgen" "$stop_pktgen"
		ip link set dev "$2" xdp off
		;;
	generator)
		attach "$3" drop
		echo generator > "$configfs/$DUT0_PCI/peer"
		rate "$3" "echo 1000000000 > $configfs/$DUT0_PCI/gen_frames" \
			"echo 0 > $configfs/$DUT0_PCI/gen_frames"
		echo "$PEER0_PCI" > "$configfs/$DUT0_PCI/peer"
		wait_for 10 grep -q 1 "/sys/class/net/$3/carrier" || fail "no carrier"
		;;
	esac
}

median()
{
	printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"
}

# shellcheck disable=SC2119 # all modules
load_ceth || fail "no modules"
for dev in "$DUT0_PCI" "$PEER0_PCI"; do
	bind_ceth "$dev" || fail "no $dev"
done
modprobe -a pktgen veth || fail "no pktgen, or no veth"
bpftool prog loadall /share/bench/xdp.o /sys/fs/bpf/bench type xdp \
	pinmaps /sys/fs/bpf/bench-maps || fail "cannot load the programs"
sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
ip link add bench0 type veth peer name bench1
sender=$(netdev_of "$PEER0_PCI") receiver=$(netdev_of "$DUT0_PCI")
for dev in bench0 bench1 "$sender" "$receiver"; do
	ip link set "$dev" up
done
read -ra irqs < "/sys/bus/refnic/devices/$DUT0_PCI/irqs"
for irq in "${irqs[@]}"; do
	echo 1 > "/proc/irq/$irq/smp_affinity_list"
done

printf '%-10s %12s %12s %8s\n' path veth refnic ratio
for path in xdp_drop xdp_tx generator; do
	theirs=() ours=()
	for ((i = 0; i < rounds; i++)); do
		theirs+=("$(measure "${path/generator/xdp_drop}" bench0 bench1)") || exit
		ours+=("$(measure "$path" "$sender" "$receiver")") || exit
	done
	a=$(median "${theirs[@]}") b=$(median "${ours[@]}")
	[ "$a" -gt 0 ] || fail "$path: veth forwards nothing"
	printf '%-10s %12d %12d %5d.%02d\n' "$path" "$a" "$b" $((b / a)) $((b * 100 / a % 100))
done
[ -z "${RATES_STATE:-}" ] || cat "/sys/kernel/debug/refnic/$DUT0_PCI/state"
