// SPDX-License-Identifier: GPL-2.0
/* hints: prints what a NIC says about each frame that it receives.
 *
 *	hints [-n FRAMES] [-q QUEUE] NIC
 *
 * An XDP program asks the driver for the time of arrival, the receive hash and
 * the VLAN tag, writes them before the frame, and redirects it to an AF_XDP
 * socket; the socket's descriptor points at the frame, and what the program wrote
 * ends there. Frames of other queues go to the kernel as ever.
 *
 * Times want to be turned on: hwstamp_ctl -r 1 -i NIC; tags: ethtool -K NIC
 * rx-vlan-offload on.
 */
#include <errno.h>
#include <getopt.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <sys/mman.h>
#include <xdp/xsk.h>

#include "hints.h"

#define FRAMES		2048
#define FRAME_SIZE	XSK_UMEM__DEFAULT_FRAME_SIZE

static volatile sig_atomic_t stop;

static void die(const char *what, int err)
{
	fprintf(stderr, "hints: %s: %s\n", what, strerror(err < 0 ? -err : err));
	exit(1);
}

static void on_signal(int sig)
{
	stop = 1;
}

/* Bound to the NIC: only then may it ask. */
static struct bpf_object *load(int ifindex, const char *file)
{
	struct bpf_object *obj = bpf_object__open_file(file, NULL);
	struct bpf_program *prog;
	int err;

	if (!obj)
		die(file, errno);
	prog = bpf_object__find_program_by_name(obj, "hints");
	bpf_program__set_ifindex(prog, ifindex);
	bpf_program__set_flags(prog, BPF_F_XDP_DEV_BOUND_ONLY);
	err = bpf_object__load(obj);
	if (err)
		die("the kernel does not take the program", err);
	err = bpf_xdp_attach(ifindex, bpf_program__fd(prog), XDP_FLAGS_DRV_MODE, NULL);
	if (err)
		die("the program cannot be attached", err);
	return obj;
}

static const char *hash_of(__u32 type)
{
	static const struct {
		__u32 type;
		const char *name;
	} names[] = {
		{ 0x01, "IPv4" }, { 0x19, "TCP/IPv4" }, { 0x29, "UDP/IPv4" },
		{ 0x02, "IPv6" }, { 0x1a, "TCP/IPv6" }, { 0x2a, "UDP/IPv6" },
	};
	unsigned int i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (names[i].type == type)
			return names[i].name;
	return "other";
}

static const char *why_not(int err)
{
	return err == -EOPNOTSUPP ? "not on this NIC" : "none";
}

static void print(const struct hints *h, __u32 len)
{
	printf("%4u bytes, time ", len);
	if (h->time_err)
		printf("%s", why_not(h->time_err));
	else
		printf("%llu.%09llu", h->time / 1000000000, h->time % 1000000000);
	printf(", hash ");
	if (h->hash_err)
		printf("%s", why_not(h->hash_err));
	else
		printf("%#010x of %s", h->hash, hash_of(h->type));
	printf(", tag ");
	if (h->vlan_err)
		printf("%s\n", why_not(h->vlan_err));
	else
		printf("VLAN %u, priority %u\n", h->tci & 0xfff, h->tci >> 13);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct xsk_socket_config cfg = {
		.rx_size = FRAMES,
		.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = XDP_USE_NEED_WAKEUP,
	};
	const char *file = getenv("HINTS_BPF") ?: "hints.bpf.o";
	int opt, err, ifindex, queue = 0, left = -1;
	struct xsk_ring_cons comp = {}, rx = {};
	struct xsk_ring_prod fill = {};
	struct bpf_object *obj;
	struct xsk_socket *xsk;
	struct xsk_umem *umem;
	struct pollfd fd;
	__u32 idx = 0, i, n;
	void *memory;

	while ((opt = getopt(argc, argv, "n:q:")) != -1) {
		if (opt == 'n') {
			left = atoi(optarg);
		} else if (opt == 'q') {
			queue = atoi(optarg);
		} else {
			fprintf(stderr, "usage: hints [-n FRAMES] [-q QUEUE] NIC\n");
			return 2;
		}
	}
	if (optind + 1 != argc) {
		fprintf(stderr, "usage: hints [-n FRAMES] [-q QUEUE] NIC\n");
		return 2;
	}
	ifindex = if_nametoindex(argv[optind]);
	if (!ifindex)
		die(argv[optind], errno);

	memory = mmap(NULL, FRAMES * FRAME_SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		die("memory", errno);
	err = xsk_umem__create(&umem, memory, FRAMES * FRAME_SIZE, &fill, &comp, NULL);
	if (err)
		die("memory of the socket", err);
	obj = load(ifindex, file);
	err = xsk_socket__create(&xsk, argv[optind], queue, umem, &rx, NULL, &cfg);
	if (err)
		die("socket", err);
	err = xsk_socket__update_xskmap(xsk, bpf_object__find_map_fd_by_name(obj, "xsks"));
	if (err)
		die("map", err);
	xsk_ring_prod__reserve(&fill, FRAMES, &idx);
	for (i = 0; i < FRAMES; i++)
		*xsk_ring_prod__fill_addr(&fill, idx + i) = i * FRAME_SIZE;
	xsk_ring_prod__submit(&fill, FRAMES);

	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	fd = (struct pollfd){ .fd = xsk_socket__fd(xsk), .events = POLLIN };
	while (!stop && left) {
		__u32 fill_idx = 0;

		n = xsk_ring_cons__peek(&rx, 64, &idx);
		if (!n) {
			poll(&fd, 1, 1000);
			continue;
		}
		/* As many as came go back, so that there is always room. */
		xsk_ring_prod__reserve(&fill, n, &fill_idx);
		for (i = 0; i < n; i++) {
			const struct xdp_desc *desc = xsk_ring_cons__rx_desc(&rx, idx + i);
			const struct hints *h = xsk_umem__get_data(memory, desc->addr);

			if (left) {
				print(h - 1, desc->len);
				left -= left > 0;
			}
			*xsk_ring_prod__fill_addr(&fill, fill_idx + i) =
				desc->addr - desc->addr % FRAME_SIZE;
		}
		xsk_ring_cons__release(&rx, n);
		xsk_ring_prod__submit(&fill, n);
	}
	bpf_xdp_detach(ifindex, XDP_FLAGS_DRV_MODE, NULL);
	xsk_socket__delete(xsk);
	xsk_umem__delete(umem);
	bpf_object__close(obj);
	return 0;
}
