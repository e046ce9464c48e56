// SPDX-License-Identifier: Apache-2.0
//
// Names with their types: the events that a module emits, and the names that it calls. List them in BACKPLANE_MODULE.
// Use them where the module emits the event or makes the call.
#pragma once

#include <chrono>

#include "cbor.hpp"

namespace backplane {

namespace detail {
/// The defaults for an entry of BACKPLANE_MODULE. Each kind of entry overrides what it needs.
struct EntryBase {
  static constexpr bool is_event = false;
  static constexpr bool suspends = false;
  static constexpr bool in_module_scope = false;  // the name must begin with the name of the module

  template <class Class>
  static bp_status add(const bp_host_api*, bp_module*, std::string_view*) {
    return BP_OK;
  }
  template <class Class>
  static constexpr void manifest(TextSink&) {}
  template <class Class>
  static constexpr void cddl(TextSink&, std::string_view /*module*/) {}
};

constexpr bool valid_handler_stack(std::uint64_t bytes) {
  return bytes == 0 || (bytes >= 16'384 && bytes <= std::uint64_t{1} << 30);
}

constexpr void manifest_line(TextSink& out, std::string_view key, std::string_view value) {
  out << key << "=" << value;
  out.put('\0');
}
}  // namespace detail

/// An event with a typed payload.
template <FixedText text, class T>
struct Event : detail::EntryBase {
  static constexpr auto name = text;
  static constexpr bool is_event = true;
  static constexpr bool in_module_scope = true;
  static_assert(detail::valid_wire_name(text.view()), "an event name is module.verb: [a-z0-9_]+(\\.[a-z0-9_]+)+");

  template <class Class>
  static constexpr void manifest(detail::TextSink& out) {
    detail::manifest_line(out, "emits", text.view());
  }
  template <class Class>
  static constexpr void cddl(detail::TextSink& out, std::string_view) {
    out << text.view() << ".event = ";
    Codec<T>::cddl(out);
    out << "\n";
  }
};
template <FixedText text, class T>
inline constexpr Event<text, T> event{};

/// A wire name or host function that the module calls, with the types of request and reply.
template <FixedText text, class Request, class Reply>
struct Calls : detail::EntryBase {
  static constexpr auto name = text;
  static_assert(detail::valid_wire_name(text.view()), "a wire name is module.verb: [a-z0-9_]+(\\.[a-z0-9_]+)+");

  template <class Class>
  static constexpr void manifest(detail::TextSink& out) {
    detail::manifest_line(out, "calls", text.view());
  }
};
template <FixedText text, class Request = Cbor, class Reply = Cbor>
inline constexpr Calls<text, Request, Reply> calls{};

/// The rule `<module>.config` in the CDDL: the type that config<T>() reads.
template <class T>
struct Configuration : detail::EntryBase {
  static constexpr FixedText<1> name{""};

  template <class Class>
  static constexpr void cddl(detail::TextSink& out, std::string_view module) {
    out << module << ".config = ";
    detail::write_cddl<T>(out, true);
    out << "\n";
  }
};
template <class T>
inline constexpr Configuration<T> configuration{};

/// One line about the module, for people.
template <FixedText text>
struct Summary : detail::EntryBase {
  static constexpr FixedText<1> name{""};
  template <class Class>
  static constexpr void manifest(detail::TextSink& out) {
    detail::manifest_line(out, "summary", text.view());
  }
};
template <FixedText text>
inline constexpr Summary<text> summary{};

/// An extension that the module cannot work without: requires_extension<BP_EXT_FIBER>. Extensions that follow from
/// other entries need not be listed; docs/sdk.md says which.
template <FixedText text>
struct RequiresExtension : detail::EntryBase {
  static constexpr FixedText<1> name{""};
  template <class Class>
  static constexpr void manifest(detail::TextSink& out) {
    detail::manifest_line(out, "requires", text.view());
  }
};
template <FixedText text>
inline constexpr RequiresExtension<text> requires_extension{};

/// The bytes of stack of each handler that has no StackSize of its own: stack_size<4 << 20>. The operator may give
/// another size. See bp_handler_desc.stack_size.
template <std::uint64_t bytes>
struct HandlerStack : detail::EntryBase {
  static_assert(bytes != 0 && detail::valid_handler_stack(bytes), "a handler's stack has 16384 bytes to 1 GiB");
  static constexpr FixedText<1> name{""};
  template <class Class>
  static constexpr void manifest(detail::TextSink& out) {
    out << "stack_size=";
    out.number(bytes).put('\0');
  }
};
template <std::uint64_t bytes>
inline constexpr HandlerStack<bytes> stack_size{};

/// The object must never be unmapped, because it holds something that cannot be undone, such as another runtime.
struct UnloadNever : detail::EntryBase {
  static constexpr FixedText<1> name{""};
  template <class Class>
  static constexpr void manifest(detail::TextSink& out) {
    detail::manifest_line(out, "unload", "never");
  }
};
inline constexpr UnloadNever unload_never{};

/// The module owns something exclusive, such as a port, a device or a lock: in a reload, the old generation ends before
/// the new one starts, and new calls wait meanwhile. See BP_LOAD_OLD_FIRST.
struct ReloadOldFirst : detail::EntryBase {
  static constexpr FixedText<1> name{""};
  template <class Class>
  static constexpr void manifest(detail::TextSink& out) {
    detail::manifest_line(out, "reload", "old_first");
  }
};
inline constexpr ReloadOldFirst reload_old_first{};

namespace detail {
/// Sets flags of the module.
template <std::uint32_t flags>
struct ModuleFlags : EntryBase {
  static constexpr FixedText<1> name{""};
  static constexpr std::uint32_t module_flags = flags;
};
}  // namespace detail

/// The constructor of the class may take long: it reads a file, connects or starts threads. It runs on a worker thread,
/// and the calls of other modules go on.
inline constexpr detail::ModuleFlags<BP_MODULE_CREATES_BLOCKING> blocking_constructor{};

/// The destructor of the class may take long: it joins threads, or writes a file. It runs on a worker thread.
inline constexpr detail::ModuleFlags<BP_MODULE_ENDS_BLOCKING> blocking_destructor{};

}  // namespace backplane
