// SPDX-License-Identifier: Apache-2.0
//
// The reader thread of a connection: sends collected frames, reads frames, and runs callbacks.
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <functional>
#include <limits>
#include <new>
#include <string>
#include <utility>

#include "remote/channel.hpp"
#include "support/typed_event.hpp"
#include "support/views.hpp"
#include "sync/clock.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {
namespace {

/// A buffer larger than this is freed when it is empty.
constexpr std::size_t keep = std::size_t{1} << 20;

constexpr const char* no_memory = "this application ran out of memory for the connection";

void say_cancel(wire::Bytes& out, std::uint64_t id) noexcept {
  try {
    wire::encode(out, wire::Cancel{id});
  } catch (const std::bad_alloc&) {
    // The host answers, and nobody waits for it.
  }
}

void give_back(wire::Bytes& bytes) noexcept {
  if (bytes.capacity() > keep) wire::Bytes().swap(bytes);
  bytes.clear();
}

}  // namespace

void Channel::loop() noexcept {
  thread_id_ = std::this_thread::get_id();
  to_.functions->begin([this](const wire::Answer& answer) { return this->answer(answer); });
  try {
    while (turn()) {
    }
  } catch (const std::exception&) {
    broken(no_memory);
  }
  bool finishing = false;
  {
    const MutexLock lock(mutex_);
    state_ = State::broken;
    broke_ms_ = unix_ms();
    finishing = finishing_;
    give_back(out_);
  }
  ::shutdown(socket_.get(), SHUT_RDWR);
  if (!finishing) {
    end_all(BP_UNREACHABLE, why_);
    tell_listeners();
  } else {
    end_all(BP_CANCELED, "this application is ending the connection");
  }
  to_.functions->lost();
  {
    const MutexLock lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }
  if (to_.on_end) to_.on_end(number_);
  thread_id_ = std::thread::id();  // once this thread is joined, another one may get its id
}

void Channel::tell_listeners() noexcept {
  try {
    wire::Bytes payload;
    cbor::Writer writer(payload);
    begin_typed_event(writer, "backplane.disconnected");
    writer.map(1);
    writer.text("reason");
    writer.text(why_);
    to_.events->push_to_all("backplane.disconnected", payload);
  } catch (const std::exception&) {
    // Out of memory. The calls of this application have ended, so it learns of the end all the same.
  }
}

/// Notes why the connection ends. Out of memory, the reason may be missing or short.
void Channel::broken(const char* what, int error) noexcept {
  try {
    why_ = what;
    if (error != 0) why_ += std::string(": ") + std::strerror(error);
  } catch (const std::bad_alloc&) {
    // `why_` has what there was memory for.
  }
}

/// One turn of the loop. Returns false if the connection has ended or must end.
bool Channel::turn() {
  if (!send_gathered()) return false;
  expire();
  const int timeout = sleep_time();
  if (timeout == std::numeric_limits<int>::min()) return false;
  const short wanted = sends_itself_ ? POLLIN | POLLOUT : POLLIN;
  pollfd waits[2] = {{socket_.get(), wanted, 0}, {wake_.get(), POLLIN, 0}};
  if (::poll(waits, 2, timeout) < 0 && errno != EINTR) {
    broken("poll failed", errno);
    return false;
  }
  {
    const MutexLock lock(mutex_);
    asleep_ = false;
    wakes_at_ = Clock::time_point::min();
    if (finishing_) return false;
  }
  if ((waits[1].revents & POLLIN) != 0) {
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t size = ::read(wake_.get(), &count, sizeof count);
  }
  return (waits[0].revents & (POLLIN | POLLHUP | POLLERR)) == 0 || receive();
}

/// The timeout for poll() in milliseconds. The smallest int if the thread must end.
int Channel::sleep_time() {
  const MutexLock lock(mutex_);
  if (finishing_) return std::numeric_limits<int>::min();
  if (!out_.empty() && !sends_itself_) return 0;
  asleep_ = true;
  if (deadlines_.empty()) {
    wakes_at_ = Clock::time_point::max();
    return -1;
  }
  wakes_at_ = deadlines_.front().at;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(wakes_at_ - Clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, std::numeric_limits<int>::max()));
}

/// Sends all collected frames. Returns false if the connection is broken.
bool Channel::send_gathered() {
  for (;;) {
    {
      const MutexLock lock(mutex_);
      if (sent_ == sending_.size()) {
        give_back(sending_);
        sent_ = 0;
        if (out_.empty()) {
          sends_itself_ = false;
          return true;
        }
        sending_.swap(out_);
      }
      sends_itself_ = true;  // frames that other threads append meanwhile must come after this
    }
    const ssize_t size =
        ::send(socket_.get(), sending_.data() + sent_, sending_.size() - sent_, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size >= 0) {
      sent_ += static_cast<std::size_t>(size);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return true;
    } else if (errno == EPIPE || errno == ECONNRESET) {
      // The host may have sent an error frame before it closed. So continue reading until the end of the stream.
      const MutexLock lock(mutex_);
      give_back(sending_);
      sent_ = 0;
      give_back(out_);
      sends_itself_ = false;
      return true;
    } else if (errno != EINTR) {
      broken("sending to the host failed", errno);
      return false;
    }
  }
}

/// Reads once, and handles all complete frames. Returns false if the connection has ended.
bool Channel::receive() {
  const auto room = in_.room();
  const ssize_t size = ::recv(socket_.get(), room.data(), room.size(), MSG_DONTWAIT);
  if (size < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK)) return true;
  if (size <= 0) {
    broken("the host has closed the connection");
    return false;
  }
  in_.filled(static_cast<std::size_t>(size));
  try {
    wire::View body;
    while (in_.next(body)) {
      take(wire::decode(body));
      if (!why_.empty()) return false;
    }
    give_credit();
  } catch (const wire::ProtocolError& error) {
    broken((std::string("the host sent ") + error.what()).c_str());
    return false;
  }
  return true;
}

