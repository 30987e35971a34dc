// SPDX-License-Identifier: GPL-2.0
/* txtime: sends frames at given times, and prints when they were sent.
 *
 *	txtime [-n FRAMES] [-i USECS] [-l USECS] [-q QUEUE] [-z] NIC MAC IPv4 IPv4
 *
 * A sender writes what it wants of the NIC before the frame: a checksum to
 * complete, a launch time, a time stamp. The NIC's answer is there when the frame
 * comes back on the completion ring. The frames are UDP from the first address
 * to the second one, port 9, with a number in them; -i is the distance of their
 * launch times, -l how far ahead the first one is.
 *
 * The NIC's clock is that of /dev/ptp*; "ethtool -T NIC" says which.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <linux/ethtool.h>
#include <linux/if_ether.h>
#include <linux/if_xdp.h>
#include <linux/ip.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <linux/udp.h>
#include <netinet/ether.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <xdp/xsk.h>

#define FRAMES		64
#define FRAME_SIZE	2048
#define META		sizeof(struct xsk_tx_metadata)
#define PORT		9

struct packet {
	struct ethhdr eth;
	struct iphdr ip;
	struct udphdr udp;
	__be32 number;
} __attribute__((packed));

static void die(const char *what, int err)
{
	fprintf(stderr, "txtime: %s: %s\n", what, strerror(err < 0 ? -err : err));
	exit(1);
}

static void help(void)
{
	fprintf(stderr,
		"usage: txtime [OPTIONS] NIC MAC SOURCE DESTINATION\n"
		"  -n N      frames (8)\n"
		"  -i USECS  between two of them (1000)\n"
		"  -l USECS  from now to the first one; without, frames go at once\n"
		"  -q N      queue (0)\n"
		"  -z        zero-copy or nothing\n");
	exit(2);
}

/* Time stamps on, and the clock that they are by. Its id is made of the file of
 * the clock, as clock_gettime(2) wants it.
 */
static clockid_t nic_clock(const char *name, unsigned char *mac)
{
	struct ethtool_ts_info info = { .cmd = ETHTOOL_GET_TS_INFO };
	struct hwtstamp_config stamp = { .tx_type = HWTSTAMP_TX_ON };
	struct ifreq ifr = {};
	char path[32];
	int fd, sock;

	sock = socket(AF_INET, SOCK_DGRAM, 0);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (sock < 0 || ioctl(sock, SIOCGIFHWADDR, &ifr))
		die(name, errno);
	memcpy(mac, ifr.ifr_hwaddr.sa_data, ETH_ALEN);
	ifr.ifr_data = (void *)&stamp;
	if (ioctl(sock, SIOCSHWTSTAMP, &ifr))
		die("time stamps", errno);
	ifr.ifr_data = (void *)&info;
	if (ioctl(sock, SIOCETHTOOL, &ifr) || info.phc_index < 0)
		die("the NIC has no clock", ENODEV);
	close(sock);
	snprintf(path, sizeof(path), "/dev/ptp%d", info.phc_index);
	fd = open(path, O_RDWR);
	if (fd < 0)
		die(path, errno);
	return (~(clockid_t)fd << 3) | 3;
}

