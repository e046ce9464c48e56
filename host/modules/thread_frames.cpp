// SPDX-License-Identifier: Apache-2.0
//
// Finds threads that will return to code that is about to be unmapped.
#include "modules/thread_frames.hpp"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <fstream>
#include <thread>

#include "support/directory.hpp"
#include "support/unique_fd.hpp"
#include "sync/host_thread.hpp"

namespace backplane::host {
namespace {

constexpr std::chrono::milliseconds look_again_for{200};
constexpr std::chrono::milliseconds look_again_after{2};
constexpr std::size_t most_stack = std::size_t{8} << 20;  // a deeper stack is read as far as this

using Ranges = std::vector<AddressRange>;

bool contains(const Ranges& ranges, std::uintptr_t address) noexcept {
  return std::any_of(ranges.begin(), ranges.end(), [&](const AddressRange& each) { return each.contains(address); });
}

std::string read_text(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return {};
  std::string out(512, '\0');
  const ssize_t size = ::read(file.get(), out.data(), out.size());
  out.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return out;
}

struct Position {
  enum class Kind { blocked, running, gone, unknown } kind = Kind::unknown;
  std::uintptr_t stack = 0;
  std::uintptr_t code = 0;
};

// "230 0x0 … 0x7ffd6ac894f8 0x7f9b6a002503", "-1 0x7f… 0x7f…" or "running"; see proc_pid_syscall(5).
Position position_of(const std::string& folder) {
  errno = 0;
  std::string text = read_text(folder + "/syscall");
  if (text.empty()) {
    const int error = errno;
    const bool exists = ::access(folder.c_str(), F_OK) == 0;  // a kernel may lack the file
    return {exists && error != ESRCH ? Position::Kind::unknown : Position::Kind::gone, 0, 0};
  }
  if (text.starts_with("running")) return {Position::Kind::running, 0, 0};
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  Position out{Position::Kind::blocked, 0, 0};
  std::uintptr_t* const into[] = {&out.code, &out.stack};
  for (std::uintptr_t* const value : into) {
    const auto space = text.rfind(' ');
    if (space == std::string::npos) return {};
    const std::string_view word = std::string_view(text).substr(space + 1);
    if (!word.starts_with("0x")) return {};
    std::from_chars(word.data() + 2, word.data() + word.size(), *value, 16);
    text.resize(space);
  }
  return out;
}

// Reads memory of the process that may be unmapped at any time. Returns how much could be read.
std::size_t read_memory(std::uintptr_t from, void* to, std::size_t size) noexcept {
  const iovec local{to, size};
  const iovec remote{reinterpret_cast<void*>(from), size};
  const ssize_t got = ::process_vm_readv(::getpid(), &local, 1, &remote, 1, 0);
  return got > 0 ? static_cast<std::size_t>(got) : 0;
}

// Whether the instruction before `address` is a call.
bool follows_call(std::uintptr_t address) noexcept {
#if defined(__x86_64__)
  constexpr std::size_t longest = 7;
  unsigned char bytes[longest];
  if (read_memory(address - longest, bytes, longest) != longest) return true;
  if (bytes[longest - 5] == 0xe8) return true;                 // call rel32
  for (std::size_t length = 2; length <= longest; ++length) {  // call through a register or memory
    if (bytes[longest - length] == 0xff && (bytes[longest - length + 1] >> 3 & 7) == 2) return true;
  }
  return false;
#else
  std::uint32_t instruction = 0;
  if (read_memory(address - 4, &instruction, 4) != 4) return true;
  return (instruction & 0xfc000000) == 0x94000000 || (instruction & 0xfffffc1f) == 0xd63f0000;
#endif
}

// What is mapped where.
class Mappings {
 public:
  Mappings() {
    std::ifstream file("/proc/self/maps");
    for (std::string line; std::getline(file, line);) {
      AddressRange range;
      const char* const end = line.data() + line.size();
      auto parsed = std::from_chars(line.data(), end, range.begin, 16);
      if (parsed.ec == std::errc() && parsed.ptr != end) parsed = std::from_chars(parsed.ptr + 1, end, range.end, 16);
      if (range.end == 0) continue;
      all_.push_back(range);
      if (end - parsed.ptr > 3 && parsed.ptr[3] == 'x') code_.push_back(range);  // " r-xp"
    }
  }
  std::uintptr_t begin_of(std::uintptr_t address) const noexcept { return find(address).begin; }
  std::uintptr_t end_of(std::uintptr_t address) const noexcept { return find(address).end; }
  bool is_code(std::uintptr_t address) const noexcept { return contains(code_, address); }

 private:
  AddressRange find(std::uintptr_t address) const noexcept {
    for (const AddressRange& each : all_) {
      if (each.contains(address)) return each;
    }
    return {};
  }

