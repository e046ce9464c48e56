// SPDX-License-Identifier: Apache-2.0
//
// The interface text of a module: one rule for each type, constants, and the rules of the wire names. It is made at
// compile time. docs/interfaces.md describes it.
#pragma once

#include <initializer_list>

#include "type_name.hpp"

namespace backplane {
template <class T>
struct Codec;
}

namespace backplane::detail {

/// A list that grows at compile time.
template <class T>
class ConstList {
 public:
  constexpr ConstList() = default;
  constexpr explicit ConstList(std::size_t size) : data_(new T[size]{}), size_(size), capacity_(size) {}
  ConstList(const ConstList&) = delete;
  ConstList& operator=(const ConstList&) = delete;
  constexpr ~ConstList() { delete[] data_; }

  constexpr void push(const T& value) {
    if (size_ == capacity_) grow();
    data_[size_++] = value;
  }
  constexpr std::size_t size() const { return size_; }
  constexpr const T& operator[](std::size_t i) const { return data_[i]; }
  constexpr T* data() { return data_; }
  constexpr void clear() { size_ = 0; }

 private:
  constexpr void grow() {
    capacity_ = capacity_ * 2 + 16;
    T* const data = new T[capacity_]{};
    for (std::size_t i = 0; i < size_; ++i) data[i] = data_[i];
    delete[] data_;
    data_ = data;
  }

  T* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

class TypeText;

/// The rule of one C++ type: `EchoRequest = { … }`.
struct TypeRule {
  std::string_view type;  ///< the whole name of the C++ type, which no other type of the module has
  void (*name)(TextSink&);
  void (*body)(TypeText&);
  std::string_view doc;
  bool scalar;    ///< an alias of the prelude's types, such as uint32
  bool settings;  ///< has structs, of which each member may be absent in a configuration
};

/// Where a type is written.
enum class Place {
  whole,    ///< alone after `=`, or as the value of a member
  element,  ///< of an array or map: a choice needs parentheses, and arrays and maps a rule of their own
  choice,   ///< in a choice: arrays and maps need a rule of their own
};

/// How a codec writes itself.
enum class Form {
  plain,     ///< in place, everywhere
  choice,    ///< in place, in parentheses as an element
  compound,  ///< in place where it is whole; elsewhere it has a rule
  rule,      ///< always as a rule
};

template <class T>
constexpr const TypeRule& rule_for();

/// What two rules of one module have against each other.
struct Fault {
  enum Kind { none, one_name, reserved, bad_name, like_a_wire_name, constant_twice } kind = none;
  const TypeRule* first = nullptr;
  const TypeRule* second = nullptr;
};

/// The types that a type is made of.
template <class... T>
struct Parts {};

/// The type whose wire form T has: std::deque<T> has that of std::vector<T>. So both have one rule.
template <class T>
struct WireFormOf {
  using type = T;
};
template <class T>
requires requires { typename Codec<T>::Wire; }
struct WireFormOf<T> {
  using type = typename Codec<T>::Wire;
};
template <class T>
using WireForm = typename WireFormOf<T>::type;

/// A codec that says nothing may write a choice.
template <class T>
constexpr Form form_of() {
  if constexpr (requires { Codec<T>::form; }) {
    return Codec<T>::form;
  } else {
    return Form::choice;
  }
}

/// Collects the types of an interface, and writes rules.
class TypeText {
 public:
  struct Use {
    const TypeRule* rule = nullptr;
    bool settings = false;  ///< as in a configuration, where members of structs may be absent
    /// The addresses of rules are no constants for GCC's -fsanitize=undefined.
    friend constexpr bool operator==(const Use& a, const Use& b) {
      return a.settings == b.settings && a.rule->type == b.rule->type;
    }
  };

  constexpr explicit TypeText(std::string_view module) : module_(module) {}

  constexpr std::string_view module() const { return module_; }
  constexpr bool in_settings() const { return settings_; }
  constexpr void set_settings(bool settings) { settings_ = settings; }

  constexpr TypeText& operator<<(std::string_view text) {
    *out_ << text;
    return *this;
  }
  constexpr TextSink& sink() { return *out_; }

  /// Writes T, or the name of its rule.
  template <class T>
  constexpr void type(Place place = Place::whole) {
    using W = WireForm<T>;
    constexpr Form form = form_of<W>();
    if constexpr (form == Form::rule) {
      use(rule_for<W>());
    } else if constexpr (form == Form::compound) {
      if (place != Place::whole) return use(rule_for<W>());
      Codec<W>::describe(*this);
    } else {
      const bool parentheses = form == Form::choice && place == Place::element;
      if (parentheses) *this << "(";
      if constexpr (requires { Codec<W>::describe(*this); }) {
        Codec<W>::describe(*this);
      } else {
        Codec<W>::cddl(*out_);
      }
      if (parentheses) *this << ")";
    }
  }

  /// Writes `wire.kind = T ; doc`. Does nothing for the second time, since a module may both offer and call a name.
  /// Nothing and void are for a request and an answer without content.
  template <class T>
  constexpr void rule(std::string_view wire, std::string_view kind, std::string_view doc = {}) {
    if (!begin(wire, kind)) return;
    if constexpr (std::is_void_v<T>) {
      *this << "null";
    } else {
      type<T>();
    }
    end(doc);
  }

