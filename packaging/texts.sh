#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# packaging/texts.sh BACKPLANE DIRECTORY: has the executable print its manual pages and completions into the directory.
set -eu
backplane=$1
out=$2
rm -rf "$out"
mkdir -p "$out/man1"
pages=$("$backplane" man)
for page in $pages; do
  "$backplane" man "$page" >"$out/man1/$page.1"
done
"$backplane" completions bash >"$out/backplane"
"$backplane" completions zsh >"$out/_backplane"
"$backplane" completions fish >"$out/backplane.fish"
touch "$out/made"
