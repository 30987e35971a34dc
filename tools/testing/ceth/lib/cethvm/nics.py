# SPDX-License-Identifier: GPL-2.0
"""Network devices of the guest: from a SPEC to QEMU's arguments and to taps.

A device under test DUT<i> and its peer PEER<i> are two devices of one guest,
joined on the host by two cross-connected taps. QEMU's hubs would do without
taps, but they have a single queue and drop the offload header.

The reference NIC is a module of the guest and nothing to QEMU: here it is only
named, and the guest loads the module with as many ports.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .config import VmError

MODELS = {"virtio": "virtio-net-pci"}
REFNIC = "refnic"
MULTI_QUEUE = {"virtio-net-pci", REFNIC}
# A device behind an IOMMU-aware transport is what a CETH backend insists on.
# The RX ring is as large as QEMU can make it; the TX ring's limit is 256 here.
VIRTIO_DUT = {
    "disable-legacy": "on",
    "iommu_platform": "on",
    "rss": "on",
    "hash": "on",
    "rx_queue_size": "1024",
}
VIRTIO_PEER = {"rx_queue_size": "1024"}


@dataclass
class Nic:
    """One device; `name` is also the name of its tap."""

    name: str
    model: str
    queues: int
    mac: str
    props: dict[str, str]
    port: int
    wired_to: str | None = None

    @property
    def emulated(self) -> bool:
        """Is it QEMU's?"""
        return self.model != REFNIC

    @property
    def port_address(self) -> str:
        """PCI address of the root port that the device sits in.

        The device's own bus number is the firmware's choice, so the guest
        looks it up behind the port.
        """
        return f"0000:00:{0x10 + self.port // 8:02x}.{self.port % 8}"

    def device_args(self) -> str:
        """What follows -device or the monitor's device_add."""
        props = dict(self.props)
        if self.model in MULTI_QUEUE and self.queues > 1:
            props.setdefault("mq", "on")
        if self.model == "virtio-net-pci":
            props.setdefault("vectors", str(2 * self.queues + 2))
        tail = "".join(f",{k}={v}" for k, v in props.items())
        return (f"{self.model},id={self.name},netdev={self.name}-net,bus=port{self.port},"
                f"mac={self.mac},romfile={tail}")

    def qemu_args(self) -> list[str]:
        """The port, the tap and the device."""
        slot = f"0x{0x10 + self.port // 8:x}.0x{self.port % 8:x}"
        queues = f",queues={self.queues}" if self.queues > 1 else ""
        return [
            "-device", f"pcie-root-port,id=port{self.port},chassis={self.port + 1},"
                       f"slot={self.port + 1},bus=pcie.0,addr={slot},multifunction=on",
            "-netdev", f"tap,id={self.name}-net,ifname={self.name},script=no,downscript=no,"
                       f"vhost=off{queues}",
            "-device", self.device_args(),
        ]

    def setup_lines(self) -> list[str]:
        """Shell lines that make the tap."""
        multi = " multi_queue" if self.queues > 1 else ""
        return [
            f"in_tree ip tuntap add {self.name} mode tap vnet_hdr{multi}",
            f"in_tree ip link set {self.name} mtu 9700 txqueuelen 10000 up",
        ]

    def env_lines(self) -> list[str]:
        """What the guest is told; it adds <NAME>_PCI."""
        upper = self.name.upper()
        if not self.emulated:
            return [f"{upper}_PCI=refnic{self.port}", f"{upper}_MAC={self.mac}",
                    f"{upper}_QUEUES={self.queues}", f"{upper}_MODEL={self.model}"]
        return [f"{upper}_PORT={self.port_address}", f"{upper}_MAC={self.mac}",
                f"{upper}_QUEUES={self.queues}", f"{upper}_MODEL={self.model}"]


def wire_lines(a: str, b: str) -> list[str]:
    """Shell lines that join two taps.

    Not a bridge: that would eat frames with a multicast source and link-local
    destinations. Kernels without cls_matchall have other filters that match all.
    """
    lines = []
    for src, dst in ((a, b), (b, a)):
        lines += [f"in_tree tc qdisc add dev {src} clsact", f"wire {src} {dst}"]
    return lines


