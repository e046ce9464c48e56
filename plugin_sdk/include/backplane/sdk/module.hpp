// SPDX-License-Identifier: Apache-2.0
//
// BACKPLANE_MODULE: makes the manifest, the interface and the entry from one list.
#pragma once

#include "entries.hpp"

namespace backplane {

/// The class for a module without state: BACKPLANE_MODULE(backplane::Stateless, …).
struct Stateless {};

namespace detail {

/// Tells the host why init or instance_create failed. Call it only inside a catch block.
inline bp_status fail_exception(const bp_host_api* api, bp_module* module) noexcept {
  const auto tell = [&](bp_status status, std::string_view message) {
    api->fail(module, str(message));
    return status;
  };
  try {
    throw;
  } catch (const Error& e) {
    return tell(e.status(), repaired_or_none(e.message()));
  } catch (const std::exception& e) {
    return tell(BP_EXCEPTION, repaired_or_none(e.what()));
  } catch (...) {
    return tell(BP_EXCEPTION, "the constructor threw an object that is not a std::exception");
  }
}

template <class Class, class Entry>
constexpr bool entry_suspends() {
  if constexpr (requires { Entry::template suspends_in<Class>; }) {
    return Entry::template suspends_in<Class>;
  } else {
    return Entry::suspends;
  }
}

template <class Class, class Entry>
constexpr bool entry_has_fibers() {
  if constexpr (requires { Entry::template fibers_in<Class>; }) {
    return Entry::template fibers_in<Class>;
  } else {
    return false;
  }
}

/// The flags of the module that an entry sets.
template <class Entry>
constexpr std::uint32_t entry_flags() {
  if constexpr (requires { Entry::module_flags; }) {
    return Entry::module_flags;
  } else {
    return 0;
  }
}

template <class Entry>
constexpr bool entry_in_scope(std::string_view module) {
  return !Entry::in_module_scope || belongs_to(Entry::name.view(), module);
}

/// Whether all wire names in the list are different.
template <class... Entries>
constexpr bool names_differ() {
  constexpr std::size_t count = sizeof...(Entries);
  const std::array<std::string_view, count + 1> names{
      (Entries::in_module_scope && !Entries::is_event ? Entries::name.view() : std::string_view())...};
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t j = i + 1; j < count; ++j) {
      if (!names[i].empty() && names[i] == names[j]) return false;
    }
  }
  return true;
}

template <class Class, FixedText name, FixedText version, class... Entries>
struct ModuleOf {
  static_assert(valid_module_name(name.view()), "a module's name is [a-z_][a-z0-9_]*, at most 64 bytes");
  static_assert((entry_in_scope<Entries>(name.view()) && ...),
                "each wire name and event of a module begins with the module's name and a dot");
  static constexpr std::uint32_t flags = (entry_flags<Entries>() | ... | 0u);
  static_assert(names_differ<Entries...>(), "a wire name appears twice in BACKPLANE_MODULE");
  static_assert(std::is_constructible_v<Class, Instance&> || std::is_default_constructible_v<Class>,
                "the module's class needs a constructor that takes backplane::Instance&, or nothing");

  struct Manifest {
    static constexpr void write(TextSink& out) {
      out << "abi=";
      out.number(BP_ABI_MAJOR) << ".";
      out.number(BP_ABI_MINOR).put('\0');
      manifest_line(out, "name", name.view());
      manifest_line(out, "version", version.view());
      (Entries::template manifest<Class>(out), ...);
      if ((Entries::is_event || ...)) manifest_line(out, "requires", BP_EXT_EVENT);
      if ((entry_suspends<Class, Entries>() || ...)) manifest_line(out, "requires", BP_EXT_AWAIT);
      if ((entry_has_fibers<Class, Entries>() || ...)) manifest_line(out, "requires", BP_EXT_FIBER);
    }
  };

  struct Cddl {
    static constexpr Fault write(TextSink& out) {
      TypeText text(name.view());
      const Fault fault = text.write(
          out, [](TypeText& types) { (Entries::constants(types), ...); },
          [](TypeText& types) { (Entries::template rules<Class>(types), ...); });
      out.put('\0');
      return fault;
    }
    static constexpr Fault fault = [] {
      TextSink nowhere;
      return write(nowhere);
    }();
    static_assert(InterfaceFault<fault.kind, fault.first, fault.second>::checked);
  };

  static bp_status init(const bp_host_api* api, bp_module* module, void**) noexcept {
    try {
      host.attach(api, module);
      std::string_view added;
      bp_status status = BP_OK;
      (void)(((status = Entries::template add<Class>(api, module, &added)) == BP_OK) && ...);
      if (status == BP_OK) return BP_OK;
      throw Error(status, join("the host refused ", added, ": ", status_name(status)));
    } catch (...) {
      return fail_exception(api, module);
    }
  }

  static void deinit(void*) noexcept { host.detach(); }

  static bp_status create(void*, bp_instance* instance, void** state) noexcept {
    try {
      *state = new State<Class>(instance);
      return BP_OK;
    } catch (...) {
      return fail_exception(host.api, host.module);
    }
  }

  static void destroy(void* state) noexcept { delete static_cast<State<Class>*>(state); }
};

template <class Class, FixedText name, FixedText version, auto... entries>
using Module = ModuleOf<Class, name, version, std::remove_cv_t<decltype(entries)>...>;

}  // namespace detail
}  // namespace backplane

/// Says that the module's code keeps its exceptions apart (exceptions.hpp). A host then does not warn of a C++ runtime
/// that the module has for itself.
#define BACKPLANE_SDK_SECTION ".bp.sdk"

/// Defines the module: its class, name and version, then its entries. Use it once, at file scope:
///   BACKPLANE_MODULE(Echo, "echo", "1.0.0", backplane::handler<"echo.shout", &Echo::shout>)
#define BACKPLANE_MODULE(Class, module_name, module_version, ...)                                                     \
  namespace {                                                                                                         \
  using BackplaneModule = ::backplane::detail::Module<Class, module_name, module_version __VA_OPT__(, ) __VA_ARGS__>; \
  __attribute__((section(BP_MANIFEST_SECTION), used, aligned(1))) constexpr auto backplane_manifest =                 \
      ::backplane::detail::text_constant<BackplaneModule::Manifest>();                                                \
  __attribute__((section(BP_CDDL_SECTION), used, aligned(1))) constexpr auto backplane_cddl =                         \
      ::backplane::detail::text_constant<BackplaneModule::Cddl>();                                                    \
  __attribute__((section(BACKPLANE_SDK_SECTION), used, aligned(1))) constexpr char backplane_sdk[] =                  \
      "exceptions=apart";                                                                                             \
  }                                                                                                                   \
  BP_MODULE_ENTRY = {sizeof(bp_module_entry),                                                                         \
                     BP_ABI_MAJOR,                                                                                    \
                     BP_ABI_MINOR,                                                                                    \
                     BackplaneModule::flags,                                                                          \
                     BackplaneModule::init,                                                                           \
                     BackplaneModule::deinit,                                                                         \
                     BackplaneModule::create,                                                                         \
                     BackplaneModule::destroy,                                                                        \
                     nullptr}
