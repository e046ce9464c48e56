// SPDX-License-Identifier: Apache-2.0
#include "cli/part_feed.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>

#include "cli/failure.hpp"
#include "cli/json/json.hpp"
#include "cli/output.hpp"

namespace backplane::host::cli {
namespace {

constexpr std::size_t longest_line = std::size_t{64} << 20;

}  // namespace

PartFeed::PartFeed(const std::string& operand, bool raw, std::function<void(std::string)> on_fault)
    : name_(operand == "-" ? "stdin" : cat("\"", operand, "\"")), raw_(raw), on_fault_(std::move(on_fault)) {
  if (operand == "-") {
    fd_ = STDIN_FILENO;
    return;
  }
  opened_ = UniqueFd(::open(operand.c_str(), O_RDONLY | O_CLOEXEC));
  if (!opened_) throw usage(cat("cannot open ", name_, ": ", std::strerror(errno)));
  fd_ = opened_.get();
}

PartFeed::~PartFeed() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    changed_.notify_all();
  }
  stop_.ring();
  if (thread_.joinable()) thread_.join();
}

void PartFeed::start(bp_context context, bp_request request) {
  context_ = context;
  request_ = request;
  thread_ = std::thread([this] { run(); });
}

void PartFeed::has_room() {
  const std::lock_guard lock(mutex_);
  ++room_;
  changed_.notify_all();
}

void PartFeed::run() noexcept try {
  while (read()) {
  }
} catch (const std::bad_alloc&) {
  on_fault_({});
}

// Reads once, and sends the lines that are complete. False at the end.
bool PartFeed::read() {
  pollfd waits[2] = {{fd_, POLLIN, 0}, {stop_.fd(), POLLIN, 0}};
  if (::poll(waits, 2, -1) < 0) return errno == EINTR || fault(cat("cannot wait: ", std::strerror(errno)));
  if (waits[1].revents != 0) return false;
  char buffer[65536];
  const ssize_t size = ::read(fd_, buffer, sizeof buffer);
  if (size < 0) return errno == EINTR || errno == EAGAIN || fault(std::strerror(errno));
  text_.append(buffer, static_cast<std::size_t>(size));
  if (!take_lines(size == 0)) return false;
  if (size == 0) send(cbor::View(), BP_PART_END);
  return size != 0;
}

bool PartFeed::take_lines(bool at_end) {
  std::size_t begin = 0;
  for (;;) {
    std::size_t end = text_.find('\n', begin);
    if (end == std::string::npos) {
      if (!at_end || begin == text_.size()) break;
      end = text_.size();
    }
    ++line_;
    std::string_view line = std::string_view(text_).substr(begin, end - begin);
    if (!raw_ && line.ends_with('\r')) line.remove_suffix(1);
    const bool empty = raw_ ? line.empty() : line.find_first_not_of(" \t") == std::string_view::npos;
    if (!empty) {
      ++part_;
      if (!send(line)) return false;
    }
    begin = std::min(end + 1, text_.size());
  }
  text_.erase(0, begin);
  return text_.size() <= longest_line || fault("the line is longer than 64 MiB");
}

bool PartFeed::send(std::string_view line) {
  if (raw_) return send(cbor::View(reinterpret_cast<const std::uint8_t*>(line.data()), line.size()), 0);
  cbor::Bytes part;
  try {
    part = json_to_payload(line);
  } catch (const JsonError& error) {
    return fault(cat("the line is not JSON as Backplane reads it: ", error.what()));
  }
  return send(part, 0);
}

bool PartFeed::send(cbor::View part, std::uint32_t flags) {
  std::unique_lock lock(mutex_);
  while (!stopped_) {
    const std::uint64_t before = room_;
    lock.unlock();
    const bp_status status = bp_request_part(context_, request_, {part.data(), part.size()}, flags);
    if (status == BP_OK) return true;
    // The call has ended, and its answer says why.
    if (status == BP_INVALID_HANDLE || status == BP_UNREACHABLE || status == BP_CLOSED) return false;
    if (status == BP_INVALID_ARGUMENT) return fault("the line is more than the host accepts as one part");
    if (status != BP_WOULD_BLOCK) return fault(bp_status_text(status));
    lock.lock();
    changed_.wait(lock, [&] { return stopped_ || room_ != before; });
  }
  return false;
}

bool PartFeed::fault(std::string why) {
  std::string where = name_;
  if (line_ != 0) where += cat(", line ", std::to_string(line_), " (part ", std::to_string(part_), ")");
  on_fault_(cat(where, ": ", why));
  return false;
}

}  // namespace backplane::host::cli
