// SPDX-License-Identifier: Apache-2.0
#include "embedded.hpp"

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace bench {

void expect_ok(bp_status status, const std::string& what, const bp_result& result) {
  if (status == BP_OK) return;
  std::string text = what + ": " + bp_status_name(status);
  if (result.message.size != 0) text += ": " + std::string(result.message.data, result.message.size);
  throw std::runtime_error(text);
}

void refused(bp_status status) noexcept {
  std::fprintf(stderr, "bench: bp_submit refused a call: %s\n", bp_status_text(status));
  std::abort();
}

Embedded::Embedded(const std::string& path, std::int32_t spin_us, std::uint32_t calls_per_name) {
  bp_log_level(BP_LOG_ERROR);  // what takes long here is meant to
  bp_context_options options{};
  options.struct_size = sizeof options;
  options.spin_us = spin_us;
  options.calls_per_name = calls_per_name;
  Result why;
  expect_ok(bp_context_create(&options, &context_, &why), "bp_context_create", why);
  try {
    load(path);
  } catch (...) {
    bp_context_destroy(context_);
    throw;
  }
}

void Embedded::load(const std::string& path) {
  bp_load_options options{};
  options.struct_size = sizeof options;
  options.path = path.c_str();
  Result result;
  expect_ok(bp_module_load(context_, &options, &result), path, result);
}

bp_method Embedded::method(const std::string& wire_name) const {
  bp_method method{};
  expect_ok(bp_method_find(context_, str(wire_name), &method), wire_name, bp_result{});
  return method;
}

}  // namespace bench
