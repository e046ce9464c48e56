// SPDX-License-Identifier: Apache-2.0
//
// What the rows in C++ share. A row is a program that checks itself.
#pragma once

#include <unistd.h>

#include <backplane/sdk.hpp>
#include <cstdlib>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "../rows.h"

namespace fiber_rows {

using backplane::Bytes;
using backplane::Call;
using backplane::Canceled;
using backplane::EntryReturned;
using backplane::Error;
using backplane::Fiber;
using backplane::Fibers;
using backplane::Milliseconds;
using backplane::View;

inline constexpr std::uint64_t main_id = BP_FIBER_MAIN;
inline constexpr bp_status code_seven = BP_STATUS_MODULE_FIRST + 7;

inline Bytes bytes_of(std::string_view text) { return {text.begin(), text.end()}; }
inline std::string text_of(View view) { return {view.begin(), view.end()}; }

class Row {
 public:
  Row(Call& of, View payload) : call(of), payload_(text_of(payload)) {}

  int number() const { return std::atoi(payload_.c_str()); }
  void note(char what) { log += what; }

  void expect(bool holds, const char* what, const char* file, int line) {
    if (!holds && wrong_.empty()) wrong_ = at(file, line) + what + " does not hold";
  }
  void expect_equal(long long found, long long expected, const char* what, const char* file, int line) {
    if (found == expected || !wrong_.empty()) return;
    wrong_ = at(file, line) + what + " is " + std::to_string(found) + "; expected " + std::to_string(expected);
  }
  void expect_text(std::string_view found, std::string_view expected, const char* what, const char* file, int line) {
    if (found == expected || !wrong_.empty()) return;
    wrong_ = at(file, line) + what + " is \"" + std::string(found) + "\"; expected \"" + std::string(expected) + "\"";
  }
  Bytes verdict() const { return bytes_of(wrong_.empty() ? "ok" : wrong_); }

  Call& call;
  std::string log;

 private:
  static std::string at(std::string_view file, int line) {
    return std::string(file.substr(file.find_last_of('/') + 1)) + ":" + std::to_string(line) + ": ";
  }

  std::string payload_;
  std::string wrong_;  // what was found first that should be otherwise
};

#define EXPECT(row, ...) (row).expect(static_cast<bool>(__VA_ARGS__), #__VA_ARGS__, __FILE__, __LINE__)
#define EXPECT_EQUAL(row, found, expected) \
  (row).expect_equal(static_cast<long long>(found), static_cast<long long>(expected), #found, __FILE__, __LINE__)
#define EXPECT_TEXT(row, found, expected) (row).expect_text(found, expected, #found, __FILE__, __LINE__)
/// What a switch, or anything else, ends with.
#define EXPECT_STATUS(row, expected, ...) \
  (row).expect_equal(status_of([&] { __VA_ARGS__; }), expected, #__VA_ARGS__, __FILE__, __LINE__)

template <class F>
bp_status status_of(F f) {
  try {
    f();
    return BP_OK;
  } catch (const Error& e) {
    return e.status();
  } catch (const Canceled& e) {
    return e.status;
  }
}

/// Goes to main over and over, and counts its turns, until it is destroyed.
[[noreturn]] inline void park(Fibers& fibers, int& count) {
  for (;;) {
    ++count;
    fibers.switch_to_main();
  }
}
[[noreturn]] inline void park(Fibers& fibers) {
  int count = 0;
  park(fibers, count);
}

/// Notes a letter when it goes: on a fiber's stack, when that is unwound.
class Guard {
 public:
  Guard(Row& row, char letter) : row_(row), letter_(letter) {}
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;
  ~Guard() { row_.note(letter_); }

 private:
  Row& row_;
  char letter_;
};

/// Part of a callable: counts how often what was made here goes, wherever it has been moved to.
class Load {
 public:
  explicit Load(int& freed) : freed_(&freed) {}
  Load(Load&& other) noexcept : freed_(std::exchange(other.freed_, nullptr)) {}
  Load& operator=(Load&&) = delete;
  ~Load() {
    if (freed_ != nullptr) ++*freed_;
  }

 private:
  int* freed_;
};

/// Writes a letter to the test's pipe when it goes, wherever it has been moved to.
class Teller {
 public:
  Teller(int fd, char letter) : fd_(fd), letter_(letter) {}
  Teller(Teller&& other) noexcept : fd_(std::exchange(other.fd_, -1)), letter_(other.letter_) {}
  Teller& operator=(Teller&&) = delete;
  ~Teller() {
    if (fd_ >= 0) tell(fd_, letter_);
  }
  static void tell(int fd, char letter) {
    if (::write(fd, &letter, 1) != 1) std::perror("fiber_cpp: the test's pipe cannot be written");
  }

 private:
  int fd_;
  char letter_;
};

template <auto play>
Bytes run(Call& call, View payload) {
  Row row(call, payload);
  play(row);
  return row.verdict();
}

#define ROW_FUNCTION(name) void name(Row& row);
FIBER_ROWS(ROW_FUNCTION)
FIBER_CPP_ROWS(ROW_FUNCTION)
#undef ROW_FUNCTION

Bytes echo(Call& call, View payload);
Bytes main_ends(Call& call, View payload);
Bytes early_reply(Call& call, View payload);
Bytes early_and_waits(Call& call, View payload);
Bytes calls_early(Call& call, View payload);
Bytes entry_returned_unasked(Call& call, View payload);
Bytes entry_returned_unasked_twice(Call& call, View payload);
Bytes main_fails(Call& call, View payload);
Bytes ended_while_waiting(Call& call, View payload);
Bytes deadline_kept(Call& call, View payload);
Bytes takes_stacks(Call& call, View payload);
Bytes nowhere(Call& call, View payload);

}  // namespace fiber_rows
