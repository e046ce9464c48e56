// SPDX-License-Identifier: Apache-2.0
#include "host.hpp"

#include <cstring>
#include <semaphore>
#include <stdexcept>

namespace bench {
namespace {

/// An answer that frees itself.
struct Result : bp_result {
  Result() : bp_result{} { struct_size = sizeof(bp_result); }
  Result(const Result&) = delete;
  Result& operator=(const Result&) = delete;
  ~Result() { bp_result_free(this); }
};

bp_str str(const std::string& text) { return {text.data(), text.size()}; }

void expect_ok(bp_status status, const std::string& what, const bp_result& result) {
  if (status == BP_OK) return;
  std::string text = what + ": " + bp_status_name(status);
  if (result.message.size != 0) text += ": " + std::string(result.message.data, result.message.size);
  throw std::runtime_error(text);
}

struct Errand {
  const std::function<void()>& work;
  bp_status status = BP_OK;
  std::binary_semaphore done{0};
};

void run_errand(void* user, const bp_answer* answer) {
  auto& errand = *static_cast<Errand*>(user);
  errand.status = answer->status;
  if (errand.status == BP_OK) errand.work();
  errand.done.release();
}

}  // namespace

Host::Host(std::string module) : module_(std::move(module)) {
  bp_log_level(BP_LOG_ERROR);  // what takes long here is meant to
  Result why;
  expect_ok(bp_context_create(nullptr, &context_, &why), "bp_context_create", why);
  const std::string path = BENCH_MODULE_DIR "/" + module_ + ".so";
  bp_load_options load{};
  load.struct_size = sizeof load;
  load.path = path.c_str();
  Result result;
  const bp_status status = bp_module_load(context_, &load, &result);
  if (status != BP_OK) bp_context_destroy(context_);
  expect_ok(status, path, result);
}

Host::~Host() { bp_context_destroy(context_); }

bench_report Host::order(const char* verb, const bench_order& order) {
  const std::string name = module_ + "." + verb;
  const bp_bytes payload{reinterpret_cast<const std::uint8_t*>(&order), sizeof order};
  Result result;
  expect_ok(bp_call_sync(context_, str(name), payload, 0, &result), name, result);
  bench_report report{};
  if (result.payload.size != sizeof report) throw std::runtime_error(name + ": the answer is no bench_report");
  std::memcpy(&report, result.payload.data, sizeof report);
  if (report.done != order.count) {
    throw std::runtime_error(name + ": expected " + std::to_string(order.count) + " to be done, found " +
                             std::to_string(report.done));
  }
  return report;
}

void Host::on_request_thread(const std::function<void()>& work) {
  const std::string name = module_ + ".here";
  Errand errand{work};
  bp_submission submission{};
  submission.struct_size = sizeof submission;
  submission.flags = BP_SUBMIT_NO_STALE;
  submission.name = str(name);
  submission.on_reply = run_errand;
  submission.user = &errand;
  expect_ok(bp_submit(context_, &submission, nullptr), name, bp_result{});
  errand.done.acquire();
  expect_ok(errand.status, name, bp_result{});
}

}  // namespace bench
