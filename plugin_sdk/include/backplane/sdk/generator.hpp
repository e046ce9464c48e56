// SPDX-License-Identifier: Apache-2.0
//
// A fiber that gives values to whoever asks for the next one.
#pragma once

#include <iterator>

#include "fibers.hpp"

namespace backplane {
namespace detail {

/// What a generator's fiber and those who ask it share.
template <class T>
struct Asking {
  explicit Asking(Fibers& in) : fibers(in) {}

  Fibers& fibers;
  Fiber fiber;
  std::optional<T>* slot = nullptr;  // where the asker waits for a value; null while nobody does
  std::uint64_t asker = 0;
  std::exception_ptr error;
  bool ended = false;
  bool orphan = false;  // the Generator has gone while somebody waited in next(), who deletes this

  void give(T&& value) {
    if (slot == nullptr) throw Error(BP_ERROR, "a generator yields a value that nobody has asked for; use next()");
    slot->emplace(std::move(value));
    fibers.switch_to(asker);
  }

  /// The end of the body: tells the asker, and waits to be destroyed. Without an asker it is that of any fiber.
  Ended finish(bp_status status) {
    if (slot == nullptr) {
      if (error != nullptr) std::rethrow_exception(std::exchange(error, nullptr));
      return {status};
    }
    if (status != BP_OK) error = std::make_exception_ptr(Canceled{status});
    ended = true;
    return {fibers.try_switch_to(asker)};
  }

  struct Drop {
    void operator()(Asking* self) const noexcept {
      self->orphan = self->slot != nullptr;
      self->fiber = Fiber();
      if (!self->orphan) delete self;
    }
  };
  struct Waiting {
    Asking& self;
    ~Waiting() {
      self.slot = nullptr;
      if (self.orphan) free_orphan(&self);
    }
    // Seldom, and not inlined: g++ would warn of uses by a Generator which it cannot know has gone.
    [[gnu::noinline, gnu::cold]] static void free_orphan(Asking* orphan) noexcept { delete orphan; }
  };
};

}  // namespace detail

/// What the body of a Generator<T> gives its values to.
template <class T>
class Yield {
 public:
  explicit Yield(detail::Asking<T>& asking) : asking_(asking) {}
  Yield(const Yield&) = delete;
  Yield& operator=(const Yield&) = delete;

  /// Hands the value to whoever asked, and goes on when somebody asks for the next one. Throws as a switch does:
  /// Canceled when the generator is destroyed.
  void operator()(T value) { asking_.give(std::move(value)); }

 private:
  detail::Asking<T>& asking_;
};

/// Values that a body makes one by one, on a fiber of its own, as they are asked for:
///
///     Generator<int> odd(fibers, [](Yield<int>& yield) { for (int i = 1;; i += 2) yield(i); });
///     int first = *odd.next();
///
/// Main and fibers may ask, also in turns; the body of one generator may ask another. The body runs from one
/// next() to the next. What it throws, the next() in which it ran throws, with its type: so an error goes to the
/// one who asked, and not to main. It may return: then there are no more values. Destroying the generator
/// destroys the fiber. As a Fiber it belongs to one run of a handler, and cannot be kept for the next request.
template <class T>
class Generator {
 public:
  /// Copies or moves the body, which is called with a Yield<T>&. Throws as making a Fiber does.
  template <class Body>
  explicit Generator(Fibers& fibers, Body&& body, StackSize stack = {}) : asking_(new detail::Asking<T>(fibers)) {
    static_assert(std::is_invocable_v<std::decay_t<Body>, Yield<T>&>, "the body of a Generator<T> takes a Yield<T>&");
    asking_->fiber = Fiber(fibers, stack, Entry<std::decay_t<Body>>{asking_.get(), std::forward<Body>(body)});
  }

  /// The next value; none when the body has ended. Throws what the body threw, and as a switch does; Error
  /// (BP_REENTRANT) if somebody waits for a value already, such as the body itself; Error (BP_ERROR) if the
  /// asker was switched to by another than this generator, which can be asked again.
  std::optional<T> next() {
    std::optional<T> value;
    if (asking_ == nullptr || asking_->ended) return value;
    detail::Asking<T>& asking = *asking_;
    if (asking.slot != nullptr) {
      throw Error(BP_REENTRANT, "somebody waits for a value of this generator already; one can ask at a time");
    }
    asking.asker = asking.fibers.active();
    asking.slot = &value;
    const typename detail::Asking<T>::Waiting waiting{asking};
    asking.fibers.switch_to(asking.fiber);
    if (value.has_value()) return value;
    if (asking.orphan) throw Error(BP_ERROR, "the generator was destroyed while somebody waited for its next value");
    if (!asking.ended) {
      throw Error(BP_ERROR,
                  "whoever waited for a generator's value was switched to without one; let the body yield it");
    }
    asking.fiber = Fiber();  // its stack can serve others
    if (asking.error != nullptr) std::rethrow_exception(std::exchange(asking.error, nullptr));
    return value;
  }

  /// `for (int i : odd)` takes all values that are left.
  class Iterator {
   public:
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    explicit Iterator(Generator& of) : of_(&of), value_(of.next()) {}
    T& operator*() { return *value_; }
    Iterator& operator++() {
      value_ = of_->next();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return !value_.has_value(); }

   private:
    Generator* of_;
    std::optional<T> value_;
  };
  Iterator begin() { return Iterator(*this); }
  std::default_sentinel_t end() const { return {}; }

 private:
  template <class Body>
  struct Entry {
    detail::Asking<T>* asking;
    Body body;

    detail::Ended operator()() {
      bp_status status = BP_OK;
      try {
        Yield<T> yield(*asking);
        body(yield);
      } catch (const Canceled& e) {
        status = e.status == BP_OK ? BP_CANCELED : e.status;
      } catch (...) {
        asking->error = std::current_exception();
      }
      return asking->finish(status);
    }
  };

  std::unique_ptr<detail::Asking<T>, typename detail::Asking<T>::Drop> asking_;
};

}  // namespace backplane
