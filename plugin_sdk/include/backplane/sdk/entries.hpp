// SPDX-License-Identifier: Apache-2.0
//
// The entries of BACKPLANE_MODULE for the author's functions.
#pragma once

#include "trampoline.hpp"

namespace backplane {
namespace detail {

template <FixedText text, auto fn, bool raw, Option... options>
struct FunctionEntry : EntryBase {
  static constexpr auto name = text;
  static_assert(valid_wire_name(text.view()),
                "a wire name is module.verb: [a-z_][a-z0-9_]*(\\.[a-z0-9_]+)+, 128 bytes at most");

  template <class Class>
  static constexpr void rules(TypeText& out) {
    using S = Shape<Class, fn>;
    using Given = Options<options...>;
    const std::string_view wire = text.view();
    if constexpr (raw) {
      if (out.begin(wire, ".request")) {
        out << "bstr ; raw: the payload is these bytes, with no CBOR around them" << (Given::doc().empty() ? "" : "; ");
        out.comment(Given::doc());
        out.end({});
      }
      if (out.begin(wire, ".reply")) out << "bstr ; raw, too\n";
    } else {
      static_assert(WireType<typename S::Request>::checked);
      out.rule<typename S::Request>(wire, ".request", Given::doc());
      if constexpr (S::takes_input) {
        static_assert(WireType<typename S::InputPart>::checked);
        out.rule<typename S::InputPart>(wire, ".request.part");
      }
      if constexpr (!std::is_void_v<typename S::Part>) {
        static_assert(WireType<typename S::Part>::checked);
        out.rule<typename S::Part>(wire, ".partial");
      }
      if constexpr (!std::is_void_v<Reply<S>>) static_assert(WireType<Reply<S>>::checked);
      out.rule<Reply<S>>(wire, ".reply");
    }
    Given::write_statuses(out, wire);
  }
};

template <FixedText text, auto fn, bool raw, std::uint32_t kind, Option... options>
struct HandlerEntry : FunctionEntry<text, fn, raw, options...> {
  static constexpr bool in_module_scope = true;
  static constexpr std::uint32_t flags = kind | Options<options...>::flags();
  static constexpr StackSize stack = Options<options...>::stack();
  template <class Class>
  static constexpr bool suspends_in = Shape<Class, fn>::waits;
  template <class Class>
  static constexpr bool fibers_in = Shape<Class, fn>::takes_fibers;

  template <class Class>
  static constexpr void manifest(TextSink& out) {
    manifest_line(out, "provides", text.view());
  }

  template <class Class>
  static bp_status add(const bp_host_api* api, bp_module* module, std::string_view* name) {
    static_assert(!Shape<Class, fn>::takes_fibers || (flags & BP_HANDLER_BLOCKING) == 0,
                  "a blocking handler has no fibers: they belong to the request thread; declare it with handler<>");
    static_assert(valid_handler_stack(stack.bytes), "a handler's stack has 16384 bytes to 1 GiB, or 0 for the default");
    static_assert(stack.bytes == 0 || (flags & BP_HANDLER_BLOCKING) == 0,
                  "a blocking handler has the stack of its worker thread, so it takes no StackSize");
    *name = text.view();
    bp_handler_desc desc{};
    desc.struct_size = sizeof desc;
    desc.flags = flags | (Shape<Class, fn>::takes_input ? std::uint32_t{BP_HANDLER_PARTS} : 0);
    desc.name = str(text.view());
    desc.handler = handle<Class, fn, raw>;
    desc.stack_size = stack.bytes;
    return api->register_handler(module, &desc);
  }
};

template <FixedText text, auto fn, Option... options>
struct StaticEntry : HandlerEntry<text, fn, false, BP_HANDLER_STATIC, options...> {
  template <class Class>
  static bp_status add(const bp_host_api* api, bp_module* module, std::string_view* name) {
    using S = Shape<Class, fn>;
    static_assert(!S::is_member && !S::waits && !S::answers_later,
                  "a static handler has no instance and may not wait: it is a free function of its request alone");
    static_assert(std::is_invocable_v<decltype(fn)> || std::is_invocable_v<decltype(fn), const typename S::Request&>,
                  "a static handler takes its request, by value or as const&, or nothing");
    *name = text.view();
    bp_handler_desc desc{};
    desc.struct_size = sizeof desc;
    desc.flags = BP_HANDLER_STATIC;
    desc.name = str(text.view());
    desc.handler = handle_static<Class, fn>;
    return api->register_handler(module, &desc);
  }
};

template <FixedText text, auto fn, bool raw, Option... options>
struct OfferEntry : FunctionEntry<text, fn, raw, options...> {
  template <class Class>
  static constexpr void manifest(TextSink& out) {
    static_assert(
        !Shape<Class, fn>::waits,
        "a host function may not wait, so it takes no Call& and no Fibers&; take a Later<Reply>&& to answer later");
    manifest_line(out, "offers", text.view());
  }

