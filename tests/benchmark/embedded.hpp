// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <string>

namespace bench {

/// An answer that frees itself.
struct Result : bp_result {
  Result() : bp_result{} { struct_size = sizeof(bp_result); }
  Result(const Result&) = delete;
  Result& operator=(const Result&) = delete;
  ~Result() { bp_result_free(this); }
};

inline bp_str str(const std::string& text) { return {text.data(), text.size()}; }

/// Throws std::runtime_error with the answer's words, unless it is BP_OK.
void expect_ok(bp_status status, const std::string& what, const bp_result& result);

[[noreturn]] void refused(bp_status status) noexcept;

/// Submits what cannot be refused while a row is measured. If it is, the process ends with a word: others are in
/// flight, which nobody can leave alone.
inline void submit_or_die(bp_context context, const bp_submission& submission) noexcept {
  const bp_status status = bp_submit(context, &submission, nullptr);
  if (status != BP_OK) refused(status);
}

/// A context in this process with one module in it, through the public C functions alone.
class Embedded {
 public:
  /// `path` is the module's file; the others are as in bp_context_options. Throws std::runtime_error.
  explicit Embedded(const std::string& path, std::int32_t spin_us = 0, std::uint32_t calls_per_name = 0);
  Embedded(const Embedded&) = delete;
  Embedded& operator=(const Embedded&) = delete;
  ~Embedded() { bp_context_destroy(context_); }

  bp_context context() const { return context_; }
  /// A further module. Throws std::runtime_error.
  void load(const std::string& path);
  /// Throws std::runtime_error if the module has no such name.
  bp_method method(const std::string& wire_name) const;

 private:
  bp_context context_{};
};

}  // namespace bench
