# SPDX-License-Identifier: MIT
# What of lib/base needs no machine, and so is compiled for the simulator too.
sim_base = clock error format hook log strerror
