// SPDX-License-Identifier: Apache-2.0
//
// What the class of a module may use inside one context: configuration, events, handles.
#pragma once

#include <memory>
#include <string>

#include "cbor.hpp"
#include "host.hpp"
#include "names.hpp"

namespace backplane {

namespace detail {
/// Its address identifies the type T in the host's table of handles.
template <class T>
inline char type_tag = 0;
}  // namespace detail

/// The module inside one context. It lives as long as the object of the module's class that was made with it, so that
/// object may keep a reference. Any thread may call these functions unless they say otherwise.
class Instance {
 public:
  explicit Instance(bp_instance* native) : native_(native) {}
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  /// Returns the configuration. A member that it leaves out keeps the value of a default-constructed T. Throws Error
  /// (BP_CONFIG) if it does not fit T, or has a member that T does not have.
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

  /// Returns the path of the module's own directory. It is the same for all contexts and generations. Throws Error
  /// (BP_IO) if the directory cannot be used.
  std::string data_dir() const {
    if (detail::host.config == nullptr) detail::no_extension(BP_EXT_CONFIG);
    bp_str path{};
    bp_str message{};
    const bp_status status = detail::host.config->data_dir(detail::host.module, &path, &message);
    if (status != BP_OK) throw Error(status, std::string(detail::view(message)));
    return std::string(detail::view(path));
  }

  /// Appends a typed event to the log for the listeners of this context. Never waits for them. Returns BP_OK;
  /// BP_OVERFLOW if the event is too large, or the host is set to refuse events; BP_CLOSED if the context has stopped;
  /// BP_OUT_OF_MEMORY.
  template <FixedText name, class T, detail::Option... o>
  bp_status emit(Event<name, T, o...>, const std::type_identity_t<T>& payload) {
    return emit(name.view(), payload);
  }
  template <class T>
  bp_status emit(std::string_view name, const T& payload) {
    detail::Output out;
    detail::Encoder encoder(out);
    Codec<T>::encode(encoder, payload);
    return emit_raw(name, out.view(), BP_EVENT_TYPED);
  }
  /// Like emit(), but writes a lost event to the log instead of returning a status.
  template <FixedText name, class T, detail::Option... o>
  void announce(Event<name, T, o...> event, const std::type_identity_t<T>& payload) {
    const bp_status status = emit(event, payload);
    if (status != BP_OK) log(Level::warn, "event ", name.view(), " is lost: ", status_name(status));
  }
  /// Queues an event whose payload passes unchanged. Returns as emit() does.
  bp_status emit_raw(std::string_view name, View payload, std::uint32_t flags = 0) {
    if (detail::host.event == nullptr) detail::no_extension(BP_EXT_EVENT);
    return detail::host.event->emit(native_, detail::str(name), detail::bytes(payload), flags);
  }

  template <class... Parts>
  void log(Level level, const Parts&... parts) const {
    backplane::log(level, parts...);
  }

  /// Stores an object under a new id, which later requests may use. release() frees the object, or the end of the
  /// instance does. In handlers, constructor and destructor; not on threads of your own. The same holds for get() and
  /// release().
  template <class T>
  std::uint64_t put(std::unique_ptr<T> object) {
    if (detail::host.handle == nullptr) detail::no_extension(BP_EXT_HANDLE);
    std::uint64_t id = 0;
    const auto free = [](void* p) { delete static_cast<T*>(p); };
    const bp_status status = detail::host.handle->put(native_, &detail::type_tag<T>, object.get(), free, &id);
    if (status == BP_NOT_SUPPORTED) throw Error(status, elsewhere);
    if (status != BP_OK) throw Error(status, "the host refused to keep the object of a handle");
    object.release();
    return id;
  }
  /// Returns the object under `id`. Throws Error (BP_INVALID_HANDLE) unless it is a live T of this instance. Handlers
  /// that run at once must not release what another one uses.
  template <class T>
  T& get(std::uint64_t id) {
    if (detail::host.handle == nullptr) detail::no_extension(BP_EXT_HANDLE);
    void* object = detail::host.handle->get(native_, &detail::type_tag<T>, id);
    if (object != nullptr) return *static_cast<T*>(object);
    constexpr std::uint64_t none = 0;  // no handle, so this only tells whether the thread is a wrong one
    const bp_status status = detail::host.handle->release(native_, &detail::type_tag<T>, none);
    if (status == BP_NOT_SUPPORTED) throw Error(status, elsewhere);
    throw bad_handle(id);
  }
  /// Frees the object under `id`. Throws as get() does.
  template <class T>
  void release(std::uint64_t id) {
    if (detail::host.handle == nullptr) detail::no_extension(BP_EXT_HANDLE);
    const bp_status status = detail::host.handle->release(native_, &detail::type_tag<T>, id);
    if (status == BP_NOT_SUPPORTED) throw Error(status, elsewhere);
    if (status != BP_OK) throw bad_handle(id);
  }

  bp_instance* native() const noexcept { return native_; }

 private:
  static constexpr const char* elsewhere =
      "handles work only in handlers, constructor and destructor of this instance, and not on this thread";
  static Error bad_handle(std::uint64_t id) {
    return Error(BP_INVALID_HANDLE, join("handle ", id, " names no live object of the expected type"));
  }

  bp_instance* native_;
};

}  // namespace backplane
