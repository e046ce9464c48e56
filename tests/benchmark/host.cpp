// SPDX-License-Identifier: Apache-2.0
#include "host.hpp"

#include <cstring>
#include <semaphore>
#include <stdexcept>

namespace bench {
namespace {

struct ReusableTask {
  const std::function<void()>& work;
  bp_status status = BP_OK;
  std::binary_semaphore done{0};
};

void run_errand(void* user, const bp_answer* answer) {
  auto& errand = *static_cast<ReusableTask*>(user);
  errand.status = answer->status;
  if (errand.status == BP_OK) errand.work();
  errand.done.release();
}

}  // namespace

Host::Host(std::string module) : module_(std::move(module)), host_(BENCH_MODULE_DIR "/" + module_ + ".so") {}

bench_report Host::order_bytes(const char* verb, bp_bytes order, std::uint64_t count) {
  const std::string name = module_ + "." + verb;
  Result result;
  expect_ok(bp_call_sync(host_.context(), str(name), order, 0, &result), name, result);
  bench_report report{};
  if (result.payload.size != sizeof report) throw std::runtime_error(name + ": the answer is no bench_report");
  std::memcpy(&report, result.payload.data, sizeof report);
  if (report.done != count) {
    throw std::runtime_error(name + ": expected " + std::to_string(count) + " to be done, found " +
                             std::to_string(report.done));
  }
  return report;
}

void Host::on_request_thread(const std::function<void()>& work) {
  const std::string name = module_ + ".here";
  ReusableTask errand{work};
  bp_submission submission{};
  submission.struct_size = sizeof submission;
  submission.flags = BP_SUBMIT_NO_STALE;
  submission.name = str(name);
  submission.on_reply = run_errand;
  submission.user = &errand;
  expect_ok(bp_submit(host_.context(), &submission, nullptr), name, bp_result{});
  errand.done.acquire();
  expect_ok(errand.status, name, bp_result{});
}

}  // namespace bench
