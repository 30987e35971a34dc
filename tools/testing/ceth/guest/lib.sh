# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Shell functions for programs that run in a guest: load drivers, bind NICs,
# find their interfaces, set up pairs for a test. The NICs' addresses are in the environment, as
# DUT0_PCI, PEER0_PCI and so on.

if [ -z "${CETH_NICS+set}" ] && [ -r /run/ceth/env ]; then
	set -a
	# shellcheck source=/dev/null
	. /run/ceth/env
	set +a
fi

CETH_KO=${CETH_KO:-/ceth-ko}
# In the order that they depend on each other; those that are not built yet
# are skipped.
CETH_MODULES=${CETH_MODULES:-ceth ceth_virtio ceth_igb}
# One more backend, for all devices under test
case " $CETH_MODULES ceth_ref " in
*" ${CETH_BACKEND:-ceth} "*) ;;
*) CETH_MODULES="$CETH_MODULES $CETH_BACKEND" ;;
esac

# The reference NIC makes interfaces of its own: only for those who want them, and
# with as many ports.
if [[ ${DUT0_MODEL:-} = refnic ]]; then
	CETH_MODULES="ceth ceth_refhw ceth_ref"
	# shellcheck disable=SC2034 # load_ceth puts the name together
	ceth_refhw_params="ports=$(wc -w <<< "$CETH_NICS") queues=$DUT0_QUEUES"
fi

# bus_of ADDRESS: where in sysfs a device with that address is
bus_of()
{
	case $1 in
	*:*) echo /sys/bus/pci ;;
	*) echo /sys/bus/refnic ;;
	esac
}

# Modules of the kernel that ours need; insmod does not look for them.
_ceth_depends()
{
	local m
	for m in $(modinfo -F depends "$1" | tr ',' ' '); do
		[ -e "$CETH_KO/$m.ko" ] || modprobe -q "$m"
	done
}

# load_ceth [MODULE...]: insert the core and the backends. Parameters of a
# module are taken from a variable, as in ceth_params="verify=1".
# shellcheck disable=SC2120 # the arguments are optional
load_ceth()
{
	local m params
	# shellcheck disable=SC2048,SC2086 # a list of words
	for m in ${*:-$CETH_MODULES}; do
		[ -e "$CETH_KO/$m.ko" ] || { [ $# = 0 ] && continue; }
		[ ! -d "/sys/module/$m" ] || continue
		params=${m}_params
		_ceth_depends "$CETH_KO/$m.ko" || return
		# shellcheck disable=SC2086 # a list of words
		insmod "$CETH_KO/$m.ko" ${!params:-} || return
	done
}

# unload_ceth: remove them, in reverse; NICs bound to them lose their driver
unload_ceth()
{
	local m list=
	for m in $CETH_MODULES; do
		list="$m $list"
	done
	# For those who find their addresses later
	grep '\[ceth' /proc/kallsyms > /run/ceth/symbols
	for m in $list; do
		[ ! -d "/sys/module/$m" ] || rmmod "$m" || return
	done
}

driver_of()
{
	local link
	link=$(readlink "$(bus_of "$1")/devices/$1/driver") || return
	echo "${link##*/}"
}

unbind_pci()
{
	local dev
	dev=$(bus_of "$1")/devices/$1
	[ ! -e "$dev/driver" ] || echo "$1" > "$dev/driver/unbind"
}

# bind_pci PCI DRIVER: DRIVER and no other
bind_pci()
{
	local bus dev
	bus=$(bus_of "$1")
	dev=$bus/devices/$1
	[ -d "$dev" ] || { echo "bind_pci: no device $1" >&2; return 1; }
	[ "$(driver_of "$1")" != "$2" ] || return 0
	unbind_pci "$1" || return
	# A bus with one driver has no need of this.
	[ ! -e "$dev/driver_override" ] || echo "$2" > "$dev/driver_override" || return
	echo "$1" > "$bus/drivers_probe" || return
	[ "$(driver_of "$1")" = "$2" ] || { echo "bind_pci: $2 did not take $1" >&2; return 1; }
}

# bind_ceth PCI [BACKEND]: the backend follows from the device
bind_ceth()
{
	local backend=${2:-${CETH_BACKEND:-}}
	if [ "$(bus_of "$1")" = /sys/bus/refnic ]; then
		backend=ceth_ref
	elif [ -z "$backend" ]; then
		case $(cat "/sys/bus/pci/devices/$1/vendor") in
		0x1af4) backend=ceth_virtio ;;
		0x8086) backend=ceth_igb ;;
		esac
	fi
	bind_pci "$1" "$backend"
}

