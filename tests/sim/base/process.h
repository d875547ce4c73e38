/* SPDX-License-Identifier: MIT */
#include "../../../lib/base/process.h"
#include "base/site.h"

#if !defined(SIM_ENGINE) && !defined(conc__process_start)
#define conc__process_start(...) SIM_HERE(conc__process_start(__VA_ARGS__))
#define conc__process_exit(...) SIM_HERE(conc__process_exit(__VA_ARGS__))
#define conc__process_reap(...) SIM_HERE(conc__process_reap(__VA_ARGS__))
#define conc__process_reap_any(...) SIM_HERE(conc__process_reap_any(__VA_ARGS__))
#define conc__process_signal(...) SIM_HERE(conc__process_signal(__VA_ARGS__))
#define conc__process_signal_group(...) \
	SIM_HERE(conc__process_signal_group(__VA_ARGS__))
#define conc__process_watch(...) SIM_HERE(conc__process_watch(__VA_ARGS__))
#define conc__process_settle(...) SIM_HERE(conc__process_settle(__VA_ARGS__))
#define conc__shared_map(...) SIM_HERE(conc__shared_map(__VA_ARGS__))
#define conc__shared_unmap(...) SIM_HERE(conc__shared_unmap(__VA_ARGS__))
#define conc__pipe(...) SIM_HERE(conc__pipe(__VA_ARGS__))
#define conc__pipe_resize(...) SIM_HERE(conc__pipe_resize(__VA_ARGS__))
#define conc__nonblocking(...) SIM_HERE(conc__nonblocking(__VA_ARGS__))
#define conc__read(...) SIM_HERE(conc__read(__VA_ARGS__))
#define conc__write(...) SIM_HERE(conc__write(__VA_ARGS__))
#define conc__write_held(...) SIM_HERE(conc__write_held(__VA_ARGS__))
#define conc__channel(...) SIM_HERE(conc__channel(__VA_ARGS__))
#define conc__channel_send(...) SIM_HERE(conc__channel_send(__VA_ARGS__))
#define conc__channel_receive(...) SIM_HERE(conc__channel_receive(__VA_ARGS__))
#define conc__close(...) SIM_HERE(conc__close(__VA_ARGS__))
#define conc__poll(...) SIM_HERE(conc__poll(__VA_ARGS__))
#define conc__bell(...) SIM_HERE(conc__bell(__VA_ARGS__))
#define conc__bell_ring(...) SIM_HERE(conc__bell_ring(__VA_ARGS__))
#define conc__bell_hush(...) SIM_HERE(conc__bell_hush(__VA_ARGS__))
#endif
