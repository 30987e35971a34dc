#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# guest.sh REPEATS DRIVER:PATH,PATH,... [DRIVER:PATH,...]...
#
# The benchmark inside the guest: for each driver, bind the two devices under
# test to it and run each path between two commands to the counting plugin.
#
# DUT0 faces PEER0 (another driver, so that its symbols differ), which sends.
# DUT1 faces PEER1, where redirected and transmitted packets end. Both peers are
# in a network namespace. Everything of the devices under test happens on
# CPU 1, everything else on CPU 0; only CPU 1 is counted.
#
# Writes /out/symbols.DRIVER; the rest goes out through the plugin. Prints a line
# for each reading.

set -u -o pipefail
# shellcheck source=../guest/lib.sh
. /ceth/tools/testing/ceth/guest/lib.sh

helper=/share/bench/guest
xsk=/share/bench/xsk
dut_ip=198.18.1.1 peer_ip=198.18.1.2
# Frames to this address reach the peer, which has no use for them.
nobody_ip=198.18.1.3
# A window for packets, after as many to warm up: page lists, neighbours, code
packets=8192
megabytes=64
# The functions that count: see insn.c. Names that a kernel lacks are skipped.
scopes="napi:__napi_poll softirq:net_rx_action softirq:net_tx_action
	softirq:tcp_tsq_handler irq:common_interrupt irq:irq_work_run switch:__schedule
	task:__x64_sys_sendto task:__x64_sys_recvfrom"

fail()
{
	echo "bench: $*" >&2
	exit 1
}

in_peer()
{
	taskset -c 0 ip netns exec peer "$@"
}

mark()
{
	$helper mark "$*"
}

# counter IFACE NAME: of an interface in this name space
counter()
{
	cat "/sys/class/net/$1/statistics/$2"
}

peer_counter()
{
	in_peer cat "/sys/class/net/$1/statistics/$2"
}

# settle COMMAND...: until the number it prints has stopped growing; prints it
settle()
{
	local old=-1 new
	new=$("$@")
	while [ "$new" != "$old" ]; do
		sleep 0.15
		old=$new
		new=$("$@")
	done
	echo "$new"
}

modules_of()
{
	case $1 in
	ceth_ref) echo "ceth,$1,!ceth_refhw" ;;
	ceth_*) echo "ceth,$1" ;;
	*) echo "$1" ;;
	esac
}

# --- devices ------------------------------------------------------------------

start_peers()
{
	ip netns add peer
	in_peer ip link set lo up
	bind_intree "$PEER0_PCI" || fail "no PEER0"
	bind_intree "$PEER1_PCI" || fail "no PEER1"
	ip link set "$(netdev_of "$PEER0_PCI")" netns peer name gen
	ip link set "$(netdev_of "$PEER1_PCI")" netns peer name sink
	in_peer ip link set gen up promisc on
	in_peer ip link set sink up promisc on
	in_peer ip addr add $peer_ip/24 dev sink
}

# The interrupts of a device go to the counted CPU.
pin()
{
	local irq
	for irq in /sys/bus/pci/devices/"$1"/msi_irqs/*; do
		echo 1 > "/proc/irq/${irq##*/}/smp_affinity_list" 2> /dev/null
	done
}

# pin_model: hardware that is made of threads: not on the counted CPU
# wire PATH: the devices, in the way that a path needs it
# returned: what has come back to the sender
pin_model()
{
	:
}

wire()
{
	:
}

returned()
{
	peer_counter gen rx_packets
}

start_duts()
{
	local pci
	for pci in "$DUT0_PCI" "$DUT1_PCI"; do
		case $1 in
		ceth_*) bind_ceth "$pci" "$1" ;;
		*) bind_intree "$pci" ;;
		esac || fail "$1 does not take $pci"
	done
	rx=$(netdev_of "$DUT0_PCI") || fail "no DUT0"
	tx=$(netdev_of "$DUT1_PCI") || fail "no DUT1"
	# One queue: what is counted is on one CPU.
	ethtool -L "$rx" combined 1 > /dev/null 2>&1
	ethtool -L "$tx" combined 1 > /dev/null 2>&1
	ip link set "$rx" up
	ip link set "$tx" up
	ip addr add $dut_ip/24 dev "$tx"
	ip neigh replace $peer_ip lladdr "$PEER1_MAC" dev "$tx"
	ip neigh replace $nobody_ip lladdr "$PEER1_MAC" dev "$tx"
	in_peer ip neigh replace $dut_ip lladdr "$DUT1_MAC" dev sink
	pin "$DUT0_PCI"
	pin "$DUT1_PCI"
	pin_model
	wait_for 10 grep -q 1 "/sys/class/net/$rx/carrier" || fail "$rx has no carrier"
	wait_for 10 in_peer grep -q 1 /sys/class/net/gen/carrier || fail "no carrier at the sender"
	wait_for 20 ping -c 1 -W 1 $peer_ip || fail "no packet passes to $peer_ip"
	bpftool map update pinned /sys/fs/bpf/bench-maps/ports key 0 0 0 0 \
		value "$(cat "/sys/class/net/$tx/ifindex")" 0 0 0 || fail "no devmap"
}