  template <class Class>
  static bp_status add(const bp_host_api* api, bp_module* module, std::string_view* name) {
    *name = text.view();
    bp_function_desc desc{};
    desc.struct_size = sizeof desc;
    desc.name = str(text.view());
    desc.function = offer<Class, fn, raw>;
    return api->register_function(module, &desc);
  }
};

}  // namespace detail

/// A wire name that `fn` handles on the request thread. `fn` is a member function of the module's class or a free
/// function. It returns the reply, or void. It takes any of these arguments, in any order:
///
///     Call&            to wait
///     Stream<Part>&    to wait and to answer in parts
///     the request      by value or const&
///     Input<Part>&     the further parts of a request that comes in parts
///     the class        the module's own; free functions only
///     Fibers&          to make fibers
///     Later<Reply>&&   to answer after `fn` has returned
///
/// A lambda that captures nothing is a free function, too. Options follow, in any order:
///
///     "…"              the doc of the name
///     StackSize{…}     the bytes of its stack: handler<"lua.run", run, StackSize{4 << 20}>. See
///                      bp_handler_desc.stack_size.
///     fails<…>         a status that it may answer
template <FixedText name, auto fn, detail::Option... options>
inline constexpr detail::HandlerEntry<name, detail::callable(fn), false, 0, options...> handler{};

/// A wire name whose handler runs on the worker pool and may block. Each instance runs one such handler at a time.
template <FixedText name, auto fn, detail::Option... options>
inline constexpr detail::HandlerEntry<name, detail::callable(fn), false, BP_HANDLER_BLOCKING, options...> blocking{};

/// Like `blocking`, but one instance may run several at once. The author must lock.
template <FixedText name, auto fn, detail::Option... options>
inline constexpr detail::HandlerEntry<name, detail::callable(fn), false, BP_HANDLER_BLOCKING | BP_HANDLER_CONCURRENT,
                                      options...>
    concurrent{};

/// A wire name that needs no context and can be called without one. `fn` is a free function. It takes the request by
/// value or const&, or nothing. It returns the reply, or void. It may run on several threads at once.
template <FixedText name, auto fn, detail::Option... options>
inline constexpr detail::StaticEntry<name, detail::callable(fn), options...> static_handler{};

/// A wire name whose payload and answer are raw bytes, without CBOR. `fn` takes a View of the payload. It returns
/// Bytes, a View or void. A returned View must lie in the payload or in memory that lives as long as the instance. The
/// options may also be BP_HANDLER_… flags.
template <FixedText name, auto fn, detail::Option... options>
inline constexpr detail::HandlerEntry<name, detail::callable(fn), true, 0, options...> raw{};

/// A host function that this module offers to handlers of every module. Its name is any wire name. It runs on the
/// request thread of the calling context and must not wait.
template <FixedText name, auto fn, detail::Option... options>
inline constexpr detail::OfferEntry<name, detail::callable(fn), false, options...> offers{};

}  // namespace backplane
