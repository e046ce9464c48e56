// SPDX-License-Identifier: Apache-2.0
//
// Generator: a fiber that makes values one by one, on request.
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

/// The state that a generator, its fiber and its askers share. Any of them may be the last to use it.
template <class T>
struct Asking {
  explicit Asking(Fibers& in) : fibers(in) {}

  Fibers& fibers;
  Fiber fiber;
  std::optional<T>* slot = nullptr;  // where the asker waits for a value; null while no asker waits
  std::uint64_t asker = 0;
  std::exception_ptr error;
  bool ended = false;

  void give(T&& value) {
    if (slot == nullptr)
      throw Error(BP_ERROR, "the generator yielded a value without a request; request values with next()");
    slot->emplace(std::move(value));
    fibers.switch_to(asker);
  }

  /// Ends the body: tells the asker, and waits to be destroyed. Without an asker it ends as any fiber does.
  FiberEnd finish(bp_status status) {
    if (slot == nullptr) {
      if (error != nullptr) std::rethrow_exception(std::exchange(error, nullptr));
      return {status};
    }
    if (status != BP_OK) error = std::make_exception_ptr(Canceled{status});
    ended = true;
    const bp_status destroyed = fibers.try_switch_to(asker);
    ended = slot == nullptr;  // otherwise it is being destroyed, and could not tell the asker
    return {destroyed};
  }

  struct Waiting {
    Asking& self;
    ~Waiting() { self.slot = nullptr; }
  };
};

}  // namespace detail

/// Takes the values that the body of a Generator<T> makes.
template <class T>
class Yield {
 public:
  explicit Yield(detail::Asking<T>& asking) : asking_(asking) {}
  Yield(const Yield&) = delete;
  Yield& operator=(const Yield&) = delete;

  /// Gives the value to the asker. Returns when the next value is asked for. Throws as a switch does: Canceled if the
  /// generator is destroyed.
  void operator()(T value) { asking_.give(std::move(value)); }

 private:
  detail::Asking<T>& asking_;
};

/// Values that a body makes one by one when they are asked for. The body runs on a fiber of its own:
///
///     Generator<int> odd(fibers, [](Yield<int>& yield) { for (int i = 1;; i += 2) yield(i); });
///     int first = *odd.next();
///
/// Main and fibers may ask, also in turns. The body of one generator may ask another. The body runs from one next() to
/// the next. If it throws, the current next() throws the same exception, so an error goes to the asker and not to main.
/// If it returns, there are no more values. The destructor destroys the fiber. If the body itself destroys its
/// generator, it runs on until it waits for the next asker. Like a Fiber, a Generator belongs to one run of a handler
/// and cannot be kept for the next request.
template <class T>
class Generator {
 public:
  /// Copies or moves the body. It is called with a Yield<T>&. Throws as the constructor of Fiber does.
  template <class Body>
  explicit Generator(Fibers& fibers, Body&& body, StackSize stack = {})
      : asking_(std::make_shared<detail::Asking<T>>(fibers)) {
    static_assert(std::is_invocable_v<std::decay_t<Body>, Yield<T>&>, "the body of a Generator<T> takes a Yield<T>&");
    asking_->fiber = Fiber(fibers, stack, Entry<std::decay_t<Body>>{asking_, std::forward<Body>(body)});
  }

  Generator(Generator&&) noexcept = default;
  /// Destroys the generator that it held.
  Generator& operator=(Generator&& other) noexcept {
    Generator taken(std::move(other));
    asking_.swap(taken.asking_);
    return *this;
  }
  ~Generator() {
    if (asking_ != nullptr) asking_->fiber = Fiber();
  }

  /// Returns the next value, or nullopt when the body has ended. It throws:
  ///   - what the body threw, and what a switch throws;
  ///   - Error (BP_REENTRANT) if there is an asker already, or if the body itself asks;
  ///   - Error (BP_ERROR) if a fiber other than the body's switched to the asker. The asker may ask again.
  std::optional<T> next() {
    std::optional<T> value;
    const std::shared_ptr<detail::Asking<T>> asking = asking_;  // `this` may be destroyed before the switch returns
    if (asking == nullptr || asking->ended) return value;
    if (asking->slot != nullptr) {
      throw Error(BP_REENTRANT,
                  "another fiber already waits for a value of this generator; only one may wait at a time");
    }
    asking->asker = asking->fibers.active();
    asking->slot = &value;
    {
      const typename detail::Asking<T>::Waiting waiting{*asking};
      asking->fibers.switch_to(asking->fiber);
    }
    if (value.has_value()) return value;
    if (!asking->ended) not_given(*asking);
    asking->fiber = Fiber();  // so that others can use its stack
    if (asking->error != nullptr) std::rethrow_exception(std::exchange(asking->error, nullptr));
    return value;
  }

  /// For loops: `for (int i : odd)` takes all remaining values.
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

    FiberEnd operator()() {
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
      throw Error(BP_ERROR, "the generator was destroyed while a fiber waited for its next value");
    }
    throw Error(BP_ERROR,
                "a fiber that waited for a generator's value was switched to without a value; the body must yield it");
  }

  std::shared_ptr<detail::Asking<T>> asking_;
};

}  // namespace backplane