stop_duts()
{
	unbind_pci "$DUT0_PCI"
	unbind_pci "$DUT1_PCI"
}

# attach IFACE PROGRAM|none, from CPU 1: a driver may poll at once on this CPU
# and, held back by a timer, stay there.
attach()
{
	if [ "$2" = none ]; then
		taskset -c 1 ip link set dev "$1" xdp off
	else
		taskset -c 1 bpftool net attach xdpdrv pinned "/sys/fs/bpf/bench/$2" \
			dev "$1" overwrite
	fi
}

# Hold a receiver back for 20 ms after each round of polls, so that packets
# gather in the ring and every poll is a full one.
hold()
{
	# An interrupt moves to another CPU when it comes, and held back, it does
	# not come: so have some first.
	for _ in 1 2 3; do
		[ "$2" = 0 ] || blast 8
		sleep 0.02
	done
	# Some emulated devices interrupt although they are masked; not often, then.
	[ "$2" = 0 ] || ethtool -C "$1" rx-usecs 8000 > /dev/null 2>&1
	echo "$2" > "/sys/class/net/$1/napi_defer_hard_irqs"
	echo $(($2 ? 20000000 : 0)) > "/sys/class/net/$1/gro_flush_timeout"
	sleep 0.05
}

# --- paths --------------------------------------------------------------------

# blast COUNT [PAUSE]: in rounds that fit into the smallest ring
blast()
{
	in_peer $helper blast gen "$PEER0_MAC" "$DUT0_MAC" "$1" 192 "${2:-0}" ||
		fail "cannot send"
}

# receive LABEL PAUSE [COUNTER...]: COUNTER prints what must grow as well, if the
# path has a far end
receive()
{
	local label=$1 pause=$2 before far=0
	shift 2
	blast $packets "$pause"
	settle counter "$rx" rx_packets > /dev/null
	before=$(counter "$rx" rx_packets)
	[ $# = 0 ] || far=$(settle "$@")
	mark "begin 1 $label"
	blast $packets "$pause"
	settle counter "$rx" rx_packets > /dev/null
	[ $# = 0 ] || far=$(($(settle "$@") - far))
	mark "end sent=$packets rx=$(($(counter "$rx" rx_packets) - before))" \
		"$([ $# = 0 ] || echo "far=$far")"
}

# window LABEL AMOUNT COMMAND...: transmit, and see what the far end got
window()
{
	local label=$1 amount=$2 sent far
	shift 2
	sent=$(counter "$tx" tx_packets)
	far=$(peer_counter sink rx_packets)
	mark "begin 1 $label"
	"$@" || fail "$label: $*"
	settle peer_counter sink rx_packets > /dev/null
	mark "end $amount tx=$(($(counter "$tx" tx_packets) - sent))" \
		"far=$(($(peer_counter sink rx_packets) - far))"
}

pktgen()
{
	local dir=/proc/net/pktgen line
	[ -e "$dir/$tx" ] || echo "add_device $tx" > $dir/kpktgend_1 || return
	for line in "count $packets" "pkt_size 60" "delay 0" "dst_mac $PEER1_MAC" \
		"src_mac $DUT1_MAC" "dst 198.18.2.2"; do
		echo "$line" > "$dir/$tx"
	done
	echo start > $dir/pgctrl
	grep -q "Result: OK" "$dir/$tx"
}

tcp_in()
{
	taskset -c 1 $helper tcp-sink 5001 > /dev/null &
	in_peer $helper tcp-source $dut_ip 5001 "$1" && wait $!
}

tcp_out()
{
	in_peer $helper tcp-sink 5001 > /dev/null &
	taskset -c 1 $helper tcp-source $peer_ip 5001 "$1" && wait $!
}

# xsk_start: a sender with its socket bound, so that this is not counted
# xsk_send COUNT
xsk_start()
{
	coproc sender { exec taskset -c 1 $xsk send "$tx" "$PEER1_MAC" "$DUT1_MAC"; }
	server=$!
	read -r -t 20 -u "${sender[0]:-}" _ 2> /dev/null
}

xsk_send()
{
	local n
	echo "$1" >&"${sender[1]}" && read -r -t 60 -u "${sender[0]}" n && [ "$n" = "$1" ]
}

run_path()
{
	local label=$1/$2/$3
	case $2 in
	xdp_drop | xdp_pass | rx_stack) receive "$label" 0 ;;
	# A pause, in which the program takes what has come.
	xsk_drop) receive "$label" 22000 ;;
	xsk_forward) receive "$label" 22000 returned ;;
	xsk_tx) window "$label" "sent=$packets" xsk_send $packets ;;
	# Not more at once than the transmit ring takes, or frames are dropped.
	xdp_tx) receive "$label" 22000 returned ;;
	xdp_redirect) receive "$label" 22000 peer_counter sink rx_packets ;;
	tx_pktgen) window "$label" "sent=$packets" pktgen ;;
	tx_udp) window "$label" "sent=$packets" taskset -c 1 $helper udp $nobody_ip $packets ;;
	tcp_rx) window "$label" "mb=$megabytes" tcp_in $megabytes ;;
	tcp_tx) window "$label" "mb=$megabytes" tcp_out $megabytes ;;
	*) fail "unknown path $2" ;;
	esac
}

