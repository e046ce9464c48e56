// SPDX-License-Identifier: Apache-2.0
//
// The loop of the load generator: one thread, one epoll set, and one Link for each connection.
#include "cli/load_generator.hpp"

#include <backplane/backplane.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include "cli/failure.hpp"
#include "cli/load_generator_connect.hpp"
#include "cli/load_generator_wire.hpp"
#include "cli/output.hpp"
#include "cli/wait.hpp"
#include "support/unique_fd.hpp"
#include "sync/clock.hpp"

namespace backplane::host::cli {
namespace {

/// Size of a connection's output buffer. A larger request gets a buffer of its own size.
constexpr std::size_t out_size = std::size_t{256} << 10;
constexpr std::size_t in_size = std::size_t{64} << 10;
constexpr std::uint64_t progress_ns = 5'000'000'000;  // runs shorter than this show no progress

/// One connection: its buffers, and the time at which each open call was sent.
template <class Wire>
struct Link {
  Link(UniqueFd fd, Wire with, const Load& load)
      : socket(std::move(fd)),
        wire(std::move(with)),
        in(in_size),
        out(std::max(out_size, wire.request_size())),
        sent_at(load.in_flight),
        room(load.in_flight) {}

  UniqueFd socket;
  Wire wire;
  std::vector<std::uint8_t> in, out;
  std::size_t in_begin = 0, in_end = 0, out_begin = 0, out_end = 0;
  std::vector<std::uint64_t> sent_at;  // by slot
  std::uint32_t room;                  // how many more calls may be opened
  bool waits_to_write = false;
};

template <class Wire>
class Generator {
 public:
  Generator(const Load& load, std::vector<std::unique_ptr<Link<Wire>>> links)
      : load_(load), links_(std::move(links)), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    watch(signals_.fd(), EPOLL_CTL_ADD, EPOLLIN, nullptr);
    for (const auto& link : links_) watch(link->socket.get(), EPOLL_CTL_ADD, EPOLLIN, link.get());
  }

  LoadReport run() {
    began_ = last_ = heard_ = shown_ = static_cast<std::uint64_t>(now());
    try {
      for (const auto& link : links_) send(*link);
      while (open_ > 0 && !report_.interrupted) wait();
    } catch (CommandFailure& failure) {  // the measurements so far are still useful
      report_.failure = std::move(failure);
    }
    report_.ns = heard_ - began_;
    report_.elapsed_ns = static_cast<std::uint64_t>(now()) - began_;
    report_.open = open_;
    latency_.add_to(report_.latency);
    if (progress_) std::fputs("\r\033[K", stderr);
    return std::move(report_);
  }

 private:
  void watch(int fd, int operation, std::uint32_t events, void* what) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = what;
    if (::epoll_ctl(epoll_.get(), operation, fd, &event) != 0) {
      throw CommandFailure{exit_error, BP_IO, cat("cannot wait for a connection: ", std::strerror(errno))};
    }
  }

  void wait() {
    epoll_event events[64];
    const int count = ::epoll_wait(epoll_.get(), events, 64, 250);
    last_ = static_cast<std::uint64_t>(now());
    if (count <= 0) look_around();
    for (int i = 0; i < count; ++i) {
      auto* const link = static_cast<Link<Wire>*>(events[i].data.ptr);
      if (link == nullptr) {
        report_.interrupted = signals_.take() != 0;
        return;
      }
      if ((events[i].events & ~std::uint32_t{EPOLLOUT}) != 0) receive(*link);
      // Send the next batch only after the whole batch before it has ended, as redis-benchmark does.
      if (link->waits_to_write || link->room == load_.in_flight) send(*link);
    }
    if (progress_ && last_ - shown_ >= progress_ns) look_around();
  }

  void look_around() {
    // heard_ may be later than last_ if this round has read an answer, so last_ - heard_ could wrap.
    if (last_ >= heard_ + load_.silence_ns) {
      throw CommandFailure{
          exit_timeout,
          BP_TIMEOUT,
          cat("no answer for ", std::to_string(load_.silence_ns / 1'000'000), " ms; ", counted(report_.calls, "call"),
              " had been answered, ", open_text()),
          {},
          load_.redis ? "the server hangs or was stopped; --timeout MS waits longer"
                      : "the host hangs or was stopped; check it with backplane status. If the handler is slow, "
                        "--timeout MS waits longer"};
    }
    if (!progress_ || last_ - shown_ < progress_ns) return;
    shown_ = last_;
    const std::string total = load_.until_ns ? std::string() : cat(" of ", std::to_string(load_.calls));
    std::fputs(
        cat("\rbackplane: ", std::to_string(report_.calls), total, " calls; Ctrl-C ends and prints the report\033[K")
            .c_str(),
        stderr);
  }

  std::string open_text() const { return cat(std::to_string(open_), open_ == 1 ? " is open" : " are open"); }

  bool more() const { return begun_ < load_.calls && (!load_.until_ns || last_ - began_ < *load_.until_ns); }

  /// Opens as many calls as allowed, and writes until the socket is full.
  void send(Link<Wire>& link) {
    for (;;) {
      write_requests(link);
      if (link.out_begin == link.out_end) return want_writable(link, false);
      const ssize_t size = ::send(link.socket.get(), link.out.data() + link.out_begin, link.out_end - link.out_begin,
                                  MSG_DONTWAIT | MSG_NOSIGNAL);
      if (size < 0 && errno == EINTR) continue;
      if (size < 0 && errno == EAGAIN) return want_writable(link, true);
      if (size < 0) return receive(link);  // the peer may have sent a reason before it closed
      link.out_begin += static_cast<std::size_t>(size);
      if (link.out_begin == link.out_end) {
        link.out_begin = link.out_end = 0;
        if (link.room == 0 || !more()) return want_writable(link, false);
      }
    }
  }

