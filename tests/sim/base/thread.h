/* SPDX-License-Identifier: MIT */
#include "../../../lib/base/thread.h"
#include "base/site.h"

#if !defined(SIM_ENGINE) && !defined(conc__thread_start)
#define conc__thread_start(...) SIM_HERE(conc__thread_start(__VA_ARGS__))
#define conc__thread_join(...) SIM_HERE(conc__thread_join(__VA_ARGS__))
#define conc__thread_detach(...) SIM_HERE(conc__thread_detach(__VA_ARGS__))
#define conc__thread_forget(...) SIM_HERE(conc__thread_forget(__VA_ARGS__))
#endif