prepare_path()
{
	server=
	hold "$rx" 0
	wire "$1"
	case $1 in
	xdp_*)
		# Some drivers transmit redirected frames only with a program of
		# their own.
		attach "$tx" pass && attach "$rx" "${1#xdp_}" || return
		hold "$rx" 1000000
		;;
	xsk_tx)
		xsk_start && xsk_send $packets
		;;
	xsk_*)
		server=$(taskset -c 1 $xsk "${1#xsk_}" "$rx") || return
		attach "$rx" xsk || return
		hold "$rx" 1000000
		;;
	rx_stack)
		hold "$rx" 1000000
		;;
	tx_pktgen) pktgen ;;
	tx_udp) taskset -c 1 $helper udp $nobody_ip 1024 ;;
	tcp_rx) tcp_in 4 ;;
	tcp_tx) tcp_out 4 ;;
	esac
}

if [ "$DUT0_MODEL" = refnic ]; then
	# shellcheck source=refnic.sh
	. "${BASH_SOURCE[0]%/*}/refnic.sh"
fi

bench_driver()
{
	local driver=$1 repeats=$2 path i seconds missing
	echo "bench: $driver: binding"
	start_duts "$driver"
	# With a program attached, so that the kernel's dispatcher has a symbol.
	modprobe pktgen
	attach "$rx" pass
	# shellcheck disable=SC2086 # a list of words
	missing=$($helper symbols "/out/symbols.$driver" "$(modules_of "$driver")" $scopes)
	attach "$rx" none
	case $missing in
	*__napi_poll* | *__schedule*) fail "this kernel has no $missing" ;;
	esac
	for path in $3; do
		seconds=$SECONDS
		if ! prepare_path "$path"; then
			echo "bench: $driver: $path: it cannot do that"
			continue
		fi
		pin_model
		for ((i = 1; i <= repeats; i++)); do
			run_path "$driver" "$path" "$i"
		done
		case $path in
		xdp_*)
			attach "$rx" none
			attach "$tx" none
			;;
		xsk_tx)
			kill "$server"
			;;
		xsk_drop | xsk_forward)
			kill "$server"
			attach "$rx" none
			;;
		esac
		echo "bench: $driver: $path ($((SECONDS - seconds)) s)"
	done
	hold "$rx" 0
	stop_duts
}

taskset -p -c 0 $$ > /dev/null
echo 1 > /proc/irq/default_smp_affinity
for irq in /proc/irq/*/smp_affinity_list; do
	echo 0 > "$irq" 2> /dev/null
done
# Work of a driver that no packet asks for
echo 1 > /sys/devices/virtual/workqueue/cpumask
sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 \
	net.core.bpf_jit_enable=1 net.core.bpf_jit_kallsyms=1 kernel.kptr_restrict=0 ||
	fail "sysctl"
bpftool prog loadall /share/bench/xdp.o /sys/fs/bpf/bench type xdp \
	pinmaps /sys/fs/bpf/bench-maps || fail "cannot load the programs"
# The reference NIC is a module itself.
# shellcheck disable=SC2119 # all modules
[ "$DUT0_MODEL" != refnic ] || load_ceth || fail "cannot load CETH's modules"
start_peers

repeats=$1
shift
for job; do
	driver=${job%%:*}
	# shellcheck disable=SC2119 # load all of them
	case $driver in
	ceth_*) load_ceth || fail "cannot load CETH's modules" ;;
	esac
	bench_driver "$driver" "$repeats" "$(tr , ' ' <<< "${job#*:}")"
done
