# SPDX-License-Identifier: MIT
#
# libconc's Makefile: complete as it stands; ./configure only writes a config.mk
# that replaces the defaults below.
#
#   make                    build libconc.a and libconc.so.0, in build/
#   make demo               build and run the three exercise programs
#   make deps check         install Check and pkg-config if missing; run all tests
#   make check-list         one module's tests; also check-examples, check-faults
#   make install uninstall  below prefix, in DESTDIR
#   make sim sweep          the simulator: SIM=N schedules a scenario; every failure in turn
#   make storm              KILLS=N deaths of workers among TASKS=N tasks
#   make stress             the tests under ThreadSanitizer, with many seeds; a long storm
#   make valgrind helgrind  the tests under these
#   make model              the protocol of the process pool, every way it can go
#   make mutants            known bugs, planted one by one: are they found?
#   make cover              which lines of the library do the tests reach?
#   make bench              how fast, against GLib and Python
#   make lint man-check     the rules of the house; the manual against the code
#   make dist distcheck     the tarball, and whether it is whole
#   make ci-deps            install what .ci/run needs beyond that
#   make clean distclean    remove the build; also what configure wrote
#
# Variables: V=1 shows the commands, SAN=thread or SAN=address,undefined builds
# with sanitizers in build/thread ..., CC, CFLAGS, CPPFLAGS, LDFLAGS, B=directory
# to build in (another compiler or other flags want another), SEEDS=N jitter
# seeds of each concurrent test, FAULTS=N every Nth fault of a process pool.

srcdir      = .
prefix      = /usr/local
exec_prefix = $(prefix)
libdir      = $(exec_prefix)/lib
includedir  = $(prefix)/include
mandir      = $(prefix)/share/man
CFLAGS     ?= -O2 -g
libs        = static shared
-include config.mk

SEEDS  ?= 50
SIM    ?= 200000
FAULTS ?= 4
KILLS  ?= 10000
TASKS  ?= 1000000
JOBS   ?= $(shell nproc)

# abi is raised when, and only when, programs must be linked anew.
abi     := 0
S       := $(filter-out ./,$(srcdir)/)
version := $(shell sed -n 's/^\#define CONC_VERSION "\(.*\)"/\1/p' $Sinclude/conc/version.h)
B       := build$(SAN:%=/%)
static  := $B/libconc.a
shared  := $B/libconc.so.$(abi)
built   := $(foreach l,$(libs),$($l))

