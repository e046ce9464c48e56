// SPDX-License-Identifier: Apache-2.0
//
// The table of all rows, and running one of them in a child process.
#include "rows.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <iterator>
#include <stdexcept>
#include <type_traits>

namespace bench {
namespace {

// Many times what the slowest row takes on a slow machine.
constexpr unsigned seconds_allowed = 300;

/// What the child sends: this, and behind it the tail, or the text of the error.
struct Report {
  bool measured = false;
  Measured first = {};
};
static_assert(std::is_trivially_copyable_v<Report>);

void send(int fd, const void* data, std::size_t size) {
  const char* at = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t sent = ::write(fd, at, size);
    if (sent <= 0) return;
    at += sent;
    size -= static_cast<std::size_t>(sent);
  }
}

[[noreturn]] void be_the_child(const Row& row, Effort effort, int fd) {
  ::alarm(seconds_allowed);
  Report report;
  std::string error;
  std::vector<Measured> tail;
  try {
    const Figure figure = row.measure(effort);
    report = {true, {figure.value, figure.floor}};
    tail = figure.tail;
  } catch (const std::exception& e) {
    error = e.what();
  }
  send(fd, &report, sizeof report);
  send(fd, tail.data(), tail.size() * sizeof(Measured));
  send(fd, error.data(), error.size());
  ::_exit(0);
}

std::string all_of(int fd) {
  std::string bytes;
  char part[1024];
  for (;;) {
    const ssize_t got = ::read(fd, part, sizeof part);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return bytes;
    bytes.append(part, static_cast<std::size_t>(got));
  }
}

std::string how_it_ended(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) {
    return "it took longer than " + std::to_string(seconds_allowed) + " s and was ended";
  }
  if (WIFSIGNALED(status)) return std::string("its process was ended by a signal: ") + ::strsignal(WTERMSIG(status));
  return "its process ended without a word, exit code " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

std::vector<Row> all_rows() {
  std::vector<Row> rows;
  for (const auto part :
       {request_echo_rows(), roundtrip_rows(),    typed_rows(),      client_call_rows(),   payload_rows(),
        events_rows(),       hostfn_rows(),       lookup_rows(),     lookup_handle_rows(), reload_rows(),
        fiber_switch_rows(), fiber_create_rows(), fiber_many_rows(), codec_rows(),         life_rows(),
        start_rows(),        waiting_rows(),      server_rows(),     stream_rows(),        overload_rows()}) {
    rows.insert(rows.end(), part.begin(), part.end());
  }
  return rows;
}

bool belongs(const Row& row, std::string_view wanted) {
  const std::string_view name = row.name;
  if (name == wanted || (name.starts_with(wanted) && name.substr(wanted.size()).starts_with('.'))) return true;
  return row.quantiles && std::any_of(std::begin(tails), std::end(tails), [&](std::string_view tail) {
           return wanted.starts_with(name) && wanted.substr(name.size()) == tail;
         });
}

std::optional<double> ratio(const Measured& measured) {
  if (!measured.floor || *measured.floor == 0) return std::nullopt;
  return measured.value / *measured.floor;
}

std::optional<bool> Outcome::met() const {
  if (row.reach.of == Reach::Of::none) return std::nullopt;
  if (!error.empty()) return false;
  const std::optional<double> measured =
      row.reach.of == Reach::Of::ratio ? ratio({figure.value, figure.floor}) : figure.value;
  if (!measured) return false;
  return row.reach.side == Reach::Side::at_most ? *measured <= row.reach.limit : *measured >= row.reach.limit;
}

Outcome run_apart(const Row& row, Effort effort) {
  int ends[2];
  if (::pipe(ends) != 0) throw std::runtime_error(std::string("no pipe for a row: ") + std::strerror(errno));
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error(std::string("no process for a row: ") + std::strerror(errno));
  if (child == 0) {
    ::close(ends[0]);
    be_the_child(row, effort, ends[1]);
  }
  ::close(ends[1]);
  const std::string bytes = all_of(ends[0]);
  ::close(ends[0]);
  const std::string ended = how_it_ended(child);
  Outcome outcome{row, {}, {}};
  Report report;
  if (bytes.size() < sizeof report) {
    outcome.error = ended;
    return outcome;
  }
  std::memcpy(&report, bytes.data(), sizeof report);
  if (!report.measured) {
    outcome.error = bytes.size() > sizeof report ? bytes.substr(sizeof report) : "it failed without a reason";
    return outcome;
  }
  outcome.figure.value = report.first.value;
  outcome.figure.floor = report.first.floor;
  outcome.figure.tail.resize((bytes.size() - sizeof report) / sizeof(Measured));
  if (!outcome.figure.tail.empty()) {
    std::memcpy(outcome.figure.tail.data(), bytes.data() + sizeof report,
                outcome.figure.tail.size() * sizeof(Measured));
  }
  if (outcome.figure.tail.size() != (row.quantiles ? std::size(tails) : 0)) {
    outcome.error = "it measured " + std::to_string(outcome.figure.tail.size()) + " quantiles besides the median";
  }
  return outcome;
}

}  // namespace bench