static __u64 now(clockid_t clock)
{
	struct timespec ts;

	if (clock_gettime(clock, &ts))
		die("clock", errno);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static __u32 add_up(const void *data, size_t len, __u32 sum)
{
	const unsigned char *byte = data;

	for (; len; len -= 2, byte += 2)
		sum += byte[0] << 8 | byte[1];
	return sum;
}

static __be16 folded(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return htons(sum + (sum >> 16));
}

/* The UDP checksum begins with what the NIC cannot know: the addresses. */
static void build(struct packet *p, const unsigned char *mac,
		  const struct ether_addr *to, __be32 src, __be32 dst, int number)
{
	const __u16 len = sizeof(p->udp) + sizeof(p->number);

	memset(p, 0, sizeof(*p));
	memcpy(p->eth.h_dest, to, ETH_ALEN);
	memcpy(p->eth.h_source, mac, ETH_ALEN);
	p->eth.h_proto = htons(ETH_P_IP);
	p->ip.version = 4;
	p->ip.ihl = 5;
	p->ip.ttl = 64;
	p->ip.protocol = IPPROTO_UDP;
	p->ip.tot_len = htons(sizeof(p->ip) + len);
	p->ip.saddr = src;
	p->ip.daddr = dst;
	p->ip.check = ~folded(add_up(&p->ip, sizeof(p->ip), 0));
	p->udp.source = htons(PORT);
	p->udp.dest = htons(PORT);
	p->udp.len = htons(len);
	p->udp.check = folded(add_up(&p->ip.saddr, 8, IPPROTO_UDP + len));
	p->number = htonl(number);
}

int main(int argc, char **argv)
{
	struct xsk_umem_opts uopts = {
		.sz = sizeof(uopts),
		.size = FRAMES * FRAME_SIZE,
		.frame_size = FRAME_SIZE,
		.flags = XDP_UMEM_TX_METADATA_LEN,
		.tx_metadata_len = META,
	};
	struct xsk_socket_config cfg = {
		.tx_size = FRAMES,
		.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = XDP_USE_NEED_WAKEUP,
	};
	int opt, err, fd, n = 8, queue = 0, done = 0, late = 0, i;
	__u64 launch[FRAMES] = {}, gap = 1000000, ahead = 0;
	const struct ether_addr *to;
	struct xsk_ring_prod fill = {}, tx = {};
	struct xsk_ring_cons comp = {};
	struct xsk_socket *xsk;
	struct xsk_umem *umem;
	unsigned char mac[ETH_ALEN];
	struct in_addr src, dst;
	clockid_t clock;
	__u32 idx = 0;
	void *memory;

	while ((opt = getopt(argc, argv, "n:i:l:q:z")) != -1) {
		switch (opt) {
		case 'n':
			n = atoi(optarg);
			break;
		case 'i':
			gap = 1000 * atoll(optarg);
			break;
		case 'l':
			ahead = 1000 * atoll(optarg);
			break;
		case 'q':
			queue = atoi(optarg);
			break;
		case 'z':
			cfg.bind_flags |= XDP_ZEROCOPY;
			break;
		default:
			help();
		}
	}
	argv += optind;
	if (argc - optind != 4 || n < 1 || n > FRAMES)
		help();
	to = ether_aton(argv[1]);
	if (!to || !inet_aton(argv[2], &src) || !inet_aton(argv[3], &dst))
		help();
	clock = nic_clock(argv[0], mac);

	memory = mmap(NULL, FRAMES * FRAME_SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		die("memory", errno);
	umem = xsk_umem__create_opts(memory, &fill, &comp, &uopts);
	if (!umem)
		die("memory of the socket", errno);
	err = xsk_socket__create(&xsk, argv[0], queue, umem, NULL, &tx, &cfg);
	if (err)
		die("socket", err);
	fd = xsk_socket__fd(xsk);

	if (ahead)
		ahead += now(clock);
	if (xsk_ring_prod__reserve(&tx, n, &idx) != (__u32)n)
		die("ring", ENOSPC);
	for (i = 0; i < n; i++) {
		/* The descriptor names the frame; the wishes end where it begins. */
		void *start = xsk_umem__get_data(memory, i * FRAME_SIZE);
		struct xsk_tx_metadata *meta = start;
		struct xdp_desc *desc = xsk_ring_prod__tx_desc(&tx, idx + i);

		build(start + META, mac, to, src.s_addr, dst.s_addr, i);
		memset(meta, 0, META);
		meta->flags = XDP_TXMD_FLAGS_TIMESTAMP | XDP_TXMD_FLAGS_CHECKSUM;
		meta->request.csum_start = offsetof(struct packet, udp);
		meta->request.csum_offset = offsetof(struct udphdr, check);
		if (ahead) {
			launch[i] = ahead + i * gap;
			meta->flags |= XDP_TXMD_FLAGS_LAUNCH_TIME;
			meta->request.launch_time = launch[i];
		}
		desc->addr = i * FRAME_SIZE + META;
		desc->len = sizeof(struct packet);
		desc->options = XDP_TX_METADATA;
	}
	xsk_ring_prod__submit(&tx, n);

	while (done < n) {
		__u32 got = xsk_ring_cons__peek(&comp, FRAMES, &idx);

		for (i = 0; i < (int)got; i++) {
			__u64 addr = *xsk_ring_cons__comp_addr(&comp, idx + i);
			struct xsk_tx_metadata *meta = xsk_umem__get_data(memory, addr - META);
			__u64 at = meta->completion.tx_timestamp;
			int number = addr / FRAME_SIZE;

			printf("frame %d: sent %llu.%09llu", number, at / 1000000000,
			       at % 1000000000);
			if (launch[number]) {
				printf(", %lld ns after its time",
				       (long long)(at - launch[number]));
				late += at < launch[number];
			}
			printf("\n");
		}
		xsk_ring_cons__release(&comp, got);
		done += got;
		if (!got) {
			sendto(fd, NULL, 0, MSG_DONTWAIT, NULL, 0);
			poll(NULL, 0, 1);
		}
	}
	xsk_socket__delete(xsk);
	xsk_umem__delete(umem);
	if (late)
		fprintf(stderr, "txtime: %d frames before their time\n", late);
	return !!late;
}