# $(call sources,pattern...): files, without srcdir; $(call in,dir,files): their names there.
sources  = $(patsubst $S%,%,$(wildcard $(addprefix $S,$1)))
in       = $(patsubst %.c,$1/%$3,$2)
headers := $(call sources,include/conc/*.h)
objects := $(call in,$B,$(call sources,lib/*/*.c),.o)
tests   := $(call in,$B,$(call sources,tests/check_*.c))
support := $(filter-out tests/check_%,$(call sources,tests/*.c))
faults  := $(call in,$B,$(call sources,tests/faults/*.c))
examples := $(call in,$B,$(call sources,examples/*.c))
storms  := $(call in,$B,$(call sources,tests/storm/*.c))
pages   := $(addprefix $S,$(call sources,man/*.[37]))

# The simulator runs the floors above base, and what of base needs no machine.
-include $Stests/sim/sim.mk
sim     := $(call in,$B/sim,$(filter-out lib/base/%,$(call sources,lib/*/*.c)) \
           $(call sources,$(sim_base:%=lib/base/%.c) tests/sim/*.c tests/sim/base/*.c),.o)

# What compiles and links; inc: the directories that the target may know.
cc       = $(CC) $(inc) -I$Sinclude -MMD -MP -MF $@.d -MT $@ -std=c11 -pthread -fPIC \
           -fvisibility=hidden -Wall -Wextra -Wshadow -Wmissing-prototypes \
           $(S:%/=-fmacro-prefix-map=%/=) $(CPPFLAGS) $(CFLAGS) $(san)
ld       = $(CC) -pthread $(CFLAGS) $(san)
san      = $(SAN:%=-fsanitize=% -fno-sanitize-recover=all -fno-omit-frame-pointer $(runtime))
# tests/asan_fork.c wants of AddressSanitizer what gcc's shared runtime hides.
runtime := $(if $(findstring address,$(SAN)),$(shell $(CC) --version | grep -q clang || \
           echo -static-libasan))
hidden   = -I$Slib -I$(srcdir) -D_GNU_SOURCE
remake  := $SMakefile $(wildcard config.mk)
say      = mkdir -p $(@D); echo "  $1	$@";

all: $(built)
$(V).SILENT:

$B/lib/%.o: inc = -I$Slib -D_GNU_SOURCE
$B/sim/%.o: inc = -I$Stests/sim $(hidden) -fexceptions
$B/%.o: $S%.c $(remake)
	$(call say,CC) $(cc) -c -o $@ $<
$B/sim/%.o: $S%.c $(remake)
	$(call say,CC) $(cc) -c -o $@ $<

$(static): $(objects)
	$(call say,AR) rm -f $@; $(AR) rcs $@ $^
$(shared): $(objects) $Slib/libconc.map
	$(call say,LD) $(ld) -shared -o $@ $(objects) -Wl,-soname,$(@F) -Wl,-z,nodelete,-z,now \
	  -Wl,--version-script=$Slib/libconc.map $(if $(SAN),,-Wl,-z,defs) $(LDFLAGS)
$B/sim/sim: $(sim)
	$(call say,LD) $(ld) -o $@ $^ $(LDFLAGS)

# Tests may use the library's hidden functions: they are linked with the static one.
$(tests) $(faults): private inc = $(hidden)
$(tests) $(faults): $B/%: $S%.c $(addprefix $S,$(support)) $(static)
	$(call say,LINK) check=$$(pkg-config --cflags --libs check) || \
	  { echo 'The tests need Check and pkg-config: make deps'; exit 1; }; \
	  $(cc) -o $@ $(filter %.c %.a,$^) $(LDFLAGS) $$check
installers := $(filter deps ci-deps,$(MAKECMDGOALS))
$(tests) $(faults): | $(installers)

# Examples and storms see what a user sees, and are linked as he links.
asan_fork := $(if $(findstring address,$(SAN)),$Stests/asan_fork.c)
$(examples) $(storms): private inc = -D_GNU_SOURCE
$(examples) $(storms): $B/%: $S%.c $(asan_fork) $(or $(filter $(shared),$(built)),$(static))
	$(call say,LINK) $(cc) -o $@ $^ $(LDFLAGS) -Wl,-rpath,'$$ORIGIN/..:$$ORIGIN/../..'

# $(call each,command,what): run the command for each $$t of the prerequisites; tell which fail.
each     = test -n "$^" || { echo "there are no $2"; exit 1; }; bad=; \
           for t in $^; do $1 || bad="$$bad $${t\#\#*/}"; done; \
           test -z "$$bad" || { echo "failed:$$bad"; exit 1; }
run      = CONC_SEEDS=$(SEEDS)
again    = $(MAKE) B=$B/$1 CPPFLAGS='$(CPPFLAGS) $2'

check: check-units check-examples
check-units: $(tests)
	$(call each,$(run) $$t,tests)