void Channel::take(const wire::Frame& frame) {
  if (const auto* answer = std::get_if<wire::Reply>(&frame)) return reply(*answer);
  if (const auto* credit = std::get_if<wire::Credit>(&frame)) return on_credit(*credit);
  if (const auto* event = std::get_if<wire::Event>(&frame)) {
    to_.events->push(*event);
    return;
  }
  if (const auto* error = std::get_if<wire::Error>(&frame)) {
    why_ = "the host has ended the connection: " + std::string(error->message);
    return;
  }
  if (const auto* ask = std::get_if<wire::Ask>(&frame)) {
    return to_.functions->ask(*ask);
  }
  if (const auto* unask = std::get_if<wire::Unask>(&frame)) return to_.functions->unask(unask->token);
  throw wire::ProtocolError(wire::a_frame(frame) + "; expected a reply, an event, an ask or an error");
}

void Channel::reply(const wire::Reply& reply) {
  Open call;
  {
    const MutexLock lock(mutex_);
    if (wire::is_terminal(reply.status)) {
      if (!calls_.take(reply.id, call)) return;  // it was ended by expire(), or removed by forget()
      if (calls_.size() == 0) changed_.notify_all();
    } else {
      const auto* const entry = calls_.find(reply.id);
      if (entry == nullptr) return;
      call = entry->value;
    }
  }
  bp_answer answer{};
  answer.struct_size = sizeof answer;
  answer.status = reply.status;
  answer.payload = bytes(reply.payload);
  answer.message = str(reply.message);
  answer.detail = bytes(reply.detail);
  call.on_reply(call.user, &answer);
  if (reply.status == BP_PARTIAL && call.credited && !call.by_hand)
    took_part(reply.id, Window::cost_of(reply.payload.size()));
}

/// A callback has taken a part. The credit for all parts of this look is one frame for each call: a part that is larger
/// than the window waits until nothing is on its way, so nothing may be left over for a later look.
void Channel::took_part(std::uint64_t id, std::uint64_t size) {
  const MutexLock lock(mutex_);
  auto* const entry = calls_.find(id);
  if (entry == nullptr) return;  // ended by the callback
  entry->value.due += size;
  if (!std::exchange(entry->value.is_due, true)) due_.push_back(id);
}

void Channel::give_credit() {
  if (due_.empty()) return;
  const MutexLock lock(mutex_);
  for (const std::uint64_t id : due_) {
    auto* const entry = calls_.find(id);
    if (entry == nullptr) continue;  // it has ended
    wire::encode(out_, wire::Credit{id, std::exchange(entry->value.due, std::uint64_t{0})});
    entry->value.is_due = false;
  }
  due_.clear();
}

void Channel::on_credit(const wire::Credit& credit) {
  Open call;
  {
    const MutexLock lock(mutex_);
    const auto* const entry = calls_.find(credit.id);
    if (entry == nullptr || entry->value.sent == nullptr) return;
    call = entry->value;
    call.sent->credit(credit.bytes);
  }
  if (call.sent->on_credit != nullptr) call.sent->on_credit(call.user, credit.bytes);
}

/// Ends calls whose deadline has passed without an answer of the host.
void Channel::expire() {
  for (;;) {
    Open call;
    {
      const MutexLock lock(mutex_);
      if (deadlines_.empty() || deadlines_.front().at > Clock::now()) return;
      const std::uint64_t id = deadlines_.front().id;
      std::pop_heap(deadlines_.begin(), deadlines_.end(), std::greater<>());
      deadlines_.pop_back();
      if (!calls_.take(id, call)) continue;
      if (calls_.size() == 0) changed_.notify_all();
      if (out_.size() < keep) say_cancel(out_, id);  // the host may still read
    }
    std::array<char, 128> text{};
    std::snprintf(text.data(), text.size(), "the host has not answered within the %llu ms of this call's deadline",
                  static_cast<unsigned long long>(call.timeout_ms));
    bp_answer answer{};
    answer.struct_size = sizeof answer;
    answer.status = BP_DEADLINE;
    answer.message = str(text.data());
    call.on_reply(call.user, &answer);
  }
}

void Channel::end_all(bp_status status, std::string_view why) noexcept {
  bp_answer answer{};
  answer.struct_size = sizeof answer;
  answer.status = status;
  answer.message = str(why);
  try {
    while (end_in_order(answer)) {
    }
    return;
  } catch (const std::bad_alloc&) {
    // Without memory they end in any order.
  }
  for (std::size_t bucket = 0;;) {
    Open call;
    {
      const MutexLock lock(mutex_);
      const bool any = calls_.take_any(bucket, call);
      changed_.notify_all();
      if (!any) return;  // none can be opened any more
    }
    call.on_reply(call.user, &answer);
  }
}

/// Ends all open calls, the oldest first. Returns false if there was none. Throws std::bad_alloc and ends none.
bool Channel::end_in_order(const bp_answer& answer) {
  std::vector<Open> open;
  {
    const MutexLock lock(mutex_);
    std::vector<std::uint64_t> ids;
    ids.reserve(calls_.size());
    calls_.for_each([&ids](const auto& entry) { ids.push_back(entry.id); });
    std::sort(ids.begin(), ids.end());
    open.resize(ids.size());
    for (std::size_t i = 0; i < ids.size(); ++i) calls_.take(ids[i], open[i]);
    changed_.notify_all();
  }
  for (const Open& call : open) call.on_reply(call.user, &answer);
  return !open.empty();
}

}  // namespace backplane::host
