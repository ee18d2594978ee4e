# shellcheck shell=bash disable=SC2034
# For the checks that compile: sets flags to the Makefile's preprocessor flags,
# sources to the C files, clang to the newest one that is here.
mapfile -t flags < <(make -s --no-print-directory PG_CONFIG="${PG_CONFIG:-pg_config}" compile-flags)
mapfile -t clangs < <(command -v clang clang-{20,19,18,17,16,15,14})
clang=${clangs[0]:-clang}
mapfile -t sources < <(find src test/c -name '*.c' | sort)