  Ranges all_;
  Ranges code_;
};

// `cannot_look`: the stack cannot be read at all.
bool has_frame(const Ranges& code, const Position& at, const Mappings& mappings, bool& cannot_look) {
  if (contains(code, at.code)) return true;
  const std::uintptr_t end = std::min<std::uintptr_t>(mappings.end_of(at.stack), at.stack + most_stack);
  std::uintptr_t words[1024];
  for (std::uintptr_t from = at.stack & ~std::uintptr_t{7}; from < end; from += sizeof words) {
    const std::size_t size = std::min<std::size_t>(sizeof words, end - from);
    const std::size_t got = read_memory(from, words, size) / sizeof words[0];
    for (std::size_t i = 0; i < got; ++i) {
      if (contains(code, words[i]) && mappings.is_code(words[i]) && follows_call(words[i])) return true;
    }
    if (got == 0 && from < at.stack + 8) cannot_look = true;
    if (got * sizeof words[0] < size) break;
  }
  return false;
}

// Where a thread began, as far as that can be seen while it runs. Its robust list lies in its thread structure, which
// has the start routine and its argument behind the list. The thread's stack lies below.
class ThreadBegin {
 public:
  ThreadBegin(::pid_t tid, const ProcessObjects& objects, const Mappings& mappings)
      : objects_(objects), mappings_(mappings) {
    std::size_t size = 0;
    void* head = nullptr;
    if (::syscall(SYS_get_robust_list, tid, &head, &size) != 0) return;
    list_ = reinterpret_cast<std::uintptr_t>(head) & ~std::uintptr_t{7};
  }

  bool is_in_others() const {
    const std::uintptr_t at = list_ == 0 ? 0 : routine();
    if (at != 0) return contains(objects_.others, at);
    return list_ != 0 && contains(objects_.others, first_frame());
  }

 private:
  // The start routine, or for std::thread, whose routine is the runtime's, the virtual table of what it runs; 0:
  // unknown.
  std::uintptr_t routine() const {
    std::uintptr_t words[256];
    const std::size_t count = read_memory(list_, words, sizeof words) / sizeof words[0];
    for (std::size_t i = 0; i + 1 < count; ++i) {
      if (!mappings_.is_code(words[i])) continue;
      if (!contains(objects_.plain, words[i])) return words[i];
      std::uintptr_t table = 0;
      if (read_memory(words[i + 1], &table, sizeof table) == sizeof table && is_of_object(table)) return table;
    }
    return 0;
  }

  // The first return address on its stack that is not the runtime's.
  std::uintptr_t first_frame() const {
    constexpr std::size_t most = std::size_t{1} << 20;
    std::uintptr_t words[512];
    const std::uintptr_t bottom = std::max(mappings_.begin_of(list_), list_ - most);
    for (std::uintptr_t end = list_; end > bottom;) {
      const std::size_t bytes = std::min<std::size_t>(sizeof words, end - bottom);
      if (read_memory(end - bytes, words, bytes) != bytes) return 0;
      for (std::size_t i = bytes / sizeof words[0]; i-- > 0;) {
        if (is_of_object(words[i]) && mappings_.is_code(words[i]) && follows_call(words[i])) return words[i];
      }
      end -= bytes;
    }
    return 0;
  }

  bool is_of_object(std::uintptr_t address) const {
    return contains(objects_.wanted, address) || contains(objects_.starters, address) ||
           contains(objects_.others, address);
  }

  const ProcessObjects& objects_;
  const Mappings& mappings_;
  std::uintptr_t list_ = 0;
};

// Whether the application has started it.
bool is_foreign(::pid_t tid, const ProcessObjects& objects, const Mappings& mappings) {
  return tid == ::getpid() || ThreadBegin(tid, objects, mappings).is_in_others();
}

std::string name_of(const std::string& folder) {
  std::string name = read_text(folder + "/comm");
  while (!name.empty() && name.back() == '\n') name.pop_back();
  return name;
}

}  // namespace

std::vector<ThreadInRange> threads_in(const ProcessObjects& objects, bool& cannot_look) {
  cannot_look = false;
  const std::string tasks = "/proc/self/task/";
  std::error_code error;
  std::vector<::pid_t> open;
  const ::pid_t self = ::gettid();
  for (const std::string& each : names_in(tasks, error)) {
    const ::pid_t tid = std::atoi(each.c_str());
    if (tid > 0 && tid != self && !HostThread::is_one(tid)) open.push_back(tid);
  }
  if (error) cannot_look = true;
  std::vector<ThreadInRange> found;
  const auto until = std::chrono::steady_clock::now() + look_again_for;
  while (!open.empty()) {
    const Mappings mappings;
    std::vector<::pid_t> running;
    for (const ::pid_t tid : open) {
      const std::string folder = tasks + std::to_string(tid);
      const Position at = position_of(folder);
      if (at.kind == Position::Kind::running && !is_foreign(tid, objects, mappings)) running.push_back(tid);
      if (at.kind == Position::Kind::unknown) cannot_look = true;
      if (at.kind == Position::Kind::blocked && has_frame(objects.wanted, at, mappings, cannot_look)) {
        // It may have gone on while its stack was read.
        const Position still = position_of(folder);
        if (still.kind == Position::Kind::blocked && still.stack == at.stack && still.code == at.code) {
          found.push_back({tid, name_of(folder), false});
        } else {
          running.push_back(tid);
        }
      }
    }
    open = std::move(running);
    if (open.empty()) break;
    if (std::chrono::steady_clock::now() >= until) {
      for (const ::pid_t tid : open) found.push_back({tid, name_of(tasks + std::to_string(tid)), true});
      break;
    }
    std::this_thread::sleep_for(look_again_after);
  }
  return found;
}

}  // namespace backplane::host
