# SPDX-License-Identifier: Apache-2.0
#
# Functions that the scripts share. Source this file; do not run it. It needs only bash and coreutils.
# shellcheck shell=bash

# shellcheck disable=SC2034  # the scripts that source this file use it
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

say() { printf '%s\n' "$*" >&2; }

# die MESSAGE [EXIT CODE]: the message says what was found, what was expected, and what to do.
die() {
  printf '%s: %s\n' "${0##*/}" "$1" >&2
  exit "${2:-1}"
}

# Prints the help of the calling script: the comment at its top, below the SPDX line.
usage() { awk '/^# SPDX/ {on = 1; next} on && !/^#/ {exit} on && (NR > 3) {sub(/^# ?/, ""); print}' "$0"; }

# build_dir PRESET: prints the build directory, as in CMakePresets.json.
build_dir() {
  case $1 in
    release) printf '%s/build\n' "$root" ;;
    debug | asan | tsan) printf '%s/build-%s\n' "$root" "$1" ;;
    *) die "found the preset '$1'; expected release, debug, asan or tsan" 2 ;;
  esac
}

# How many compilers run at once: one per core, but at most one per gigabyte of free memory, because a file that
# includes Asio needs almost that much. BACKPLANE_JOBS overrides it.
jobs_default() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/^MemAvailable:/ {print int($2 / 1048576)}' /proc/meminfo 2>/dev/null || echo "$cores")
  [ "${memory:-0}" -ge 1 ] || memory=1
  if [ "$memory" -lt "$cores" ]; then echo "$memory"; else echo "$cores"; fi
}
