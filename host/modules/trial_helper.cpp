// SPDX-License-Identifier: Apache-2.0
//
// The protocol with backplane-trial, as host/trial/main.cpp describes it.
#include "modules/trial_helper.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <system_error>
#include <utility>

namespace backplane::host {
namespace {

constexpr std::size_t most_line = 4096;
constexpr std::size_t most_output = 16384;
constexpr std::size_t most_environment = std::size_t{2} << 20;

// Reads memory of this process that another thread may free meanwhile: an error then, and not a crash.
bool read_own(const void* from, void* to, std::size_t size) noexcept {
  const iovec source = {const_cast<void*>(from), size};
  const iovec target = {to, size};
  return ::syscall(SYS_process_vm_readv, ::getpid(), &target, 1, &source, 1, 0) == static_cast<ssize_t>(size);
}

// The application may change its environment at any time. Returns false if it cannot be read.
bool hash_environment(std::uint64_t& hash) noexcept {
  constexpr std::size_t page = 4096;  // or larger
  hash = 14695981039346656037u;       // FNV-1a
  std::size_t size = 0;
  for (char** each = ::environ; each != nullptr; ++each) {
    const char* at = nullptr;
    if (!read_own(each, &at, sizeof at)) return false;
    if (at == nullptr) return true;
    for (bool ends = false; !ends;) {
      char piece[256];
      const std::size_t count = std::min(sizeof piece, page - reinterpret_cast<std::uintptr_t>(at) % page);
      if ((size += count) > most_environment || !read_own(at, piece, count)) return false;
      for (std::size_t i = 0; i < count && !ends; ++i) {
        hash = (hash ^ static_cast<unsigned char>(piece[i])) * 1099511628211u;
        ends = piece[i] == '\0';
      }
      at += count;
    }
  }
  return true;
}

}  // namespace

TrialHelper::~TrialHelper() = default;

TrialHelper::Inherited TrialHelper::Inherited::now() noexcept {
  Inherited out;
  out.is_known = hash_environment(out.environment);
  struct stat here {};
  if (::stat(".", &here) == 0) {
    out.device = here.st_dev;
    out.directory = here.st_ino;
  }
  out.user = ::geteuid();
  out.group = ::getegid();
  return out;
}

void TrialHelper::stop() noexcept {
  child_.reset();
  requests_.reset();
  line_.clear();
}

void TrialHelper::start(int program) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    throw std::system_error(errno, std::generic_category(), "socketpair");
  }
  requests_ = UniqueFd(ends[0]);
  const UniqueFd input(ends[1]);
  inherited_ = Inherited::now();
  child_ = std::make_unique<QuietChild>(QuietChild::Program{
      program, {"backplane-trial", "--serve"}, input.get(), [this](std::string_view bytes) { take(bytes); }});
}

template <class F>
bool TrialHelper::send(const std::string& request, F over) {
  std::size_t put = 0;
  while (put < request.size() && !over()) {
    const ssize_t n = ::send(requests_.get(), request.data() + put, request.size() - put, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) put += static_cast<std::size_t>(n);
    if (n > 0 || errno == EINTR) continue;
    // It reads as soon as it runs.
    if (errno != EAGAIN || child_->wait(1)) return false;
  }
  return true;
}

void TrialHelper::take(std::string_view bytes) {
  for (const char c : bytes) {
    if (c == '\n') {
      take_line();
      line_.clear();
    } else if (line_.size() < most_line) {
      line_ += c;
    }
  }
}

// "ended CODE SIGNAL WHETHER_THE_HELPER_ENDS"; or a line of the trial.
void TrialHelper::take_line() {
  constexpr std::string_view ended = "ended ";
  if (!line_.starts_with(ended)) {
    if (ended_.output.size() + line_.size() < most_output) ended_.output += line_ + "\n";
    return;
  }
  int values[3] = {};
  const char* at = line_.data() + ended.size();
  const char* const end = line_.data() + line_.size();
  for (int& value : values) {
    at = std::from_chars(at, end, value).ptr;
    if (at != end) ++at;
  }
  ended_.code = values[0];
  ended_.signal = values[1];
  goes_ = values[2] != 0;
  over_ = true;
}

QuietChild::Ended TrialHelper::run(int program, const std::vector<std::string>& steps,
                                   std::chrono::milliseconds timeout, const std::function<bool()>& canceled) {
  using Clock = std::chrono::steady_clock;
  constexpr long look_ms = 50;
  const auto until = Clock::now() + timeout;
  std::string request(sizeof(std::uint32_t), '\0');
  for (const std::string& each : steps) request.append(each.c_str(), each.size() + 1);
  const auto size = static_cast<std::uint32_t>(request.size() - sizeof(std::uint32_t));
  std::memcpy(request.data(), &size, sizeof size);
  const auto begin = [&] {
    ended_ = {};
    over_ = goes_ = false;
    if (child_ == nullptr) start(program);
    return send(request, [&] { return Clock::now() >= until || canceled(); });  // then the trial does not end, either
  };
  // After an exception, its answer would be taken for that of the next trial.
  struct Guard {
    explicit Guard(TrialHelper& of) : helper(of) {}
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    ~Guard() {
      if (stops) helper.stop();
    }
    TrialHelper& helper;
    bool stops = true;
  } guard(*this);
  if (child_ != nullptr && (child_->wait(0) || !inherited_.still_true())) stop();
  const bool fresh = child_ == nullptr;
  if (!begin() && !fresh) {
    stop();
    begin();
  }
  bool helper_ended = false;
  while (!over_ && !helper_ended) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    if (left.count() <= 0 || canceled()) {
      (left.count() <= 0 ? ended_.in_time : ended_.canceled) = left.count() > 0;
      break;
    }
    helper_ended = child_->wait(static_cast<int>(std::clamp(static_cast<long>(left.count()), 1L, look_ms)));
  }
  QuietChild::Ended out = std::exchange(ended_, {});
  out.errors = child_->take_errors();
  if (helper_ended && !over_) {
    const QuietChild::Ended how = child_->ended();
    out.code = how.code;
    out.signal = how.signal;
  }
  guard.stops = !over_ || helper_ended || goes_;
  return out;
}

}  // namespace backplane::host
