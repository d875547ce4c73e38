/* SPDX-License-Identifier: MIT */
#include "../../../lib/base/futex.h"
#include "base/site.h"

#if !defined(SIM_ENGINE) && !defined(conc__futex_wait)
#define conc__futex_wait(...) SIM_HERE(conc__futex_wait(__VA_ARGS__))
#define conc__futex_wake(...) SIM_HERE(conc__futex_wake(__VA_ARGS__))
#endif
