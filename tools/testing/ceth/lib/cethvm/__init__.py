# SPDX-License-Identifier: GPL-2.0
"""Run commands in virtual machines that boot a stock kernel from the guest tree."""

from .config import Config, VmError
from .runner import Result, run_vm, vm_lock

__all__ = ["Config", "Result", "VmError", "run_vm", "vm_lock"]