# bind_intree PCI: the kernel's own driver.
# virtio_net takes every virtio network device on the virtio bus, and virtio-pci
# puts all of them there at boot. So all that are not to be its own are taken
# off virtio-pci before it is loaded for the first time.
bind_intree()
{
	local dev=/sys/bus/pci/devices/$1 other
	# Nobody else has a driver for it.
	[ "$(bus_of "$1")" = /sys/bus/pci ] || { bind_ceth "$1"; return; }
	case $(cat "$dev/vendor"):$(cat "$dev/device") in
	0x1af4:0x1041 | 0x1af4:0x1000)
		if [ ! -d /sys/module/virtio_net ]; then
			for other in /sys/bus/pci/drivers/virtio-pci/0000:*; do
				case $(cat "$other/device" 2> /dev/null) in
				0x1041 | 0x1000) [ "${other##*/}" = "$1" ] || unbind_pci "${other##*/}" ;;
				esac
			done
			modprobe virtio_net || return
		fi
		[ "$(driver_of "$1")" = virtio-pci ] || bind_pci "$1" virtio-pci || return
		;;
	*)
		unbind_pci "$1"
		echo > "$dev/driver_override"
		modprobe "$(cat "$dev/modalias")" || return
		[ -e "$dev/driver" ] || echo "$1" > /sys/bus/pci/drivers_probe
		;;
	esac
	netdev_of "$1" > /dev/null
}

# netdev_of PCI: its interface; waits for it to appear
netdev_of()
{
	local bus n
	bus=$(bus_of "$1")
	for _ in {1..100}; do
		for n in "$bus/devices/$1"/net/* "$bus/devices/$1"/virtio*/net/*; do
			if [ -e "$n" ]; then
				echo "${n##*/}"
				return 0
			fi
		done
		sleep 0.1
	done
	echo "netdev_of: $1 has no interface (driver: $(driver_of "$1" || echo none))" >&2
	return 1
}

# pci_by_mac MAC: the PCI function whose interface has that address now, or
# that the host made with it
pci_by_mac()
{
	local n nic mac pci
	for nic in $CETH_NICS; do
		mac=${nic}_MAC pci=${nic}_PCI
		if [ "${!mac}" = "$1" ]; then
			echo "${!pci}"
			return 0
		fi
	done
	for n in /sys/class/net/*; do
		if [ "$(cat "$n/address")" = "$1" ] && [ -e "$n/device" ]; then
			readlink -f "$n/device" | grep -oE '[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f]' | tail -n 1
			return 0
		fi
	done
	return 1
}

# pci_of NIC: "DUT0" to its PCI address
pci_of()
{
	local pci=$1_PCI
	echo "${!pci}"
}

# wait_for SECONDS COMMAND...: until COMMAND succeeds
wait_for()
{
	local end=$((SECONDS + $1))
	shift
	until "$@" > /dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.2
	done
}

# setup_pairs [ceth|intree]: every DUT on a CETH backend or on the kernel's own
# driver, every PEER on the kernel's own, in a namespace peer<i>. Sets what the
# kselftest programs read: NETIF, PEER, NS, NETIF2, PEER2, NS2, ..., DRIVER.
# What is in place already stays as it is.
setup_pairs()
{
	local how=${1:-ceth} nic i n suffix netif peer mac
	# shellcheck disable=SC2119 # all modules
	[ "$how" = intree ] || load_ceth || return
	# Before the first peer needs virtio_net, which takes all that it finds
	if [ "$how" = ceth ]; then
		for nic in $CETH_NICS; do
			[[ $nic != DUT* ]] || bind_ceth "$(pci_of "$nic")" || return
		done
	fi
	for nic in $CETH_NICS; do
		[[ $nic = DUT* ]] || continue
		i=${nic#DUT}
		[ "$how" = ceth ] || bind_intree "$(pci_of "$nic")" || return
		netif=$(netdev_of "$(pci_of "$nic")") || return
		n=peer$i
		[ -e "/run/netns/$n" ] || ip netns add "$n" || return
		mac=PEER${i}_MAC
		peer=$(first_of_mac "$n" "${!mac}")
		if [ -z "$peer" ]; then
			bind_intree "$(pci_of "PEER$i")" || return
			peer=$(netdev_of "$(pci_of "PEER$i")") || return
			# Both sides often say eth0, which makes logs hard to read.
			ip link set "$peer" name "$n" && ip link set "$n" netns "$n" || return
			peer=$n
		fi
		suffix=$((i + 1))
		[ $suffix != 1 ] || suffix=
		export "NETIF$suffix=$netif" "PEER$suffix=$peer" "NS$suffix=$n"
	done
	[ -z "${NETIF:-}" ] || DRIVER=$(driver_of "$DUT0_PCI")
	# The in-tree virtio_net is not the driver of the PCI function.
	[ "${DRIVER:-}" != virtio-pci ] || DRIVER=virtio_net
	export DRIVER
}

# first_of_mac NAMESPACE MAC: the interface there that has it
first_of_mac()
{
	local name mac
	while read -r name _ mac _; do
		if [ "$mac" = "$2" ]; then
			echo "${name%%@*}"
			break
		fi
	done < <(ip -n "$1" -br link)
}
