// SPDX-License-Identifier: GPL-2.0
/* forward: an AF_XDP forwarder.
 *
 *	forward [OPTIONS] NIC [NIC2]
 *
 * What comes in at one NIC goes out at the other, both ways, untouched; with one
 * NIC it goes back where it came from, with its addresses swapped. Frames are
 * never copied: the memory of all sockets is the same, and what goes round are
 * descriptors:
 *
 *	fill ring -> (NIC writes) -> rx ring -> tx ring of the other side ->
 *	(NIC reads) -> completion ring -> fill ring
 *
 * One thread works on the sockets of one queue number, and owns its part of the
 * memory, so that there are no locks.
 *
 * All that needs rights in the machine can be somebody else's: with --umem-fd the
 * memory of the sockets is a file that was there before, and with --map-fd so are
 * program and map of the NIC. Then CAP_NET_RAW in the namespace of the NIC is
 * enough; node-agent gives a container no more than that.
 */
#include <errno.h>
#include <getopt.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <xdp/xsk.h>

#define FRAMES		4096	/* of each thread: two full fill rings */
#define FRAME_SIZE	XSK_UMEM__DEFAULT_FRAME_SIZE
#define RING		2048
#define BATCH		64
#define MAX_QUEUES	64

#ifndef SO_PREFER_BUSY_POLL
#define SO_PREFER_BUSY_POLL	69
#define SO_BUSY_POLL_BUDGET	70
#endif
#ifndef XDP_USE_SG
#define XDP_USE_SG		(1 << 4)
#define XDP_PKT_CONTD		(1 << 0)
#endif

enum mode { MODE_POLL, MODE_BUSY, MODE_WAKEUP };

/* One side of a thread: a socket with its four rings */
struct side {
	struct xsk_ring_prod fill;
	struct xsk_ring_cons comp;
	struct xsk_ring_cons rx;
	struct xsk_ring_prod tx;
	struct xsk_socket *xsk;
	int fd;
	bool more;		/* the last chunk taken was not a frame's last */
	/* written by the thread, read for the display */
	unsigned long frames;
	unsigned long bytes;
};

struct worker {
	pthread_t thread;
	struct side side[2];
	__u64 free[FRAMES];	/* chunks that are in no ring */
	unsigned int n_free;
};

static const char *nic[2];
static int ifindex[2];
static int n_nics, n_queues = 1, first_queue;
static int umem_fd = -1, map_fd = -1, map_key = -1;
static enum mode mode = MODE_POLL;
static __u16 bind_flags = XDP_USE_NEED_WAKEUP;
static struct worker *workers;
static void *memory;
static volatile sig_atomic_t stop;

static void die(const char *what, int err)
{
	fprintf(stderr, "forward: %s: %s\n", what, strerror(err < 0 ? -err : err));
	exit(1);
}

static void on_signal(int sig)
{
	stop = 1;
}

/* Chunks that have been sent are free. */
static void reclaim(struct worker *w, struct side *s)
{
	__u32 i, idx, n = xsk_ring_cons__peek(&s->comp, RING, &idx);

	for (i = 0; i < n; i++)
		w->free[w->n_free++] = *xsk_ring_cons__comp_addr(&s->comp, idx + i);
	xsk_ring_cons__release(&s->comp, n);
}

/* The NIC can write to what is in the fill ring. */
static void refill(struct worker *w, struct side *s)
{
	__u32 i, idx, n = xsk_prod_nb_free(&s->fill, RING);

	if (n > w->n_free)
		n = w->n_free;
	if (!n || xsk_ring_prod__reserve(&s->fill, n, &idx) != n)
		return;
	for (i = 0; i < n; i++)
		*xsk_ring_prod__fill_addr(&s->fill, idx + i) = w->free[--w->n_free];
	xsk_ring_prod__submit(&s->fill, n);
}

/* The kernel says when it has to be told: not while it is polling anyway. With
 * busy polling it polls when it is called, and only then.
 */
