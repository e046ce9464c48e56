// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace backplane::host {

/// A look into the bytes of an ELF shared object for x86-64 or any other 64-bit little-endian machine
/// of this build's. Every offset in the file is taken for a lie until checked.
class ElfFile {
 public:
  /// `bytes` must outlive this. Throws Failure (BP_LOAD_REFUSED) if it is no shared object for this
  /// machine.
  explicit ElfFile(std::span<const std::uint8_t> bytes);

  /// The contents of the section `name`; empty if there is none.
  std::string_view section(std::string_view name) const noexcept;

  struct Symbol {
    std::string_view name;
    bool defined;
    bool global;
    bool unique;  ///< STB_GNU_UNIQUE: binds process-wide and makes the object undeletable
  };
  const std::vector<Symbol>& dynamic_symbols() const noexcept { return symbols_; }
  const std::vector<std::string_view>& needed() const noexcept { return needed_; }
  /// DF_STATIC_TLS: it takes a share of the thread memory that is scarce after start-up.
  bool static_tls() const noexcept { return static_tls_; }
  /// DF_1_NODELETE: the loader never unmaps it.
  bool no_delete() const noexcept { return no_delete_; }

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
  void read_dynamic(const Section& table);

  std::span<const std::uint8_t> bytes_;
  std::vector<Section> sections_;
  std::vector<Symbol> symbols_;
  std::vector<std::string_view> needed_;
  bool static_tls_ = false;
  bool no_delete_ = false;
};

}  // namespace backplane::host
