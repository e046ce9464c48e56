// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <array>
#include <deque>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "world.hpp"

namespace stress {

struct Verb;

/// One call: what was sent, and what came back. Kept until its context has been settled.
struct Call : Mark {
  Life* life = nullptr;
  const Verb* verb = nullptr;
  bool steady = false;  ///< to the module that is never unloaded
  bool has_order = false;
  bool timed = false;
  bool no_stale = false;
  bool sync = false;     ///< by bp_call_sync, which drops parts
  bool again = false;    ///< the terminal reply submits another one
  bool reenter = false;  ///< the terminal reply tries what is refused there
  Order order;
  const std::uint8_t* tail = nullptr;  ///< of the payload, in noise()
  std::uint32_t tail_size = 0;

  std::atomic<bool> accepted{false};
  std::atomic<std::uint64_t> request{0};
  std::atomic<std::uint32_t> terminal{0};
  std::atomic<std::uint32_t> partial{0};
  std::atomic<std::uint32_t> sent{0};     ///< parts of the request that the host took
  bool by_hand = false;                   ///< on_reply gives credit for parts
  std::atomic<std::uint32_t> after{0};    ///< replies of any kind after the terminal one
  std::atomic<std::uint32_t> cancels{0};  ///< that returned BP_OK
  std::atomic<bp_status> status{BP_OK};
};

struct Listening {
  Life* life = nullptr;
  std::uint64_t behaviour = 0;
  std::size_t place = 0;
  std::uint64_t id = 0;  ///< guarded by Life::listeners_mutex
  std::atomic<int> inside{0};
  std::atomic<bool> gone{false};  ///< removed: must not be called again
  Count seen{0};                  ///< events, without gaps
  Count lost{0};                  ///< as gaps have told
};

struct Providing {
  Life* life = nullptr;
  std::uint64_t behaviour = 0;
  std::size_t place = 0;
  std::atomic<int> inside{0};
  std::atomic<bool> gone{false};  ///< replaced or taken away: must not be called again
};

/// The program's own counts of one context, against which the host's are held.
struct OwnCounts {
  Count accepted{0};
  Count terminal{0};
  Count errors{0};   ///< terminal replies that were not BP_OK
  Count refused{0};  ///< submits the context refused
  Count handed{0};   ///< tokens given to the application's functions
  Count completed{0};
  Count stale_completions{0};
  Count events_seen{0};    ///< by the listener that hears all
  Count events_lost{0};    ///< as gaps have told it
  Count events_waited{0};  ///< of those seen: with BP_EVENT_LOSSLESS
  Count listeners{0};      ///< there are now
};

/// One context from its creation until it has been settled.
class Life : public std::enable_shared_from_this<Life> {
 public:
  static constexpr std::size_t recent_count = 128;
  static constexpr std::size_t listener_places = 6;
  static constexpr std::size_t function_places = 5;
  static constexpr std::size_t token_count = 32;
  static constexpr std::size_t source_count = 3;

  explicit Life(World& of) : world(of) {}
  Life(const Life&) = delete;
  Life& operator=(const Life&) = delete;

  Call& new_call() {
    const std::lock_guard lock(calls_mutex);
    Call& call = calls.emplace_back();
    call.life = this;
    return call;
  }
  void problem(const std::string& text) { world.problems.add(text); }

  World& world;
  bp_context native{};
  std::uint64_t report_id = 0;  ///< its id in status reports
  CallStats stats;
  OwnCounts own;
  std::array<bp_source, source_count> sources{};  ///< constant; the last is none
  std::atomic<bool> closing{false};               ///< close, stop or destroy has been or is about to be called
  std::atomic<bool> forced{false};                ///< stop or destroy, which cancel
  std::atomic<int> uses{0};                       ///< actors and jobs that are at it

  std::mutex calls_mutex;
  std::deque<Call> calls;                                 // guarded by calls_mutex
  std::array<std::atomic<Call*>, recent_count> recent{};  // for cancels

