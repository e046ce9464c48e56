# SPDX-License-Identifier: Apache-2.0
#
# What the scripts share; sourced, never run. It needs bash and coreutils only.
# shellcheck shell=bash

# shellcheck disable=SC2034  # used by those who source this
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

say() { printf '%s\n' "$*" >&2; }

# die MESSAGE [EXIT CODE]: what was found, what was expected, what to do.
die() {
  printf '%s: %s\n' "${0##*/}" "$1" >&2
  exit "${2:-1}"
}

# The comment at the top of the calling script, below its SPDX line, is its help.
usage() { awk '/^# SPDX/ {on = 1; next} on && !/^#/ {exit} on && (NR > 3) {sub(/^# ?/, ""); print}' "$0"; }

# build_dir PRESET: the directory that CMakePresets.json gives it.
build_dir() {
  case $1 in
    release) printf '%s/build\n' "$root" ;;
    debug | asan | tsan) printf '%s/build-%s\n' "$root" "$1" ;;
    *) die "there is no preset '$1'; expected release, debug, asan or tsan" 2 ;;
  esac
}

# How many compilers run at once: one a core, but no more than one a gigabyte of free memory, since a
# file that includes Asio takes most of that. BACKPLANE_JOBS overrides it.
jobs_default() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/^MemAvailable:/ {print int($2 / 1048576)}' /proc/meminfo 2>/dev/null || echo "$cores")
  [ "${memory:-0}" -ge 1 ] || memory=1
  if [ "$memory" -lt "$cores" ]; then echo "$memory"; else echo "$cores"; fi
}
