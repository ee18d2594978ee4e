# quota: a PostgreSQL extension, built with PGXS.
#
#   make, make install, make installcheck     as with every extension
#   make try                                  psql in a database with the extension and a plan
#   make demo, demo-stop                      the application behind its paywall
#   make fleet-demo                           tenants over several databases
#   make test, lint                           everything that CI runs
#   make deb                                  a package for Debian, in build/deb
#   make dist                                 a zip file for PGXN, in build/dist
#   make doctor                               what is missing or in the way here
#
# The second group works before PostgreSQL is installed: see packaging/setup.

.DEFAULT_GOAL := all
SETUP_GOALS := deb demo demo-stop dist doctor fleet-demo test test-asserts test-leases test-matrix test-mutants test-preload try
.PHONY: $(SETUP_GOALS) lint typedefs

try:
	@packaging/setup/try
demo:
	@packaging/setup/demo
demo-stop:
	@packaging/setup/demo-stop
fleet-demo:
	@examples/fleet/run
doctor:
	@packaging/setup/doctor
deb:
	@packaging/setup/deb $(DEB_DIR)
dist:
	@packaging/setup/dist $(DIST_DIR)
# "check" belongs to PGXS and means something else, so ours is "test".
# SUITES="lint regress" runs a part of it.
test:
	@test/run $(SUITES)
# Regress and isolation with the library preloaded, of which make test runs a part.
test-preload:
	@QUOTA_PRELOAD=1 test/run $(or $(SUITES),regress isolation)
# Regress where every charge opens a lease of a few units.
test-leases:
	@QUOTA_EAGER_LEASES=1 test/run $(or $(SUITES),regress)
# Against other PostgreSQLs, each in a Debian of its own; takes its time.
# MATRIX="sid:18" is a part of it, SUITES as above.
test-matrix:
	@SUITES="$(SUITES)" test/matrix $(MATRIX)

# Against a PostgreSQL with assertions, built for it; takes its time the first time.
test-asserts:
	@test/asserts $(SUITES)

# Mistakes planted in the code, which some test has to notice; takes its time.
# MUTANTS="given.c drain" is a part of it.
test-mutants:
	@test/mutants/run $(MUTANTS)

# Everything below needs pg_config, so it is skipped when only those are asked for.
ifneq ($(filter-out $(SETUP_GOALS),$(or $(MAKECMDGOALS),all)),)

EXTENSION := quota
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" quota.control)
MODULE_big := quota

# Folders of src/ are layers; test/lint/layers knows their order.
LAYERS := base store shared engine decide api gate
OBJS := $(patsubst %.c,%.o,$(sort $(wildcard $(LAYERS:%=src/%/*.c))))

# The scripts are assembled of the files that sql/MANIFEST names, in its order: one
# that installs, and one that updates from each earlier version by the steps since.
SQL_PARTS := $(addprefix sql/,$(shell sed 's/\#.*//' sql/MANIFEST))
SQL_STEPS := $(foreach part,$(SQL_PARTS),$(if $(findstring --,$(part)),$(part)))
OLD_VERSIONS := $(foreach step,$(SQL_STEPS),$(firstword $(subst --, ,$(notdir $(step)))))
# steps_since VERSION,STEPS: those from the one that leaves VERSION on
steps_since = $(if $(filter sql/updates/$1--%,$(firstword $2)),$2,$(call steps_since,$1,$(wordlist 2,$(words $2),$2)))
INSTALL_SQL := sql/quota--$(EXTVERSION).sql
UPDATE_SQL := $(OLD_VERSIONS:%=sql/quota--%--$(EXTVERSION).sql)
DATA_built := $(INSTALL_SQL) $(UPDATE_SQL)

# The library exports what PG_FUNCTION_INFO_V1 declares and nothing else.  A
# list for the linker says so, not -fvisibility=hidden, which on PostgreSQL 15
# would hide those functions too (PG_FUNCTION_INFO_V1 exports them since 16).
EXPORTS := quota.map
SHLIB_LINK := -Wl,--version-script=$(EXPORTS)

# Errors say which file raised them: an application tells ours from its own by the name.
PG_CPPFLAGS := -Isrc -DQUOTA_VERSION='"$(EXTVERSION)"' $(LAYERS:%=-fmacro-prefix-map=src/%/=quota:)
PG_CFLAGS := -fno-semantic-interposition -Wall -Wextra -Wshadow=compatible-local -Wno-unused-parameter -Wno-missing-field-initializers
ifneq ($(CI)$(WERROR),)
PG_CFLAGS += -Werror
endif

# Results of both kinds of test are in ./expected; pg_regress looks for them
# in its output folder, which therefore stays ".".
REGRESS := $(sort $(patsubst test/sql/%.sql,%,$(wildcard test/sql/*.sql)))
REGRESS_OPTS := --inputdir=test
ISOLATION := $(sort $(patsubst test/specs/%.spec,%,$(wildcard test/specs/*.spec)))
ISOLATION_OPTS := --inputdir=test --outputdir=. --load-extension=pgcrypto --load-extension=quota
EXTRA_CLEAN := $(EXPORTS) results regression.diffs regression.out

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
ifeq ($(wildcard $(PGXS)),)
$(error $(PG_CONFIG) or the files it points to are missing: "make doctor" says what to install)
endif

# PostgreSQL's headers are not ours to warn about.
PG_CPPFLAGS += -isystem $(shell $(PG_CONFIG) --includedir-server)
include $(PGXS)

# Debian's PostgreSQL is built without dependency tracking.
$(OBJS) $(OBJS:.o=.bc): $(wildcard src/*/*.h) Makefile quota.control

quota.so: $(EXPORTS)
$(EXPORTS): $(OBJS:.o=.c) Makefile
	@{ echo '{ global: Pg_magic_func; _PG_init;'; \
	sed -nE 's/^PG_FUNCTION_INFO_V1\((.*)\);.*/\1; pg_finfo_\1;/p' $(OBJS:.o=.c); \
	echo 'local: *; };'; } > $@

$(INSTALL_SQL): parts = $(filter-out sql/updates/%,$(SQL_PARTS))
sql/quota--%--$(EXTVERSION).sql: parts = sql/header.sql sql/updates/00_begin.sql $(call steps_since,$(word 2,$(subst --, ,$@)),$(SQL_STEPS)) $(filter sql/always/%,$(SQL_PARTS))
$(DATA_built): $(SQL_PARTS) sql/MANIFEST quota.control Makefile
	@echo "assembling $@"
	@for part in $(parts); do \
		printf '/* from %s */\n' "$$part"; cat "$$part" || exit 1; echo; \
	done > $@.tmp
	@mv $@.tmp $@

lint: all
	@PG_CONFIG=$(PG_CONFIG) test/lint/all

# One to a line, for the checks that compile.
.PHONY: compile-flags
compile-flags:
	@printf '%s\n' $(CPPFLAGS)

# The list of our type names, for pgindent.
typedefs:
	@test/lint/typedefs --list > typedefs.list

endif
