// SPDX-License-Identifier: Apache-2.0
//
// A fiber that gives values to whoever asks for the next one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <iterator>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "fibers.hpp"

namespace backplane {
namespace detail {

/// What a generator, its fiber and those who ask it share: each of them may be the last that is left.
template <class T>
struct Asking {
  explicit Asking(Fibers& in) : fibers(in) {}

  Fibers& fibers;
  Fiber fiber;
  std::optional<T>* slot = nullptr;  // where the asker waits for a value; null while nobody does
  std::uint64_t asker = 0;
  std::exception_ptr error;
  bool ended = false;

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
    const bp_status destroyed = fibers.try_switch_to(asker);
    ended = slot == nullptr;  // else it was being destroyed already, and could not tell the asker
    return {destroyed};
  }

  struct Waiting {
    Asking& self;
    ~Waiting() { self.slot = nullptr; }
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
/// destroys the fiber; if its own body does that, the body runs on until it next waits for somebody to ask. As a
/// Fiber it belongs to one run of a handler, and cannot be kept for the next request.
template <class T>
class Generator {
 public:
  /// Copies or moves the body, which is called with a Yield<T>&. Throws as making a Fiber does.
  template <class Body>
  explicit Generator(Fibers& fibers, Body&& body, StackSize stack = {})
      : asking_(std::make_shared<detail::Asking<T>>(fibers)) {
    static_assert(std::is_invocable_v<std::decay_t<Body>, Yield<T>&>, "the body of a Generator<T> takes a Yield<T>&");
    asking_->fiber = Fiber(fibers, stack, Entry<std::decay_t<Body>>{asking_, std::forward<Body>(body)});
  }

  Generator(Generator&&) noexcept = default;
  /// Destroys what it was.
  Generator& operator=(Generator&& other) noexcept {
    Generator taken(std::move(other));
    asking_.swap(taken.asking_);
    return *this;
  }
  ~Generator() {
    if (asking_ != nullptr) asking_->fiber = Fiber();
  }

  /// The next value; none when the body has ended. Throws what the body threw, and as a switch does; Error
  /// (BP_REENTRANT) if somebody waits for a value already, such as the body itself; Error (BP_ERROR) if the
  /// asker was switched to by another than this generator, which can be asked again.
  std::optional<T> next() {
    std::optional<T> value;
    const std::shared_ptr<detail::Asking<T>> asking = asking_;  // this may be gone when somebody switches back
    if (asking == nullptr || asking->ended) return value;
    if (asking->slot != nullptr) {
      throw Error(BP_REENTRANT, "somebody waits for a value of this generator already; one can ask at a time");
    }
    asking->asker = asking->fibers.active();
    asking->slot = &value;
    {
      const typename detail::Asking<T>::Waiting waiting{*asking};
      asking->fibers.switch_to(asking->fiber);
    }
    if (value.has_value()) return value;
    if (!asking->ended) not_given(*asking);
    asking->fiber = Fiber();  // its stack can serve others
    if (asking->error != nullptr) std::rethrow_exception(std::exchange(asking->error, nullptr));
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
    std::shared_ptr<detail::Asking<T>> asking;
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

  [[noreturn, gnu::cold]] static void not_given(const detail::Asking<T>& asking) {
    if (!asking.fiber) {
      throw Error(BP_ERROR, "the generator was destroyed while somebody waited for its next value");
    }
    throw Error(BP_ERROR, "whoever waited for a generator's value was switched to without one; let the body yield it");
  }

  std::shared_ptr<detail::Asking<T>> asking_;
};

}  // namespace backplane
