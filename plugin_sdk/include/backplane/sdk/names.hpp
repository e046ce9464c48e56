// SPDX-License-Identifier: Apache-2.0
//
// Names with their types: the events that a module emits, and the names that it calls. List them in BACKPLANE_MODULE.
// Use them where the module emits the event or makes the call.
#pragma once

#include <chrono>

#include "options.hpp"

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
  /// Writes the rules of constants, which stand before all others.
  static constexpr void constants(TypeText&) {}
  /// Writes the rules of the entry.
  template <class Class>
  static constexpr void rules(TypeText&) {}
};

constexpr bool valid_handler_stack(std::uint64_t bytes) {
  return bytes == 0 || (bytes >= 16'384 && bytes <= std::uint64_t{1} << 30);
}

constexpr void manifest_line(TextSink& out, std::string_view key, std::string_view value) {
  out << key << "=" << value;
  out.put('\0');
}
}  // namespace detail

/// An event with a typed payload. Its one option is a doc.
template <FixedText text, class T, detail::Option... options>
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
  static constexpr void rules(detail::TypeText& out) {
    static_assert(detail::WireType<T>::checked);
    out.rule<T>(text.view(), ".event", detail::Options<options...>::doc());
  }
};
template <FixedText text, class T, detail::Option... options>
inline constexpr Event<text, T, options...> event{};

/// An event of another module that this module needs, with the type of its payload. A module itself does not receive
/// events; the entry tells people and tools that something else must bring them, such as an application that listens
/// and calls this module.
template <FixedText text, class T, detail::Option... options>
struct Listens : detail::EntryBase {
  static constexpr auto name = text;
  static_assert(detail::valid_wire_name(text.view()), "an event name is module.verb: [a-z0-9_]+(\\.[a-z0-9_]+)+");

  template <class Class>
  static constexpr void manifest(detail::TextSink& out) {
    detail::manifest_line(out, "listens", text.view());
  }
  template <class Class>
  static constexpr void rules(detail::TypeText& out) {
    static_assert(detail::WireType<T>::checked);
    out.rule<T>(text.view(), ".event", detail::Options<options...>::doc());
  }
};
template <FixedText text, class T = Cbor, detail::Option... options>
inline constexpr Listens<text, T, options...> listens{};

/// A number, bool or text that callers should know: constant<"max_delay_ms", 60000, "the longest delay">. In the
/// interface text it is `<module>.<name>.constant`.
template <FixedText text, detail::Option constant_value, detail::Option... options>
struct Constant : detail::EntryBase {
  static constexpr FixedText<1> name{""};
  static constexpr auto value = constant_value.value;
  static_assert(detail::valid_wire_name_part(text.view()), "the name of a constant is [a-z0-9_]+");

  static constexpr void constants(detail::TypeText& out) {
    using T = std::remove_cv_t<decltype(value)>;
    out.begin_constant(text.view());
    if constexpr (std::is_same_v<T, bool>) {
      out << (value ? "true" : "false");
    } else if constexpr (detail::is_text<T>) {
      detail::write_quoted(out.sink(), value.view());
    } else {
      static_assert(std::is_integral_v<T>, "a constant is an integer, a bool or text");
      out.sink().integer(value);
    }
    out.end(detail::Options<options...>::doc());
  }
};
template <FixedText text, detail::Option value, detail::Option... options>
inline constexpr Constant<text, value, options...> constant{};

/// A wire name or host function that the module calls, with the types of request and reply. void: a request without
/// content, or an answer that is not read. Its options are a doc, the statuses that it may answer, and `strict`, which
/// refuses answers with members that Reply does not have.
template <FixedText text, class RequestType, class ReplyType, detail::Option... options>
struct Calls : detail::EntryBase {
  using Request = RequestType;
  using Reply = ReplyType;
  static constexpr auto name = text;
  static constexpr Reading reading = detail::Options<options...>::reading();
  static_assert(detail::valid_wire_name(text.view()), "a wire name is module.verb: [a-z0-9_]+(\\.[a-z0-9_]+)+");

  template <class Class>
  static constexpr void manifest(detail::TextSink& out) {
    detail::manifest_line(out, "calls", text.view());
  }
  template <class Class>
  static constexpr void rules(detail::TypeText& out) {
    using Given = std::conditional_t<std::is_void_v<Request>, detail::Nothing, Request>;
    static_assert(detail::WireType<Given>::checked);
    if constexpr (!std::is_void_v<Reply>) static_assert(detail::WireType<Reply>::checked);
    if (detail::belongs_to(text.view(), out.module())) return;  // the entry that answers it writes them
    out.rule<Given>(text.view(), ".request", detail::Options<options...>::doc());
    out.rule<Reply>(text.view(), ".reply");
    detail::Options<options...>::write_statuses(out, text.view());
  }
};
template <FixedText text, class Request = Cbor, class Reply = Cbor, detail::Option... options>
inline constexpr Calls<text, Request, Reply, options...> calls{};

namespace detail {
template <class C>
concept IsCalls = requires {
  typename C::Request;
  typename C::Reply;
  C::reading;
};
template <class C>
concept CallsNothing = IsCalls<C> && std::is_void_v<typename C::Request>;
template <class C>
concept CallsEntry = IsCalls<C> && !std::is_void_v<typename C::Request>;
}  // namespace detail

/// The rule `<module>.config` in the interface text: the type that config<T>() reads. Its one option is a doc.
template <class T, detail::Option... options>
struct Configuration : detail::EntryBase {
  static constexpr FixedText<1> name{""};

  template <class Class>
  static constexpr void rules(detail::TypeText& out) {
    static_assert(detail::WireType<T>::checked);
    out.set_settings(true);
    out.rule<T>(out.module(), ".config", detail::Options<options...>::doc());
    out.set_settings(false);
  }
};
template <class T, detail::Option... options>
inline constexpr Configuration<T, options...> configuration{};

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