  constexpr bool begin(std::string_view wire, std::string_view kind) {
    if (!is_new({wire, kind, {}, 0})) return false;
    *this << wire << kind << " = ";
    return true;
  }
  /// The same for `<wire>.error.<status>`.
  constexpr bool begin_status(std::string_view wire, std::uint64_t status) {
    if (!is_new({wire, ".error.", {}, status})) return false;
    *this << wire << ".error.";
    out_->number(status) << " = ";
    return true;
  }
  /// Begins `<module>.<name>.constant`.
  constexpr void begin_constant(std::string_view name) {
    if (!is_new({module_, name, ".constant", 0})) fault_ = {Fault::constant_twice, nullptr, nullptr};
    *this << module_ << "." << name << ".constant = ";
  }
  /// Ends a rule or a member, with its doc.
  constexpr void end(std::string_view doc) {
    if (!doc.empty()) *this << " ; ";
    comment(doc);
    *this << "\n";
  }
  constexpr void comment(std::string_view doc) {
    for (const char c : doc) out_->put(static_cast<unsigned char>(c) < ' ' ? ' ' : c);
  }

  /// Writes the whole text. `constants` and `entries` write rules; they run once to find the types, and once more.
  template <class Constants, class Entries>
  constexpr Fault write(TextSink& out, Constants constants, Entries entries) {
    TextSink nowhere;
    out_ = &nowhere;
    constants(*this);
    entries(*this);
    const Fault fault = find_fault();
    collecting_ = false;
    wires_.clear();
    out_ = &out;
    write_types();
    const std::size_t before = out.size();
    constants(*this);
    if (out.size() != before) *this << "\n";
    entries(*this);
    return fault;
  }

 private:
  struct Wire {
    std::string_view name;
    std::string_view kind;
    std::string_view last;
    std::uint64_t status = 0;  ///< 0: none
    friend constexpr bool operator==(const Wire&, const Wire&) = default;
  };
  /// A name as other languages may see it: cddl2ts makes TimerEchoRequest of timer.echo.request.
  struct Folded {
    std::size_t begin = 0;
    std::size_t end = 0;
    const TypeRule* rule = nullptr;
  };

  constexpr bool is_new(const Wire& wire) {
    for (std::size_t i = 0; i < wires_.size(); ++i) {
      if (wires_[i] == wire) return false;
    }
    wires_.push(wire);
    return true;
  }

  constexpr void use(const TypeRule& rule) {
    const Use use{&rule, settings_ && rule.settings};
    if (!collecting_) return write_name(use, *out_);
    for (std::size_t i = 0; i < uses_.size(); ++i) {
      if (uses_[i] == use) return;
    }
    uses_.push(use);
    write_body(use);
  }

  constexpr void write_body(const Use& use) {
    const bool before = settings_;
    settings_ = use.settings;
    use.rule->body(*this);
    settings_ = before;
  }

  constexpr void write_name(const Use& use, TextSink& out) const {
    use.rule->name(out);
    if (!use.settings) return;
    for (std::size_t i = 0; i < uses_.size(); ++i) {
      // If the same type is read elsewhere, where its members must be there, that one has the name.
      if (uses_[i] == Use{use.rule, false}) out << "Settings";
    }
  }

  constexpr void write_types() {
    std::size_t scalars = 0;
    for (const bool scalar : {true, false}) {
      if (!scalar && scalars != 0) *this << "\n";
      for (std::size_t i = 0; i < uses_.size(); ++i) {
        const Use use = uses_[i];
        if (use.rule->scalar != scalar) continue;
        scalars += scalar ? 1 : 0;
        write_name(use, *out_);
        *this << " = ";
        write_body(use);
        end(use.rule->doc);
        if (!scalar) *this << "\n";
      }
    }
  }

  constexpr Fault find_fault() const {
    if (fault_.kind != Fault::none) return fault_;
    ConstList<char> text;
    ConstList<Folded> names;
    for (std::size_t i = 0; i < uses_.size(); ++i) {
      const TypeRule* const rule = uses_[i].rule;
      TextSink size;
      write_name(uses_[i], size);
      ConstList<char> name(size.size());
      TextSink out(name.data());
      write_name(uses_[i], out);
      const std::string_view view(name.data(), size.size());
      if (!valid_type_name(view)) return {Fault::bad_name, rule, rule};
      if (!rule->scalar && reserved_type_name(view)) return {Fault::reserved, rule, rule};
      names.push(fold(text, {view}, rule));
      const std::size_t same = same_name(text, names);
      if (same < i) return {Fault::one_name, names[same].rule, rule};
    }
    for (std::size_t i = 0; i < wires_.size(); ++i) {
      const Wire& wire = wires_[i];
      TextSink digits;
      char status[20]{};
      if (wire.status != 0) (digits = TextSink(status)).number(wire.status);
      names.push(fold(text, {wire.name, wire.kind, wire.last, {status, digits.size()}}, nullptr));
      const std::size_t same = same_name(text, names);
      if (same < uses_.size()) return {Fault::like_a_wire_name, names[same].rule, names[same].rule};
    }
    return {};
  }

