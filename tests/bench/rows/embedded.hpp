// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <stdexcept>
#include <string>

namespace bench {

/// A context in this process with one of the bundled modules, and one of its wire names. `spin_us` as in
/// bp_context_options.
class Embedded {
 public:
  Embedded(const std::string& module, const char* wire_name, std::int32_t spin_us = 0) {
    bp_context_options options{};
    options.struct_size = sizeof options;
    options.spin_us = spin_us;
    Words why;
    check(bp_context_create(&options, &context_, &why), why);
    const std::string path = std::string(BENCH_PLUGIN_DIR) + "/" + module + ".so";
    bp_load_options load{};
    load.struct_size = sizeof load;
    load.path = path.c_str();
    Words report;
    check(bp_module_load(context_, &load, &report), report);
    check(bp_method_find(context_, {wire_name, std::char_traits<char>::length(wire_name)}, &method_), report);
  }
  Embedded(const Embedded&) = delete;
  Embedded& operator=(const Embedded&) = delete;
  ~Embedded() { bp_context_destroy(context_); }

  bp_context context() const { return context_; }
  bp_method method() const { return method_; }

 private:
  struct Words : bp_result {
    Words() : bp_result{} { struct_size = sizeof(bp_result); }
    Words(const Words&) = delete;
    Words& operator=(const Words&) = delete;
    ~Words() { bp_result_free(this); }
  };
  static void check(bp_status status, const Words& words) {
    if (status == BP_OK) return;
    throw std::runtime_error(std::string(bp_status_name(status)) + ": " +
                             std::string(words.message.data, words.message.size));
  }

  bp_context context_{};
  bp_method method_{};
};

}  // namespace bench
