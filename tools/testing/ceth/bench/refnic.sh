# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# For guest.sh, where the devices are ports of the reference NIC: they have no
# PCI, their hardware is threads of the guest, and it has a generator. The peers
# are of the same driver: what they do is on CPU 0, as all that is not counted.
# shellcheck disable=SC2154 # rx and helper are guest.sh's

configfs=/sys/kernel/config/refnic

# pin PORT [CPU]
pin()
{
	local irqs irq
	read -ra irqs < "/sys/bus/refnic/devices/$1/irqs"
	for irq in "${irqs[@]}"; do
		echo "${2:-1}" > "/proc/irq/$irq/smp_affinity_list" 2> /dev/null
	done
}

# There are new ones after each change of queues.
pin_model()
{
	local thread
	pin "$PEER0_PCI" 0
	pin "$PEER1_PCI" 0
	for thread in $(pgrep '^refnic'); do
		taskset -p -c 0 "$thread" > /dev/null 2>&1
	done
}

# With the generator, nothing of a sender's driver is in the way. What ends in
# the stack is to end in ip_rcv(), for which the generator's packets are too good.
wire()
{
	local end=$PEER0_PCI
	case $1 in
	xdp_drop | xdp_tx | xdp_redirect | xsk_drop | xsk_forward) end=generator ;;
	esac
	echo "$end" > "$configfs/$DUT0_PCI/peer"
	wait_for 10 grep -q 1 "/sys/class/net/$rx/carrier" || fail "$rx has no carrier"
}

returned()
{
	cat "$configfs/$DUT0_PCI/sunk"
}

blast()
{
	local left=$1 n
	if [ "$(cat "$configfs/$DUT0_PCI/peer")" != generator ]; then
		in_peer "$helper" blast gen "$PEER0_MAC" "$DUT0_MAC" "$1" 192 "${2:-0}" ||
			fail "cannot send"
		return
	fi
	while [ "$left" -gt 0 ]; do
		n=$((${2:-0} && left > 192 ? 192 : left))
		echo "$n" > "$configfs/$DUT0_PCI/gen_frames"
		wait_for 60 grep -qx 0 "$configfs/$DUT0_PCI/gen_frames" ||
			fail "the generator does not come to its end"
		left=$((left - n))
	done
}