  void write_requests(Link<Wire>& link) {
    const std::size_t size = link.wire.request_size();
    if (link.out_begin != 0 && link.out.size() - link.out_end < size) {
      std::memmove(link.out.data(), link.out.data() + link.out_begin, link.out_end - link.out_begin);
      link.out_end -= link.out_begin;
      link.out_begin = 0;
    }
    const std::uint64_t at = static_cast<std::uint64_t>(now());
    while (link.room > 0 && link.out.size() - link.out_end >= size && more()) {
      link.sent_at[link.wire.write(link.out.data() + link.out_end)] = at;
      link.out_end += size;
      --link.room;
      ++begun_;
      ++open_;
    }
  }

  void want_writable(Link<Wire>& link, bool wanted) {
    if (link.waits_to_write == wanted) return;
    link.waits_to_write = wanted;
    watch(link.socket.get(), EPOLL_CTL_MOD, wanted ? EPOLLIN | EPOLLOUT : EPOLLIN, &link);
  }

  /// Reads once. epoll is level-triggered and reports the rest in the next wait().
  void receive(Link<Wire>& link) {
    if (link.in_begin == link.in_end) {
      link.in_begin = link.in_end = 0;
    } else if (link.in.size() - link.in_end < in_size / 2) {
      std::memmove(link.in.data(), link.in.data() + link.in_begin, link.in_end - link.in_begin);
      link.in_end -= link.in_begin;
      link.in_begin = 0;
      if (link.in.size() - link.in_end < in_size / 2) link.in.resize(link.in.size() * 2);
    }
    const ssize_t size =
        ::recv(link.socket.get(), link.in.data() + link.in_end, link.in.size() - link.in_end, MSG_DONTWAIT);
    if (size < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (size <= 0) {
      throw CommandFailure{exit_unreachable,
                           BP_UNREACHABLE,
                           cat("the server on ", load_.socket, " has closed the connection after ",
                               counted(report_.calls, "call"), "; ", open_text()),
                           {},
                           load_.redis ? "the server has ended, or has refused the input; see its log"
                                       : "the host has ended or was stopped; check it with backplane status"};
    }
    link.in_end += static_cast<std::size_t>(size);
    take_answers(link);
  }

  void take_answers(Link<Wire>& link) {
    heard_ = static_cast<std::uint64_t>(now());
    std::uint64_t sent = 0;
    std::uint64_t together = 0;  // answers to calls that were sent together, so their latency is equal
    while (link.in_begin != link.in_end) {
      const Answer answer = link.wire.read(cbor::View(link.in).subspan(link.in_begin, link.in_end - link.in_begin));
      if (answer.size == 0) break;
      link.in_begin += answer.size;
      if (!answer.terminal) continue;
      if (answer.slot >= link.sent_at.size() || link.room >= load_.in_flight) {
        throw CommandFailure{exit_unreachable, BP_PROTOCOL,
                             cat("the server on ", load_.socket, " sent an answer to a call that was never made")};
      }
      if (link.sent_at[answer.slot] != sent) {
        if (together != 0) latency_.record(heard_ - sent, together);
        sent = link.sent_at[answer.slot];
        together = 0;
      }
      ++together;
      ++link.room;
      --open_;
      ++report_.calls;
      if (answer.status != BP_OK) {
        count_error(answer);
      } else if (load_.echoes && !answer.echoed &&
                 !std::equal(answer.payload.begin(), answer.payload.end(), load_.payload.begin(),
                             load_.payload.end())) {
        ++report_.wrong;
      }
    }
    if (together != 0) latency_.record(heard_ - sent, together);
  }

  void count_error(const Answer& answer) {
    if (report_.errors++ != 0) return;
    report_.status = answer.status;
    report_.message.assign(answer.message.begin(), answer.message.end());
  }

  const Load& load_;
  Signals signals_;
  std::vector<std::unique_ptr<Link<Wire>>> links_;
  UniqueFd epoll_;
  LoadReport report_;
  Histogram latency_;
  std::uint64_t begun_ = 0, open_ = 0;
  std::uint64_t began_ = 0, last_ = 0, heard_ = 0, shown_ = 0;  // ns
  const bool progress_ = ::isatty(STDERR_FILENO) == 1;
};

template <class Wire>
LoadReport generate_with(const Load& load, const Wire& wire) {
  std::vector<std::unique_ptr<Link<Wire>>> links;
  for (std::uint32_t i = 0; i < load.connections; ++i) {
    links.push_back(std::make_unique<Link<Wire>>(connect_to(load.socket, !load.redis), wire, load));
  }
  return Generator<Wire>(load, std::move(links)).run();
}

}  // namespace

std::string counted(std::uint64_t number, const char* thing) {
  return cat(std::to_string(number), " ", thing, number == 1 ? "" : "s");
}

LoadReport generate(const Load& load) {
  return load.redis ? generate_with(load, RespWire(load.payload, load.in_flight))
                    : generate_with(load, FrameWire(load.method, load.payload, load.echoes, load.in_flight));
}

}  // namespace backplane::host::cli
