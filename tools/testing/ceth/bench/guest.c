// SPDX-License-Identifier: GPL-2.0
/*
 * The part of the benchmark that runs inside the guest and is not shell:
 * commands for the counting plugin (see insn.c) and traffic.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BURST		64
#define TCP_BUFFER	(128 << 10)

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* The plugin reads the text from guest memory when this instruction executes. */
static void mark(const char *fmt, ...)
{
	static char text[1024];
	va_list args;
	long len;

	va_start(args, fmt);
	len = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	asm volatile(".byte 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x5a, 0x5a"
		     : : "D"(text), "S"(len), "m"(text));
}

static int cmd_mark(int argc, char **argv)
{
	mark("%s", argv[0]);
	return 0;
}

struct range {
	const char *module;
	uint64_t lo, hi;
};

/*
 * symbols OUT [!]MODULE,... CLASS:FUNCTION ...
 * Saves the text symbols for the analyser and tells the plugin where the
 * driver under test and the scope functions are. A module with a "!" is
 * hardware. A scope that this kernel does
 * not have is named on standard output.
 */
static int cmd_symbols(int argc, char **argv)
{
	char line[512], name[256], module[128], type;
	uint64_t va, modules_lo = ~0ULL;
	struct range duts[8] = { 0 };
	int i, fields, n_duts = 0;
	char *tok, *found;
	FILE *in, *out;

	in = fopen("/proc/kallsyms", "r");
	out = fopen(argv[0], "w");
	if (!in || !out)
		die("symbols");
	found = calloc(argc, 1);
	for (tok = strtok(argv[1], ","); tok && n_duts < 8; tok = strtok(NULL, ","))
		duts[n_duts++] = (struct range){ tok, ~0ULL, 0 };

	mark("clear");
	while (fgets(line, sizeof(line), in)) {
		module[0] = 0;
		fields = sscanf(line, "%lx %c %255s [%127[^]]", &va, &type, name,
				module);
		if (fields < 3 || !strchr("tTwW", type) || !va)
			continue;
		fprintf(out, "%lx %s %s\n", va, name, module);
		if (module[0] && strcmp(module, "bpf") && va < modules_lo)
			modules_lo = va;
		for (i = 0; i < n_duts; i++) {
			if (strcmp(duts[i].module + (*duts[i].module == '!'),
				   module))
				continue;
			if (va < duts[i].lo)
				duts[i].lo = va;
			if (va > duts[i].hi)
				duts[i].hi = va;
		}
		for (i = 2; i < argc; i++) {
			const char *colon = strchr(argv[i], ':');
			size_t len = strlen(colon + 1);

			/* the compiler may have made it name.isra.0 */
			if (module[0] || found[i] ||
			    strncmp(colon + 1, name, len) ||
			    (name[len] && name[len] != '.') ||
			    strstr(name, ".cold"))
				continue;
			found[i] = 1;
			mark("scope %.*s %lx", (int)(colon - argv[i]), argv[i], va);
		}
	}
	fclose(out);
	fclose(in);
	mark("modules %lx", modules_lo);
	/* a module's text ends with the page of its last function */
	for (i = 0; i < n_duts; i++)
		if (duts[i].hi)
			mark("%s %lx %lx",
			     *duts[i].module == '!' ? "model" : "dut",
			     duts[i].lo, (duts[i].hi | 4095) + 1);
	for (i = 2; i < argc; i++)
		if (!found[i])
			printf("%s\n", argv[i]);
	return 0;
}

static void read_mac(const char *text, uint8_t *mac)
{
	if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", mac, mac + 1, mac + 2,
		   mac + 3, mac + 4, mac + 5) != 6) {
		fprintf(stderr, "bad address %s\n", text);
		exit(1);
	}
}

/*
 * blast IFACE SRC DST COUNT ROUND PAUSE
 * Sends 60-byte UDP frames whose IP header checksum is wrong, so that a stack
 * that gets them drops them in ip_rcv(). PAUSE microseconds after every ROUND
 * of frames.
 */