WIRE_FUNCTION = """
wire() {
	local to="action mirred egress redirect dev $2"
	in_tree tc filter add dev $1 ingress protocol all prio 1 matchall $to 2> /dev/null ||
	in_tree tc filter add dev $1 ingress protocol all prio 1 bpf bytecode '1,6 0 0 4294967295' $to 2> /dev/null ||
	in_tree tc filter add dev $1 ingress protocol all prio 1 u32 match u32 0 0 $to ||
	{ echo "vm: this kernel's tc can join no taps (act_mirred with cls_matchall, cls_bpf or cls_u32)" >&2; exit 97; }
}
"""


def _parse(spec: str) -> tuple[str, dict[str, str]]:
    model, *rest = [part.strip() for part in spec.split(",") if part.strip()]
    props: dict[str, str] = {}
    for part in rest:
        key, eq, value = part.partition("=")
        if not eq or not re.fullmatch(r"[A-Za-z0-9_.-]+", key):
            raise VmError(f'NIC "{spec}": "{part}" is not KEY=VALUE')
        props[key] = value
    return MODELS.get(model, model), props


def _count(spec: str, props: dict[str, str], key: str, default: int) -> int:
    value = props.pop(key, None)
    if value is None:
        return default
    if not value.isdigit() or not 1 <= int(value) <= 256:
        raise VmError(f'NIC "{spec}": {key} is a number from 1 to 256')
    return int(value)


def _checked(spec: str, model: str, queues: int) -> None:
    if queues > 1 and model not in MULTI_QUEUE:
        raise VmError(f'NIC "{spec}": QEMU\'s {model} has one tap queue; leave out queues=')


def _refnics(i: int, queues: int) -> list[Nic]:
    """Two ports; the module numbers them, and their addresses."""
    return [Nic(f"{name}{i}", REFNIC, queues, f"52:45:46:00:00:{port:02x}", {}, port)
            for name, port in (("dut", 2 * i), ("peer", 2 * i + 1))]


def make_nics(pairs: list[str], singles: list[str]) -> list[Nic]:
    """All devices of a run, in the order of their root ports."""
    nics: list[Nic] = []
    for i, spec in enumerate(pairs):
        model, props = _parse(spec)
        peer_model = props.pop("peer", REFNIC if model == REFNIC else "virtio")
        peer_model = MODELS.get(peer_model, peer_model)
        peer_props = {k[5:]: props.pop(k) for k in list(props) if k.startswith("peer.")}
        queues = _count(spec, props, "queues", 1)
        peer_queues = _count(spec, props, "peerqueues", queues if peer_model in MULTI_QUEUE else 1)
        _checked(spec, model, queues)
        _checked(spec, peer_model, peer_queues)
        if REFNIC in (model, peer_model):
            if model != peer_model:
                raise VmError(f'NIC "{spec}": ports of the reference NIC are wired to each other only')
            nics += _refnics(i, queues)
            continue
        if model == "virtio-net-pci":
            props = VIRTIO_DUT | props
        if peer_model == "virtio-net-pci":
            peer_props = VIRTIO_PEER | peer_props
        nics.append(Nic(f"dut{i}", model, queues, f"52:54:00:ce:00:{i:02x}", props,
                        len(nics), f"peer{i}"))
        nics.append(Nic(f"peer{i}", peer_model, peer_queues, f"52:54:00:ce:01:{i:02x}",
                        peer_props, len(nics)))
    for i, spec in enumerate(singles):
        model, props = _parse(spec)
        queues = _count(spec, props, "queues", 1)
        _checked(spec, model, queues)
        if model == "virtio-net-pci":
            props = VIRTIO_DUT | props
        nics.append(Nic(f"nic{i}", model, queues, f"52:54:00:ce:02:{i:02x}", props, len(nics)))
    return nics