  std::array<std::atomic<bp_token>, token_count> answered{};  // tokens whose completion was taken
  std::array<std::atomic<bp_token>, token_count> waiting{};   // tokens that may be open: for other contexts to try

  std::mutex listeners_mutex;
  std::deque<Listening> listenings;                     // guarded by listeners_mutex
  std::array<Listening*, listener_places> listeners{};  // guarded by listeners_mutex

  struct FunctionPlace {
    std::mutex mutex;              // held while the function is replaced, so that "the old one" is one
    Providing* current = nullptr;  // guarded by mutex
  };
  std::array<FunctionPlace, function_places> functions;
  std::mutex providings_mutex;
  std::deque<Providing> providings;  // guarded by providings_mutex

  std::unordered_map<std::uint64_t, std::uint64_t> last_number;  // the event thread's: by source, of ordered events
};

/// Keeps a life from being settled, and tells who ends it that somebody is at it.
class Use {
 public:
  Use() = default;
  explicit Use(std::shared_ptr<Life> life) : life_(std::move(life)) {
    if (life_) ++life_->uses;
  }
  Use(Use&& other) noexcept : life_(std::move(other.life_)) {}
  Use& operator=(Use&& other) noexcept {
    std::swap(life_, other.life_);
    return *this;
  }
  ~Use() {
    if (life_) --life_->uses;
  }
  explicit operator bool() const noexcept { return life_ != nullptr; }
  Life& operator*() const noexcept { return *life_; }
  Life* operator->() const noexcept { return life_.get(); }

 private:
  std::shared_ptr<Life> life_;
};

/// The life in a slot, or nothing while it changes.
Use use(Slot& slot);

// ---- calls.cpp ----

/// Makes a call of a kind that `draws` say and submits it. From a reply, `from_reply`, which makes no third one.
void submit(Life& life, const std::array<std::uint64_t, 6>& draws, bool from_reply);
/// A call that holds up the request thread for some tens of milliseconds.
void submit_wedge(Life& life, std::uint64_t draw);
void call_sync(Life& life, const std::array<std::uint64_t, 6>& draws);
void submit_wrongly(Life& life, const std::array<std::uint64_t, 6>& draws);
void cancel(Life& life, const std::array<std::uint64_t, 6>& draws);
void find_method(Life& life, const std::array<std::uint64_t, 6>& draws);

// ---- settle.cpp ----

/// Reports what is wrong with a call whose context is no more, and adds the call to the totals.
void settle(Call& call);

// ---- functions.cpp ----

void set_function(Life& life, const std::array<std::uint64_t, 6>& draws);
void unset_function(Life& life, const std::array<std::uint64_t, 6>& draws);
void complete_wrongly(Life& life, Life* other, const std::array<std::uint64_t, 6>& draws);

// ---- listeners.cpp ----

/// The listener that sees every event of a life from its first to its last.
bp_status listen_to_all(Life& life);
void listen(Life& life, const std::array<std::uint64_t, 6>& draws);
void unlisten(Life& life, const std::array<std::uint64_t, 6>& draws);

// ---- ends.cpp ----

/// Makes a context and puts it into the slot. Slot::changing is held.
void begin_life(World& world, Slot& slot, const std::array<std::uint64_t, 6>& draws);
/// Ends the context of the slot in one of several ways. Slot::changing is held.
void end_life(World& world, Slot& slot, const std::array<std::uint64_t, 6>& draws);
/// Settles what has ended and is not used any more; at the last, everything.
void bury(World& world, bool last);
/// Settles all there are, whoever still uses them: for a run that cannot come to its end.
void settle_everything(World& world);

// ---- audit.cpp ----

/// Waits until the context has nothing open, and holds the host's counts against ours. Nobody uses the life.
void audit(Life& life);

}  // namespace stress
