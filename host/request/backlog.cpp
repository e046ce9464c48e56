// SPDX-License-Identifier: Apache-2.0
//
// What only some calls need of the backlog. The way in is in submit.cpp; taking out is in the header.
#include "request/backlog.hpp"

#include <utility>

#include "request/submission.hpp"

namespace backplane::host {

void Backlog::get_spares() noexcept {
  spares_ = Request::slab().allocate(spare_records_at_once);
  for (Request* each = spares_; each != nullptr; each = each->next) {
    set_up(*each, &thread_);
    ++spare_count_;
  }
}

void Backlog::free_spares() noexcept {
  while (spares_ != nullptr) Request::slab().free(std::exchange(spares_, spares_->next));
  spare_count_ = 0;
}

void Backlog::push(Request& request) noexcept {
  Source* const source = Source::at(request.source);
  if (source == nullptr) return queue_.push(&request);
  push(request, *source);
}

// A turn of a line is one call, or those of some microseconds: then the answers to one connection leave together.
Request* Backlog::take_from_line(Ticks time) noexcept {
  static const Ticks turn = ticks_in(10'000);
  if (lines_.empty()) return nullptr;
  drop_single_writer(in_lines_);
  const std::uint64_t changes = lines_.changes();
  Request* const request = lines_.pop(cost_in_line, span(line_began_, time) < turn);
  if (lines_.changes() != changes) line_began_ = time;
  return request;
}

bool Backlog::take_without_record(InlineCall& call) noexcept {
  no_memory_ = false;
  auto* const entry = ingress_.front();
  if (entry == nullptr || !entry->is_inline) return false;
  call = entry->inline_call;
  ingress_.pop();
  return true;
}

Request* Backlog::new_inner_request(const Method* method, std::string_view name, bp_bytes payload, Nanos deadline,
                                    Waiter& waiter) {
  Request* const request = new_request();
  if (request == nullptr) return nullptr;
  const SubmitStamps::Wish wish = stamps_.wish(number_of(request->token()));
  request->waited = wish == SubmitStamps::Wish::no ? 0 : SubmitStamps::stamp(wish, ticks());
  request->method = method;
  // The record may come from an inline call, which leaves behind what the next one overwrites.
  request->on_reply = nullptr;
  request->user = &waiter;
  request->wants_stale = false;
  request->deadline = deadline;
  request->depth = static_cast<std::uint16_t>(waiter.request.depth + 1);
  if (request->method == nullptr) request->answer.fail(BP_UNKNOWN_NAME, unknown_name_text(name));
  if (!request->payload.copy(payload)) {
    request->answer.clear();
    free_request(*request);
    return nullptr;
  }
  if (Source* const source = Source::at(waiter.request.source)) {
    Sources::enter(*source);
    request->source = source->number();
  }
  request->arm();
  return request;
}

}  // namespace backplane::host
