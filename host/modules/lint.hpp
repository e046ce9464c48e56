// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace backplane::host {

class ElfFile;
struct Manifest;

/// Adds to manifest.warnings what in the object will hinder isolation or unloading. None of it is a
/// reason to refuse: the module works, until somebody unloads it.
void lint(const ElfFile& elf, Manifest& manifest);

}  // namespace backplane::host
