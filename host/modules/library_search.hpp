// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace backplane::host {

/// Where a file says that its libraries lie.
struct LibraryPaths {
  std::filesystem::path origin;  ///< the directory of the file, for $ORIGIN
  std::string runpath;           ///< DT_RUNPATH
  std::string rpath;             ///< DT_RPATH, of the file and of those that need it; not used with a runpath
};

/// Where the dynamic loader would take a library from. See ld.so(8).
struct LibraryPlace {
  enum class Kind {
    mapped,  ///< the process has it already
    beside,  ///< in a directory relative to the file ($ORIGIN)
    path,    ///< in another directory that the file names, or the name is a path
    system,  ///< in a directory of LD_LIBRARY_PATH or of the system
    missing
  };
  Kind kind = Kind::missing;
  std::string path;  ///< empty if it is missing
};
/// "process", "beside", "path", "system" or "missing".
const char* text_of(LibraryPlace::Kind kind) noexcept;

/// `name`: as in DT_NEEDED. Runs no code of the library.
LibraryPlace find_library(const std::string& name, const LibraryPaths& paths);

/// The same, but a file is preferred to a library that the process has already.
LibraryPlace find_library_file(const std::string& name, const LibraryPaths& paths);

/// The file that lies beside, whether or not the process has a library of this name; empty: none.
std::string find_beside(const std::string& name, const LibraryPaths& paths);

/// Where the process has a library of this name from; empty: it has none.
std::string find_mapped(const std::string& name);

}  // namespace backplane::host