check-examples: $(examples)
	$(call each,sh $Stests/examples/$${t##*/}.sh $$t && echo "passed: $${t##*/}",examples)
check-%: $B/tests/check_%
	$(run) $<
check-faults:
	+$(call again,faults,-DCONC_FAULT) SAN=address,undefined run-faults
run-faults: $(faults)
	$(call each,EVERY=$(FAULTS) $$t,fault tests)
stress:
	+$(call again,stress) SAN=thread SEEDS=2000 check-units
	+$(call again,stress) storm KILLS=100000 TASKS=10000000
storm: $(storms)
	$(call each,KILLS=$(KILLS) TASKS=$(TASKS) $$t,storms)
valgrind: $(tests)
	$(call each,$(run) sh $Sdev/valgrind memcheck $$t,tests)
helgrind: $B/tests/check_list $B/tests/check_queue $B/tests/check_log
	$(call each,$(run) sh $Sdev/valgrind helgrind $$t,tests)
cover:
	find $B/cover -name '*.gcda' -delete 2>/dev/null || :
	+$(call again,cover,-DCONC_FAULT -include $Sdev/cover.h) check run-faults \
	  CFLAGS='-O0 -g --coverage -fprofile-update=atomic'
	gcovr -r $(srcdir) --object-directory $B/cover --filter $Slib/ --fail-under-line 95

# The process pool's scenarios take long: its heart gets as many schedules as all others, the
# rest a tenth.
heart   := run crash_costs_one killed_from_outside zygote_killed cancel_is_exact future_kill \
           shutdown_drain shutdown_cancel shutdown_kill resize init_fails map map_raises
sim: $B/sim/sim
	$< -l | awk '/^(processes|wire|zygote)_/ { print $$1 }' | grep -vxE '$(subst $() ,|,$(heart:%=processes_%))' >$B/sim/rest
	$< -n $(SIM) -j $(JOBS) -m both $$($< -l | awk '!/^(processes|wire|zygote)_/ { print $$1 }') \
	  $(heart:%=processes_%)
	$< -n $$(($(SIM) / 10 + 1)) -j $(JOBS) -m both $$(cat $B/sim/rest)
sweep: $B/sim/sim
	$< -j $(JOBS) --sweep
mutants:
	sh $Sdev/mutants
model:
	B=$(abspath $B) CC='$(CC)' sh $Sdev/model

demo: $(addprefix $B/examples/,q4_shared_list q7_factorials q8_squares)
	$B/examples/q4_shared_list --pause 20 && $B/examples/q7_factorials && \
	  $B/examples/q8_squares

bench: $(shared)
	B=$B CC='$(CC)' sh $Sbench/run
	B=$B CC='$(CC)' sh $Sbench/processes
	B=$B CC='$(CC)' sh $Sbench/locks
	B=$B CC='$(CC)' sh $Sbench/queue

deps:
	sh $Sdev/deps
ci-deps:
	sh $Sdev/deps ci

# What stands in the templates as @name@.
fill     = sed $(foreach v,prefix libdir includedir version abi threads,-e 's|@$v@|$($v)|') $1
threads  = $(if $(filter shared,$(libs)),, -pthread)
to       = $(DESTDIR)$(libdir)
install: $(built)
	mkdir -p $(DESTDIR)$(includedir)/conc $(to)/pkgconfig $(to)/cmake/conc
	install -m 644 $(addprefix $S,$(headers)) $(DESTDIR)$(includedir)/conc
	install -m 644 $(built) $(to)
	$(if $(filter shared,$(libs)),ln -sf $(notdir $(shared)) $(to)/libconc.so)
	$(call fill,$Sconc.pc.in) | sed 's|dir=$(prefix)/|dir=$${prefix}/|' \
	  >$(to)/pkgconfig/conc.pc
	$(call fill,$Sconc-config.cmake.in) >$(to)/cmake/conc/conc-config.cmake
	$(call fill,$Sconc-config-version.cmake.in) >$(to)/cmake/conc/conc-config-version.cmake
	sh $Sdev/manlinks install $(DESTDIR)$(mandir) $(pages)
uninstall:
	rm -f $(addprefix $(to)/,libconc.a libconc.so libconc.so.$(abi) pkgconfig/conc.pc) \
	  $(addprefix $(to)/cmake/conc/,conc-config.cmake conc-config-version.cmake) \
	  $(addprefix $(DESTDIR)$(includedir)/,$(headers:include/%=%))
	sh $Sdev/manlinks uninstall $(DESTDIR)$(mandir) $(pages)
	rmdir $(DESTDIR)$(includedir)/conc $(to)/cmake/conc $(to)/cmake $(to)/pkgconfig \
	  $(DESTDIR)$(mandir)/man3 $(DESTDIR)$(mandir)/man7 2>/dev/null || :

dist distcheck:
	sh $Sdev/$@ libconc-$(version)
lint:
	sh $Sdev/lint
man-check: $(shared)
	sh $Sdev/man-check $(shared)
help:
	sed -n '3,/^$$/s/^# \{0,1\}//p' $SMakefile
clean:
	rm -rf $B
distclean:
	rm -rf build config.mk config.log config.status autom4te.cache $(if $S,Makefile)

.PHONY: all check check-units check-examples check-faults run-faults stress storm valgrind \
        helgrind cover sim sweep model mutants demo deps ci-deps bench install uninstall dist distcheck \
        lint man-check help clean distclean
-include $(addsuffix .d,$(objects) $(sim) $(tests) $(faults) $(examples) $(storms))
