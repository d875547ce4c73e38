/* SPDX-License-Identifier: MIT */
#include "../../../lib/base/memory.h"
#include "base/site.h"

#if !defined(SIM_ENGINE) && !defined(conc__malloc)
#define conc__malloc(...) SIM_HERE(conc__malloc(__VA_ARGS__))
#define conc__calloc(...) SIM_HERE(conc__calloc(__VA_ARGS__))
#define conc__realloc(...) SIM_HERE(conc__realloc(__VA_ARGS__))
#define conc__strdup(...) SIM_HERE(conc__strdup(__VA_ARGS__))
#define conc__free(...) SIM_HERE(conc__free(__VA_ARGS__))
#endif
