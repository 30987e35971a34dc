// SPDX-License-Identifier: GPL-2.0
/*
 * xsk drop|forward|send IFACE [DST SRC]
 *
 * An AF_XDP socket on queue 0, with zero-copy and need_wakeup, for the
 * benchmark. "drop" throws away what comes and "forward" sends it back: they
 * print their process id once they are ready, and go on in the background.
 * "send" prints a line once it is ready; then it sends as many frames as a line
 * of its input says, prints a line when they have come back, and so on, so that
 * what is counted can begin after the binding. By system calls, so that no
 * library is needed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CHUNK	4096
#define CHUNKS	2048
#define RING	1024
#define BURST	64
#define MAP	"/sys/fs/bpf/bench-maps/xsks"

struct ring {
	uint32_t *prod, *cons, *flags;
	void *desc;
};

static struct ring fill, comp, rx, tx;
static uint8_t *mem;
static int fd;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void map_ring(struct ring *r, off_t at, size_t entry,
		     const struct xdp_ring_offset *off)
{
	uint8_t *p;

	p = mmap(NULL, off->desc + RING * entry, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_POPULATE, fd, at);
	if (p == MAP_FAILED)
		die("mmap");
	r->prod = (void *)(p + off->producer);
	r->cons = (void *)(p + off->consumer);
	r->flags = (void *)(p + off->flags);
	r->desc = p + off->desc;
}

static void open_socket(const char *iface)
{
	static const int options[] = {
		XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING, XDP_RX_RING,
		XDP_TX_RING,
	};
	struct sockaddr_xdp addr = {
		.sxdp_family = AF_XDP,
		.sxdp_flags = XDP_ZEROCOPY | XDP_USE_NEED_WAKEUP,
		.sxdp_ifindex = if_nametoindex(iface),
	};
	struct xdp_umem_reg reg = { .chunk_size = CHUNK };
	struct xdp_mmap_offsets off;
	socklen_t len = sizeof(off);
	int size = RING;
	size_t i;

	mem = mmap(NULL, CHUNK * CHUNKS, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	fd = socket(AF_XDP, SOCK_RAW, 0);
	if (mem == MAP_FAILED || fd < 0)
		die("socket");
	reg.addr = (uintptr_t)mem;
	reg.len = CHUNK * CHUNKS;
	if (setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)))
		die("memory");
	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (setsockopt(fd, SOL_XDP, options[i], &size, sizeof(size)))
			die("ring");
	if (getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, &off, &len))
		die("offsets");
	map_ring(&rx, XDP_PGOFF_RX_RING, sizeof(struct xdp_desc), &off.rx);
	map_ring(&tx, XDP_PGOFF_TX_RING, sizeof(struct xdp_desc), &off.tx);
	map_ring(&fill, XDP_UMEM_PGOFF_FILL_RING, sizeof(uint64_t), &off.fr);
	map_ring(&comp, XDP_UMEM_PGOFF_COMPLETION_RING, sizeof(uint64_t),
		 &off.cr);
	/* The socket before this one may still be on its way out. */
	for (i = 0; bind(fd, (void *)&addr, sizeof(addr)); i++) {
		if (errno != EBUSY || i == 200)
			die("bind");
		usleep(10000);
	}
}

/* Frames of queue 0 are this socket's. */
static void into_map(void)
{
	union bpf_attr attr;
	uint32_t key = 0;
	int map;

	memset(&attr, 0, sizeof(attr));
	attr.pathname = (uintptr_t)MAP;
	map = syscall(__NR_bpf, BPF_OBJ_GET, &attr, sizeof(attr));
	if (map < 0)
		die(MAP);
	memset(&attr, 0, sizeof(attr));
	attr.map_fd = map;
	attr.key = (uintptr_t)&key;
	attr.value = (uintptr_t)&fd;
	if (syscall(__NR_bpf, BPF_MAP_UPDATE_ELEM, &attr, sizeof(attr)))
		die("map");
}