  static constexpr Folded fold(ConstList<char>& text, std::initializer_list<std::string_view> parts,
                               const TypeRule* rule) {
    const std::size_t begin = text.size();
    for (const std::string_view part : parts) {
      for (const char c : part) {
        if (c != '.' && c != '_') text.push(c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
      }
    }
    return {begin, text.size(), rule};
  }

  /// The index of an earlier type with the last name; SIZE_MAX: there is none. A type may have two rules, see
  /// write_name(). Types come first, in the order of uses_.
  constexpr std::size_t same_name(const ConstList<char>& text, const ConstList<Folded>& names) const {
    const Folded last = names[names.size() - 1];
    for (std::size_t i = 0; i + 1 < names.size() && i < uses_.size(); ++i) {
      const Folded name = names[i];
      if (name.end - name.begin != last.end - last.begin) continue;
      std::size_t k = 0;
      while (k < last.end - last.begin && text[name.begin + k] == text[last.begin + k]) ++k;
      if (k == last.end - last.begin) return i;
    }
    return SIZE_MAX;
  }

  std::string_view module_;
  TextSink* out_ = nullptr;
  ConstList<Use> uses_;
  ConstList<Wire> wires_;
  Fault fault_;
  bool settings_ = false;
  bool collecting_ = true;
};

/// Writes a name with a capital letter at its begin.
constexpr void put_capital(TextSink& out, std::string_view name) {
  const bool small = !name.empty() && name[0] >= 'a' && name[0] <= 'z';
  if (small) out.put(static_cast<char>(name[0] - 'a' + 'A'));
  out << name.substr(small ? 1 : 0);
}

/// The name of T as a part of the name of a list or map of it: "Profile", "Int32", "Text".
template <class T>
constexpr void name_part(TextSink& out) {
  using W = WireForm<T>;
  if constexpr (requires { Codec<W>::part_name(out); }) {
    Codec<W>::part_name(out);
  } else {
    put_capital(out, type_name<W>());
  }
}

/// Whether T has structs, whose members may be absent in a configuration.
template <class T>
constexpr bool has_structs() {
  if constexpr (requires { typename Codec<T>::struct_members; }) {
    return true;
  } else if constexpr (requires { typename Codec<T>::Inside; }) {
    return []<class... P>(Parts<P...>) { return (has_structs<P>() || ...); }(typename Codec<T>::Inside());
  } else {
    return false;
  }
}

template <class T>
constexpr bool is_scalar_rule() {
  if constexpr (requires { Codec<T>::scalar_name; }) {
    return true;
  } else {
    return false;
  }
}

template <class T>
constexpr void write_rule_name(TextSink& out) {
  if constexpr (is_scalar_rule<T>()) {
    out << Codec<T>::scalar_name;
  } else if constexpr (requires { Codec<T>::part_name(out); }) {
    Codec<T>::part_name(out);
  } else {
    out << type_name<T>();
  }
}

template <class T>
constexpr std::string_view rule_doc() {
  if constexpr (requires { Codec<T>::doc; }) {
    return Codec<T>::doc;
  } else {
    // An enum with docs of its values writes all of them itself.
    return std::is_enum_v<T> && has_member_docs<T>() ? std::string_view() : doc_of<T>("");
  }
}

template <class T>
constexpr std::string_view whole_name() {
  return __PRETTY_FUNCTION__;
}

template <class T>
inline constexpr TypeRule rule_of{whole_name<T>(), write_rule_name<T>,  Codec<T>::describe,
                                  rule_doc<T>(),   is_scalar_rule<T>(), has_structs<T>()};

template <class T>
constexpr const TypeRule& rule_for() {
  return rule_of<T>;
}

/// Ends the compilation with the names of the types, if their rules are at fault.
template <Fault::Kind kind, const TypeRule* first, const TypeRule* second>
struct InterfaceFault {
  static_assert(kind != Fault::one_name,
                "two types of the module have one name in its interface text (see first and second; upper and lower "
                "case count as one); give one of them another: BACKPLANE_TYPE_NAME(T, \"Name\")");
  static_assert(kind != Fault::reserved,
                "a type has a name that CDDL or the SDK itself uses (see first); give it another: "
                "BACKPLANE_TYPE_NAME(T, \"Name\")");
  static_assert(kind != Fault::bad_name,
                "the rule of a type needs a name of a letter, then letters, digits and _, at most 64 in all, which an "
                "instance of a template does not have (see first); give it one: BACKPLANE_TYPE_NAME(T, \"Name\")");
  static_assert(kind != Fault::like_a_wire_name,
                "a type has the name that other languages make of a wire name, such as TimerEchoRequest of "
                "timer.echo.request (see first); give it another: BACKPLANE_TYPE_NAME(T, \"Name\")");
  static_assert(kind != Fault::constant_twice, "two constant<> entries of the module have one name");
  static constexpr bool checked = true;
};

}  // namespace backplane::detail
