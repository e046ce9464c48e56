// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace backplane::host {

class ElfDynamic;

/// Reads an ELF shared object for the machine of this build (64-bit, little-endian). The file is untrusted: every
/// offset in it is checked before use.
class ElfFile {
 public:
  /// `bytes` must outlive this object. Throws Failure (BP_LOAD_REFUSED) if they are not a shared object for this
  /// machine.
  explicit ElfFile(std::span<const std::uint8_t> bytes);

  /// The contents of the section `name`; empty if it does not exist.
  std::string_view section(std::string_view name) const noexcept;

  struct Symbol {
    std::string_view name;  ///< its first 256 bytes; any bytes but zero
    bool defined;
    bool global;
    bool unique;  ///< STB_GNU_UNIQUE: once bound, the object can never be unmapped
  };
  const std::vector<Symbol>& dynamic_symbols() const noexcept { return symbols_; }
  /// DF_STATIC_TLS: it needs static thread-local memory, which is scarce after start-up.
  bool static_tls() const noexcept { return static_tls_; }
  /// DF_1_NODELETE: the loader never unmaps it.
  bool no_delete() const noexcept { return no_delete_; }
  /// DT_NEEDED: the names of the libraries that the loader maps with it, in their order.
  const std::vector<std::string_view>& needed() const noexcept { return needed_; }
  /// DT_SONAME: the name by which others need it; empty: it has none.
  std::string_view soname() const noexcept { return soname_; }
  /// DT_RUNPATH, and DT_RPATH if there is no DT_RUNPATH: directories in which the loader looks for them, with colons
  /// between.
  std::string_view runpath() const noexcept { return runpath_; }
  std::string_view rpath() const noexcept { return runpath_.empty() ? rpath_ : std::string_view(); }

 private:
  struct Section {
    std::string_view name;
    std::uint32_t type;
    std::string_view contents;
    std::uint32_t link;
  };

  template <class T>
  T read(std::uint64_t offset) const;
  std::string_view range(std::uint64_t offset, std::uint64_t size) const;
  void check_segments() const;
  void read_sections();
  void read_symbols(const Section& table);
  void read_dynamic(const ElfDynamic& dynamic);

  std::span<const std::uint8_t> bytes_;
  std::vector<Section> sections_;
  std::vector<Symbol> symbols_;
  std::vector<std::string_view> needed_;
  std::string_view soname_;
  std::string_view runpath_;
  std::string_view rpath_;
  bool static_tls_ = false;
  bool no_delete_ = false;
};

}  // namespace backplane::host
