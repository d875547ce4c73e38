# SPDX-License-Identifier: MIT
# What of lib/base needs no machine, and so is compiled for the simulator too.
sim_base = clock detached error format hook log name repeats signals strerror word