static void wake(struct side *s)
{
	if (mode == MODE_BUSY || xsk_ring_prod__needs_wakeup(&s->fill))
		recvfrom(s->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
	if (mode == MODE_BUSY || xsk_ring_prod__needs_wakeup(&s->tx))
		sendto(s->fd, NULL, 0, MSG_DONTWAIT, NULL, 0);
}

static void swap_addresses(void *frame)
{
	struct ethhdr *eth = frame;
	unsigned char mac[ETH_ALEN];

	memcpy(mac, eth->h_dest, ETH_ALEN);
	memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	memcpy(eth->h_source, mac, ETH_ALEN);
}

/* As many as the other side has room for: what is left stays with the NIC, which
 * drops what it cannot keep. A frame of several chunks may be cut between two
 * calls, since its chunks all go the same way.
 */
static unsigned int forward(struct side *from, struct side *to)
{
	__u32 i, in, out, n = xsk_prod_nb_free(&to->tx, BATCH);

	n = xsk_ring_cons__peek(&from->rx, n < BATCH ? n : BATCH, &in);
	if (!n || xsk_ring_prod__reserve(&to->tx, n, &out) != n)
		return 0;
	for (i = 0; i < n; i++) {
		const struct xdp_desc *rx = xsk_ring_cons__rx_desc(&from->rx, in + i);
		struct xdp_desc *tx = xsk_ring_prod__tx_desc(&to->tx, out + i);

		if (from == to && !from->more)
			swap_addresses(xsk_umem__get_data(memory, rx->addr));
		from->more = rx->options & XDP_PKT_CONTD;
		*tx = *rx;
		from->bytes += rx->len;
		from->frames += !from->more;
	}
	xsk_ring_cons__release(&from->rx, n);
	xsk_ring_prod__submit(&to->tx, n);
	return n;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct pollfd fds[2];
	int i;

	for (i = 0; i < n_nics; i++)
		fds[i] = (struct pollfd){ .fd = w->side[i].fd, .events = POLLIN };
	while (!stop) {
		unsigned int n = 0;

		for (i = 0; i < n_nics; i++)
			n += forward(&w->side[i], &w->side[n_nics - 1 - i]);
		for (i = 0; i < n_nics; i++) {
			reclaim(w, &w->side[i]);
			refill(w, &w->side[i]);
			wake(&w->side[i]);
		}
		if (!n && mode == MODE_POLL)
			poll(fds, n_nics, 100);
	}
	return NULL;
}

static void busy_poll(int fd)
{
	int on = 1, usecs = 20, budget = BATCH;

	if (setsockopt(fd, SOL_SOCKET, SO_PREFER_BUSY_POLL, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL, &usecs, sizeof(usecs)) ||
	    setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL_BUDGET, &budget, sizeof(budget)))
		die("busy polling", errno);
}

/* The program of a NIC; returns its map of sockets. */
static int attach(int i)
{
	const char *file = getenv("FORWARD_BPF") ?: "forward.bpf.o";
	struct bpf_object *obj = bpf_object__open_file(file, NULL);
	struct bpf_program *prog;
	int err;

	ifindex[i] = if_nametoindex(nic[i]);
	if (!ifindex[i])
		die(nic[i], errno);
	if (!obj)
		die(file, errno);
	err = bpf_object__load(obj);
	if (err)
		die("the kernel does not take the program", err);
	prog = bpf_object__find_program_by_name(obj, "to_socket");
	err = bpf_xdp_attach(ifindex[i], bpf_program__fd(prog), XDP_FLAGS_DRV_MODE, NULL);
	if (err)
		die("the program cannot be attached", err);
	return bpf_object__find_map_fd_by_name(obj, "xsks");
}

/* What the program finds the socket by: the queue that frames come in on. That is
 * not the queue's number here if the queue belongs to a NIC elsewhere, and is leased.
 */
static int into_map(struct side *s, int queue, int map)
{
	__u32 key = map_key < 0 ? queue : map_key + queue - first_queue;

	return bpf_map_update_elem(map, &key, &s->fd, 0);
}

/* All sockets use one piece of memory. Each has its own fill and completion
 * ring, as each is about another queue.
 */
static void open_side(struct side *s, const char *name, int queue,
		      struct xsk_umem *umem, int map)
{
	const struct xsk_socket_config cfg = {
		.rx_size = RING,
		.tx_size = RING,
		.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = bind_flags,
	};
	struct xdp_options opts = {};
	socklen_t len = sizeof(opts);
	int err;

	err = xsk_socket__create_shared(&s->xsk, name, queue, umem, &s->rx, &s->tx,
					&s->fill, &s->comp, &cfg);
	if (err)
		die(name, err);
	s->fd = xsk_socket__fd(s->xsk);
	err = into_map(s, queue, map);
	if (err)
		die("map", err);
	if (mode == MODE_BUSY)
		busy_poll(s->fd);
	getsockopt(s->fd, SOL_XDP, XDP_OPTIONS, &opts, &len);
	printf("%s, queue %d: %s\n", name, queue,
	       opts.flags & XDP_OPTIONS_ZEROCOPY ? "zero-copy" : "copies");
}

