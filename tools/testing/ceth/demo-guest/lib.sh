# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the programs of `make demo` share. The first argument of each is the
# folder with the compiled XDP programs; NETIF, PEER and NS are theirs to set.

# shellcheck source=../guest/lib.sh
. /ceth/tools/testing/ceth/guest/lib.sh

programs=$1
here=/ceth/tools/testing/ceth/demo-guest
pins=/sys/fs/bpf/demo
port=4242
count=2000
bad=0
rows=()

say()
{
	printf '[%3d s] %s\n' "$SECONDS" "$*"
}

# row WHAT RESULT [1 if that is wrong]
row()
{
	rows+=("$(printf '  %-34s %s' "$1" "$2")")
	if [ "${3:-0}" = 0 ]; then
		say "$1: $2"
	else
		say "$1: $2   <-- NOT AS IT SHOULD BE"
		bad=1
	fi
}

give_up()
{
	say "$*"
	exit 1
}

in_peer()
{
	ip netns exec "$@"
}

rx_packets()
{
	cat "/sys/class/net/$NETIF/statistics/rx_packets"
}

tcp()
{
	local out wrong=0 way="CETH NIC to peer"
	[ "${1:-}" != -R ] || way="peer to CETH NIC"
	in_peer "$NS" iperf3 -s -1 -D > /dev/null
	sleep 1
	out=$(iperf3 -c 192.0.2.2 -t 3 -f m "$@" 2>&1 | awk '/receiver/ { print $7 }')
	[ -n "$out" ] || wrong=1
	row "TCP, $way" "${out:-no connection} Mbit/s (emulated CPU)" $wrong
}

program_saw()
{
	bpftool -j map dump pinned "$pins/maps/seen" |
		python3 -c 'import json,sys; print(sum(int.from_bytes(bytes(int(b, 16) for b in v["value"]), "little") for e in json.load(sys.stdin) for v in e["values"]))'
}

attach()
{
	bpftool map update pinned "$pins/maps/seen" key 0 0 0 0 value 0 0 0 0 0 0 0 0 || give_up "cannot clear a map"
	ip -force link set dev "$NETIF" xdpdrv pinned "$pins/$1" || give_up "cannot attach $1"
}

# verdict NAME EXPECTED RESULT WORDS: what the program saw, and what came out
verdict()
{
	local saw wrong=0
	saw=$(program_saw)
	[ "$saw" = $count ] && [ "$3" = "$2" ] || wrong=1
	row "$1" "$count sent, the program saw $saw, $4 $3" $wrong
}

# transfer SECONDS: send from the namespace to a socket here; prints what came
transfer()
{
	$here/traffic.py recv $port $count "$1" > /tmp/got 2> /tmp/ready &
	wait_for 10 grep -q ready /tmp/ready
	in_peer "$NS" $here/traffic.py send 192.0.2.1 $port $count > /dev/null
	wait $!
	cat /tmp/got
}

# pings ADDRESS
pings()
{
	local lost wrong=0
	wait_for 20 ping -c1 -W1 "$1" || give_up "no ping from $1"
	lost=$(ping -q -c 20 -i 0.05 "$1" | awk -F, '/packets/ { print $2 "," $3 }')
	[[ $lost = *" 20 received"* ]] || wrong=1
	row "ping $1" "20 sent,${lost}" $wrong
}

load_programs()
{
	mkdir -p $pins/maps
	bpftool prog loadall "$programs/demo.bpf.o" $pins pinmaps $pins/maps ||
		give_up "cannot load the XDP programs"
}

# finish FILE: the summary, and how it went
finish()
{
	printf '%s\n' "${rows[@]}" > "/out/$1"
	[ $bad = 0 ]
}