static int cmd_blast(int argc, char **argv)
{
	static uint8_t frame[60];
	struct sockaddr_ll to = { .sll_family = AF_PACKET };
	struct iovec iov = { frame, sizeof(frame) };
	struct mmsghdr msgs[BURST] = { 0 };
	long left = atol(argv[3]), round = atol(argv[4]), pause = atol(argv[5]);
	int fd, i, sent, one = 1;
	long want, burst = 0;

	read_mac(argv[2], frame);
	read_mac(argv[1], frame + ETH_ALEN);
	memcpy(frame + 12, "\x08\x00\x45\0\0\x2e\0\0\0\0\x40\x11\xde\xad"
	       "\xc6\x12\0\x02\xc6\x12\0\x01\x10\x01\x10\x02\0\x1a\0\0", 30);

	fd = socket(AF_PACKET, SOCK_RAW, 0);
	to.sll_ifindex = if_nametoindex(argv[0]);
	if (fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof(to)))
		die(argv[0]);
	if (setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)))
		die("PACKET_QDISC_BYPASS");
	for (i = 0; i < BURST; i++) {
		msgs[i].msg_hdr.msg_iov = &iov;
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	while (left > 0) {
		want = burst + BURST < round ? BURST : round - burst;
		sent = sendmmsg(fd, msgs, left < want ? left : want, 0);
		if (sent < 0) {
			if (errno != ENOBUFS)
				die("sendmmsg");
			usleep(100);
			continue;
		}
		left -= sent;
		burst += sent;
		if (burst == round) {
			burst = 0;
			usleep(pause);
		}
	}
	return 0;
}

/* udp ADDRESS COUNT: one send() of 18 bytes, a 60-byte frame, after the other */
static int cmd_udp(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
	char data[18] = { 0 };
	long i, count = atol(argv[1]);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (inet_pton(AF_INET, argv[0], &to.sin_addr) != 1)
		die(argv[0]);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)))
		die("connect");
	for (i = 0; i < count; i++)
		if (send(fd, data, sizeof(data), 0) < 0)
			die("send");
	return 0;
}

/* tcp-sink PORT: take one connection and read it to its end */
static int cmd_tcp_sink(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	static char data[TCP_BUFFER];
	int one = 1, fd, conn;
	long got, total = 0;

	at.sin_port = htons(atoi(argv[0]));
	fd = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, 1))
		die("listen");
	conn = accept(fd, NULL, NULL);
	if (conn < 0)
		die("accept");
	while ((got = recv(conn, data, sizeof(data), 0)) > 0)
		total += got;
	printf("%ld\n", total);
	return got < 0;
}

/* tcp-source ADDRESS PORT MEGABYTES: write that much, as fast as it goes */
static int cmd_tcp_source(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	long left = atol(argv[2]) << 20, sent;
	static char data[TCP_BUFFER];
	int fd, tries;

	to.sin_port = htons(atoi(argv[1]));
	if (inet_pton(AF_INET, argv[0], &to.sin_addr) != 1)
		die(argv[0]);
	for (tries = 0;; tries++) {
		fd = socket(AF_INET, SOCK_STREAM, 0);
		if (fd >= 0 && !connect(fd, (struct sockaddr *)&to, sizeof(to)))
			break;
		if (tries == 100)
			die("connect");
		close(fd);
		usleep(50000);
	}
	for (; left > 0; left -= sent) {
		sent = send(fd, data, left < TCP_BUFFER ? left : TCP_BUFFER, 0);
		if (sent < 0)
			die("send");
	}
	return 0;
}

static const struct {
	const char *name;
	int args;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "mark", 1, cmd_mark },
	{ "symbols", 2, cmd_symbols },
	{ "blast", 6, cmd_blast },
	{ "udp", 2, cmd_udp },
	{ "tcp-sink", 1, cmd_tcp_sink },
	{ "tcp-source", 3, cmd_tcp_source },
};

int main(int argc, char **argv)
{
	size_t i;

	for (i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(argv[1], commands[i].name) &&
		    argc - 2 >= commands[i].args)
			return commands[i].run(argc - 2, argv + 2);
	fprintf(stderr, "usage: %s mark|symbols|blast|udp|tcp-sink|tcp-source ...\n", argv[0]);
	return 2;
}