static void open_all(void)
{
	size_t size = (size_t)n_queues * FRAMES * FRAME_SIZE;
	const struct xsk_umem_config cfg = {
		.fill_size = RING,
		.comp_size = RING,
		.frame_size = FRAME_SIZE,
	};
	struct xsk_umem *umem;
	int q, i, err, maps[2];

	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_POPULATE |
		      (umem_fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED),
		      umem_fd, 0);
	workers = calloc(n_queues, sizeof(*workers));
	if (memory == MAP_FAILED || !workers)
		die("memory", ENOMEM);
	err = xsk_umem__create(&umem, memory, size, &workers[0].side[0].fill,
			       &workers[0].side[0].comp, &cfg);
	if (err)
		die("memory of the sockets", err);
	for (i = 0; i < n_nics; i++)
		maps[i] = map_fd < 0 ? attach(i) : map_fd;
	for (q = 0; q < n_queues; q++) {
		struct worker *w = &workers[q];

		for (i = 0; i < FRAMES; i++)
			w->free[w->n_free++] = ((__u64)q * FRAMES + i) * FRAME_SIZE;
		for (i = 0; i < n_nics; i++) {
			open_side(&w->side[i], nic[i], first_queue + q, umem,
				  maps[i]);
			refill(w, &w->side[i]);
		}
	}
}

static void show(unsigned long *last)
{
	int q, i;

	for (i = 0; i < n_nics; i++) {
		unsigned long frames = 0, bytes = 0;

		for (q = 0; q < n_queues; q++) {
			frames += __atomic_load_n(&workers[q].side[i].frames, __ATOMIC_RELAXED);
			bytes += __atomic_load_n(&workers[q].side[i].bytes, __ATOMIC_RELAXED);
		}
		printf("%s: %lu frames/s, %lu frames, %lu bytes\n", nic[i],
		       frames - last[i], frames, bytes);
		last[i] = frames;
	}
	fflush(stdout);
}

static void help(void)
{
	fprintf(stderr,
		"usage: forward [OPTIONS] NIC [NIC2]\n"
		"  -q N     queues of each NIC (1)\n"
		"  -f N     the first of them (0)\n"
		"  -m MODE  poll: sleep while there is nothing (the default)\n"
		"           busy: the thread polls the NIC, no interrupts\n"
		"           wakeup: the thread looks at its rings all the time\n"
		"  -s       frames of several buffers, for MTUs above a chunk\n"
		"  -z, -c   zero-copy or nothing; copies (else what there is)\n"
		"  -t N     end after so many seconds\n"
		"  --umem-fd FD   the memory is this file, which is large enough\n"
		"  --map-fd FD    the NIC has its program; this is the map of it\n"
		"  --map-key N    where the first socket belongs there (its queue)\n");
	exit(2);
}

int main(int argc, char **argv)
{
	static const struct option longer[] = {
		{ "umem-fd", required_argument, &umem_fd, 0 },
		{ "map-fd", required_argument, &map_fd, 0 },
		{ "map-key", required_argument, &map_key, 0 },
		{}
	};
	int opt, q, which, seconds = 0;
	unsigned long last[2] = {};

	while ((opt = getopt_long(argc, argv, "q:f:m:szct:", longer, &which)) != -1) {
		switch (opt) {
		case 0:
			*longer[which].flag = atoi(optarg);
			break;
		case 'f':
			first_queue = atoi(optarg);
			break;
		case 'q':
			n_queues = atoi(optarg);
			break;
		case 'm':
			mode = !strcmp(optarg, "busy") ? MODE_BUSY :
			       !strcmp(optarg, "wakeup") ? MODE_WAKEUP : MODE_POLL;
			break;
		case 's':
			bind_flags |= XDP_USE_SG;
			break;
		case 'z':
			bind_flags |= XDP_ZEROCOPY;
			break;
		case 'c':
			bind_flags |= XDP_COPY;
			break;
		case 't':
			seconds = atoi(optarg);
			break;
		default:
			help();
		}
	}
	n_nics = argc - optind;
	if (n_nics < 1 || n_nics > 2 || n_queues < 1 || n_queues > MAX_QUEUES ||
	    (n_nics > 1 && map_fd >= 0))
		help();
	memcpy(nic, argv + optind, n_nics * sizeof(*nic));

	open_all();
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	for (q = 0; q < n_queues; q++)
		if (pthread_create(&workers[q].thread, NULL, work, &workers[q]))
			die("thread", errno);
	while (!stop) {
		sleep(1);
		show(last);
		if (seconds && !--seconds)
			stop = 1;
	}
	for (q = 0; q < n_queues; q++)
		pthread_join(workers[q].thread, NULL);
	for (opt = 0; opt < n_nics && map_fd < 0; opt++)
		bpf_xdp_detach(ifindex[opt], XDP_FLAGS_DRV_MODE, NULL);
	for (q = 0; q < n_queues; q++)
		for (opt = 0; opt < n_nics; opt++)
			xsk_socket__delete(workers[q].side[opt].xsk);
	return 0;
}
