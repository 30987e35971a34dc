# SPDX-License-Identifier: GPL-2.0
"""What the conformance programs of CETH share.

    tap     cases, verdicts, the plan: what a program prints
    env     the devices under test, taken from the environment
    tool    commands, network namespaces, bounded waits, kernel messages
    nl      netlink: links, XDP programs, queue statistics, NAPI instances
    frames  numbered frames: made, sent, caught, accounted for
    inet    checksums and headers of IP, TCP and UDP
    flow    numbered frames sent in the background while something changes
    tcp     sockets of UDP and TCP with contents that are checked
    pci     drivers, modules and unplugging of a device
    irq     interrupts of a device
    stats   counters of a device from all their sources
    rxhash  hash and queue of packets, seen and computed
    bpf     programs and maps of xdp.bpf.c
"""
