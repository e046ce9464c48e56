// SPDX-License-Identifier: Apache-2.0
//
// The module inside one context, as its own class sees it.
#pragma once

#include <memory>
#include <string>

#include "cbor.hpp"
#include "host.hpp"
#include "names.hpp"

namespace backplane {

namespace detail {
/// Its address stands for the type T in the host's table of handles.
template <class T>
inline char type_tag = 0;
}  // namespace detail

/// Lives as long as the object of the module's class that was made with it, so that object may keep a
/// reference. Functions may be called from any thread unless they say otherwise.
class Instance {
 public:
  explicit Instance(bp_instance* native) : native_(native) {}
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  /// The configuration. What it leaves out keeps the value that a default-made T has; what it has and T
  /// has not is an error. Throws Error (BP_CONFIG).
  template <class T>
  T config() const {
    T value{};
    if (detail::host.config == nullptr) return value;
    try {
      detail::Decoder decoder(detail::view(detail::host.config->get(detail::host.module)), true);
      Codec<T>::decode(decoder, value);
      decoder.finish();
    } catch (const DecodeError& e) {
      throw Error(BP_CONFIG, join("configuration: ", e.message()));
    }
    return value;
  }

  /// The path of a directory of the module's own, the same for all contexts and generations.
  /// Throws Error (BP_IO).
  std::string data_dir() const {
    if (detail::host.config == nullptr) detail::no_extension(BP_EXT_CONFIG);
    bp_str path{};
    bp_str message{};
    const bp_status status = detail::host.config->data_dir(detail::host.module, &path, &message);
    if (status != BP_OK) throw Error(status, std::string(detail::view(message)));
    return std::string(detail::view(path));
  }

  /// Queues a typed event for the listeners of this context. BP_OK; BP_OVERFLOW: the queue is full and
  /// the event is lost; BP_CLOSED: the context has stopped.
  template <FixedText name, class T>
  bp_status emit(Event<name, T>, const std::type_identity_t<T>& payload) {
    return emit(name.view(), payload);
  }
  template <class T>
  bp_status emit(std::string_view name, const T& payload) {
    detail::Output out;
    detail::Encoder encoder(out);
    Codec<T>::encode(encoder, payload);
    return emit_raw(name, out.view(), BP_EVENT_TYPED);
  }
  /// Like emit(), for who cannot do anything about a lost event: it is written to the log.
  template <FixedText name, class T>
  void announce(Event<name, T> event, const std::type_identity_t<T>& payload) {
    const bp_status status = emit(event, payload);
    if (status != BP_OK) log(Level::warn, "event ", name.view(), " is lost: ", status_name(status));
  }
  /// Queues an event whose payload passes as it is.
  bp_status emit_raw(std::string_view name, View payload, std::uint32_t flags = 0) {
    if (detail::host.event == nullptr) detail::no_extension(BP_EXT_EVENT);
    return detail::host.event->emit(native_, detail::str(name), detail::bytes(payload), flags);
  }

  template <class... Parts>
  void log(Level level, const Parts&... parts) const {
    backplane::log(level, parts...);
  }

  /// Puts an object under a new id, to be named by later requests; it is freed by release(), or with the
  /// instance. On the request thread only.
  template <class T>
  std::uint64_t put(std::unique_ptr<T> object) {
    if (detail::host.handle == nullptr) detail::no_extension(BP_EXT_HANDLE);
    std::uint64_t id = 0;
    const auto free = [](void* p) { delete static_cast<T*>(p); };
    const bp_status status = detail::host.handle->put(native_, &detail::type_tag<T>, object.get(), free, &id);
    if (status != BP_OK) throw Error(status, "the host did not take the object");
    object.release();
    return id;
  }
  /// The object under `id`; throws Error (BP_INVALID_HANDLE) unless it is a live T of this instance. On
  /// the request thread only.
  template <class T>
  T& get(std::uint64_t id) {
    if (detail::host.handle == nullptr) detail::no_extension(BP_EXT_HANDLE);
    void* object = detail::host.handle->get(native_, &detail::type_tag<T>, id);
    if (object == nullptr) throw bad_handle(id);
    return *static_cast<T*>(object);
  }
  /// Frees the object under `id`; throws as get() does. On the request thread only.
  template <class T>
  void release(std::uint64_t id) {
    if (detail::host.handle == nullptr) detail::no_extension(BP_EXT_HANDLE);
    if (detail::host.handle->release(native_, &detail::type_tag<T>, id) != BP_OK) throw bad_handle(id);
  }

  bp_instance* native() const noexcept { return native_; }

 private:
  static Error bad_handle(std::uint64_t id) {
    return Error(BP_INVALID_HANDLE, join("handle ", id, " names no live object of the expected type"));
  }

  bp_instance* native_;
};

}  // namespace backplane
