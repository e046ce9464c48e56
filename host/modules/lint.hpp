// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace backplane::host {

class ElfFile;
struct Manifest;

/// Adds a warning to manifest.warnings for everything in the object that prevents isolation or unloading. The host
/// still loads such a module.
void lint(const ElfFile& elf, Manifest& manifest);

}  // namespace backplane::host