static void give(const uint64_t *chunks, uint32_t n)
{
	uint64_t *desc = fill.desc;
	uint32_t i, at = *fill.prod;

	for (i = 0; i < n; i++)
		desc[at++ & (RING - 1)] = chunks[i];
	__atomic_store_n(fill.prod, at, __ATOMIC_RELEASE);
	if (__atomic_load_n(fill.flags, __ATOMIC_SEQ_CST) & XDP_RING_NEED_WAKEUP)
		recvfrom(fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
}

/* Chunks that have been sent; into @chunks, unless that is NULL. */
static uint32_t sent(uint64_t *chunks, uint32_t max)
{
	uint32_t n, i, at = *comp.cons;
	uint64_t *desc = comp.desc;

	n = __atomic_load_n(comp.prod, __ATOMIC_ACQUIRE) - at;
	if (n > max)
		n = max;
	for (i = 0; i < n && chunks; i++)
		chunks[i] = desc[(at + i) & (RING - 1)] & ~(CHUNK - 1ULL);
	__atomic_store_n(comp.cons, at + n, __ATOMIC_RELEASE);
	return n;
}

static void push(void)
{
	if (__atomic_load_n(tx.flags, __ATOMIC_SEQ_CST) & XDP_RING_NEED_WAKEUP)
		sendto(fd, NULL, 0, MSG_DONTWAIT, NULL, 0);
}

static void turn_round(uint8_t *mac)
{
	uint8_t was[6];

	memcpy(was, mac, 6);
	memcpy(mac, mac + 6, 6);
	memcpy(mac + 6, was, 6);
}

static void serve(int back)
{
	struct xdp_desc *in = rx.desc, *out = tx.desc;
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint64_t chunks[RING];
	uint32_t i, n, at, to;

	for (;;) {
		at = *rx.cons;
		n = __atomic_load_n(rx.prod, __ATOMIC_ACQUIRE) - at;
		if (!n) {
			n = back ? sent(chunks, RING) : 0;
			if (n)
				give(chunks, n);
			else
				poll(&pfd, 1, 100);
			continue;
		}
		if (n > BURST)
			n = BURST;
		to = *tx.prod;
		for (i = 0; i < n; i++) {
			struct xdp_desc *d = &in[(at + i) & (RING - 1)];

			chunks[i] = d->addr & ~(CHUNK - 1ULL);
			if (!back)
				continue;
			turn_round(mem + d->addr);
			out[(to + i) & (RING - 1)] = *d;
		}
		__atomic_store_n(rx.cons, at + n, __ATOMIC_RELEASE);
		if (!back) {
			give(chunks, n);
			continue;
		}
		__atomic_store_n(tx.prod, to + n, __ATOMIC_RELEASE);
		push();
		n = sent(chunks, RING);
		if (n)
			give(chunks, n);
	}
}

static void read_mac(const char *text, uint8_t *mac)
{
	if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", mac, mac + 1, mac + 2,
		   mac + 3, mac + 4, mac + 5) != 6)
		die(text);
}

static void send_frames(uint32_t count)
{
	static uint32_t free_chunks = BURST, next;
	uint32_t i, n, done = 0, to = next + count;
	struct xdp_desc *out = tx.desc;

	while (done < count) {
		n = to - next < BURST ? to - next : BURST;
		if (n && free_chunks >= n) {
			for (i = 0; i < n; i++)
				out[(next + i) & (RING - 1)] = (struct xdp_desc) {
					.addr = ((next + i) & (RING - 1)) * CHUNK,
					.len = 60,
				};
			next += n;
			free_chunks -= n;
			__atomic_store_n(tx.prod, next, __ATOMIC_RELEASE);
			push();
		} else {
			/* Nothing to say: completions come by interrupt. */
			usleep(1000);
		}
		n = sent(NULL, RING);
		done += n;
		free_chunks += n;
	}
}

static void send_rounds(const char *dst, const char *src)
{
	unsigned int count = 0;
	uint32_t i;

	for (i = 0; i < RING; i++) {
		uint8_t *frame = mem + i * CHUNK;

		read_mac(dst, frame);
		read_mac(src, frame + 6);
		frame[12] = 0x88;
		frame[13] = 0xb5;
	}
	do {
		send_frames(count);
		printf("%u\n", count);
		fflush(stdout);
	} while (scanf("%u", &count) == 1);
}

int main(int argc, char **argv)
{
	uint64_t chunks[RING];
	uint32_t i;

	if (argc < 3)
		return 2;
	open_socket(argv[2]);
	if (!strcmp(argv[1], "send")) {
		if (argc < 5)
			return 2;
		send_rounds(argv[3], argv[4]);
		return 0;
	}
	into_map();
	for (i = 0; i < RING; i++)
		chunks[i] = i * CHUNK;
	give(chunks, RING);
	i = fork();
	if (i) {
		printf("%u\n", i);
		return 0;
	}
	fclose(stdout);
	serve(!strcmp(argv[1], "forward"));
	return 0;
}
