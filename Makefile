# SPDX-License-Identifier: GPL-2.0
#
# The way in for people. The kernel's build system reads Kbuild instead, so the
# same tree builds here and copied into a kernel tree.

KDIR ?= /lib/modules/$(shell uname -r)/build
TOOLS := tools/testing/ceth
CONFIG := include/net/ceth/generated/config.h

# Inside a kernel tree Kconfig sets these. All that Kbuild builds:
CETH_CONFIG ?= $(shell sed -n 's/^export \(CONFIG_[A-Z0-9_]*\) := m$$/\1=m/p' Kbuild)

# Kernel developers' switches go through to the kernel's build system; the
# others (KVER, TESTS, JOBS, NIC) are for the tools.
export KVER TESTS JOBS

kbuild = $(MAKE) -C $(KDIR) M=$(CURDIR) $(CETH_CONFIG)

.PHONY: all modules probe modules_install clean load unload demo check \
	check-build lint bench conformance docs-generated image shell help

all: modules

probe:
	@scripts/ceth-probe.sh $(KDIR) scripts/probes $(CONFIG) \
		$(if $(CC:cc=),$(if $(filter-out default,$(origin CC)),CC=$(CC))) $(if $(LLVM),LLVM=$(LLVM))

modules: probe
	$(kbuild) modules

# Distributions' header packages have neither the key to sign modules with nor
# the System.map without which kbuild leaves depmod out.
modules_install: modules
	$(kbuild) CONFIG_MODULE_SIG_ALL= INSTALL_MOD_DIR=updates/ceth modules_install
	$(if $(INSTALL_MOD_PATH),,depmod $$(cat $(KDIR)/include/config/kernel.release))

# Not through kbuild: that needs the headers of a kernel that may be gone.
clean:
	find drivers include -name '*.o' -delete -o -name '*.ko' -delete \
		-o -name '*.mod' -delete -o -name '*.mod.c' -delete -o -name '.*.cmd' -delete \
		-o -name '.*.d' -delete -o -name 'modules.order' -delete
	rm -rf include/net/ceth/generated modules.order Module.symvers .module-common.o .*.cmd .tmp_*

load: modules
	scripts/ceth-bind load .
	$(if $(NIC),scripts/ceth-bind bind $(NIC) $(or $(DRIVER),ceth_virtio))

unload:
	scripts/ceth-bind unload

image:
	@$(TOOLS)/image

shell: image
	@$(TOOLS)/build $(or $(KVER),6.12)
	@$(TOOLS)/vm --kernel $(or $(KVER),6.12) --pair virtio,queues=4 --shell

demo:
	@$(TOOLS)/demo

check:
	@$(TOOLS)/check

check-build:
	@$(TOOLS)/build W=1 C=2 $(KVER)

lint:
	@$(TOOLS)/lint

bench:
	@$(TOOLS)/bench/run

conformance:
	$(if $(BACKEND),,$(error BACKEND=... is missing: a name of $(TOOLS)/conformance/backends))
	@$(TOOLS)/conformance/run $(BACKEND) $(if $(PROGRAMS),--programs '$(PROGRAMS)')

docs-generated:
	@$(TOOLS)/conformance/features

help:
	@echo 'Modules, against the running kernel or KDIR=<kernel headers or build tree>:'
	@echo '  make                   build the modules'
	@echo '  make modules_install   install them (root)'
	@echo '  make clean             remove what was built'
	@echo '  make load [NIC=<PCI address> [DRIVER=ceth_virtio]]'
	@echo '                         insert the modules and bind a NIC to a backend (root);'
	@echo '                         scripts/ceth-bind does the same step by step'
	@echo '  make unload            give the NICs back to their drivers, remove the modules (root)'
	@echo
	@echo 'In a virtual machine, on any Debian 12 or 13 (root; the first call makes the'
	@echo 'guest image, which takes some minutes and 5 GB under /var/cache/ceth):'
	@echo '  make demo              see it work: traffic, XDP, counters, cost beside the in-tree driver'
	@echo '  make check             the whole test suite; last line "N passed, N failed"'
	@echo '      KVER=6.12              with one kernel only'
	@echo '      TESTS=<pattern>        only tests whose name matches (shell pattern)'
	@echo '      JOBS=1                 one guest after the other'
	@echo '  make check-build       build for every kernel in the image, warnings and sparse fatal'
	@echo '  make lint              checkpatch, kernel-doc, shellcheck, and the rules of this tree'
	@echo '  make bench             instructions per packet, in-tree driver and CETH side by side'
	@echo '  make conformance BACKEND=virtio'
	@echo '                         all tests on a backend and on the in-tree driver of its'
	@echo '                         device; the table of features from what they find'
	@echo '      PROGRAMS="xdp.py"      only these; the other results stay'
	@echo '  make docs-generated    that table, and the counts of lines, from what is there'
	@echo '  make shell             a shell in a guest with one CETH NIC and a peer'
	@echo '  make image             make the guest image and nothing else'
	@echo
	@echo 'CETH_CACHE=<dir> moves the image and everything built from /var/cache/ceth.'
