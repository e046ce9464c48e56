// SPDX-License-Identifier: Apache-2.0
//
// The codec of all frames: each frame is described once, and both encode() and decode() use the description.
#include "wire/frame.hpp"

#include <algorithm>
#include <array>
#include <backplane/cbor/reader.hpp>
#include <limits>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

namespace backplane::host::wire {
namespace {

/// Describes one kind of frame: its type number and its items in order. Encoding and decoding use the same description,
/// so they cannot differ.
template <class T>
struct Layout;

template <class T, class... Members>
struct Described {
  std::uint64_t type;
  const char* name;
  std::tuple<Members T::*...> members;
};
template <class T, class... Members>
constexpr Described<T, Members...> describe(std::uint64_t type, const char* name, Members T::*... members) {
  return {type, name, {members...}};
}

template <>
struct Layout<Hello> {
  static constexpr auto value =
      describe<Hello>(1, "hello", &Hello::protocol, &Hello::version, &Hello::pid, &Hello::max_frame, &Hello::oldest,
                      &Hello::features, &Hello::window_bytes, &Hello::window_parts);
};
template <>
struct Layout<Call> {
  static constexpr auto value = describe<Call>(2, "call", &Call::id, &Call::target, &Call::payload, &Call::timeout_ms,
                                               &Call::flags, &Call::window_bytes, &Call::window_parts);
};
template <>
struct Layout<Cancel> {
  static constexpr auto value = describe<Cancel>(3, "cancel", &Cancel::id);
};
template <>
struct Layout<Resolve> {
  static constexpr auto value = describe<Resolve>(4, "resolve", &Resolve::id, &Resolve::name);
};
template <>
struct Layout<Listen> {
  static constexpr auto value =
      describe<Listen>(5, "listen", &Listen::id, &Listen::listener, &Listen::pattern, &Listen::flags);
};
template <>
struct Layout<Unlisten> {
  static constexpr auto value = describe<Unlisten>(6, "unlisten", &Unlisten::id, &Unlisten::listener);
};
template <>
struct Layout<Load> {
  static constexpr auto value = describe<Load>(7, "load", &Load::id, &Load::path, &Load::config, &Load::flags,
                                               &Load::stack_size, &Load::workers, &Load::drain_ms);
};
template <>
struct Layout<Unload> {
  static constexpr auto value = describe<Unload>(8, "unload", &Unload::id, &Unload::module, &Unload::timeout_ms);
};
template <>
struct Layout<Reload> {
  static constexpr auto value =
      describe<Reload>(9, "reload", &Reload::id, &Reload::module, &Reload::path, &Reload::config, &Reload::timeout_ms,
                       &Reload::flags, &Reload::stack_size, &Reload::workers, &Reload::drain_ms);
};
template <>
struct Layout<List> {
  static constexpr auto value = describe<List>(10, "list", &List::id);
};
template <>
struct Layout<Status> {
  static constexpr auto value = describe<Status>(11, "status", &Status::id);
};
template <>
struct Layout<Stop> {
  static constexpr auto value = describe<Stop>(12, "stop", &Stop::id);
};
template <>
struct Layout<Credit> {
  static constexpr auto value = describe<Credit>(13, "credit", &Credit::id, &Credit::bytes);
};
template <>
struct Layout<Part> {
  static constexpr auto value = describe<Part>(14, "part", &Part::id, &Part::payload, &Part::flags);
};
template <>
struct Layout<Heard> {
  static constexpr auto value = describe<Heard>(15, "heard", &Heard::listener, &Heard::bytes);
};
template <>
struct Layout<Log> {
  static constexpr auto value = describe<Log>(19, "log", &Log::id, &Log::module, &Log::level);
};
template <>
struct Layout<Begin> {
  static constexpr auto value =
      describe<Begin>(20, "begin", &Begin::id, &Begin::kind, &Begin::module, &Begin::path, &Begin::config,
                      &Begin::flags, &Begin::stack_size, &Begin::workers, &Begin::drain_ms);
};
template <>
struct Layout<Wait> {
  static constexpr auto value = describe<Wait>(21, "wait", &Wait::id, &Wait::operation, &Wait::timeout_ms);
};
template <>
struct Layout<Undo> {
  static constexpr auto value = describe<Undo>(22, "undo", &Undo::id, &Undo::operation);
};
template <>
struct Layout<Reconfigure> {
  static constexpr auto value = describe<Reconfigure>(23, "reconfigure", &Reconfigure::id, &Reconfigure::flags);
};
template <>
struct Layout<Expect> {
  static constexpr auto value =
      describe<Expect>(24, "expect", &Expect::id, &Expect::module, &Expect::hash, &Expect::cddl);
};
template <>
struct Layout<Provide> {
  static constexpr auto value = describe<Provide>(25, "provide", &Provide::id, &Provide::kind, &Provide::name,
                                                  &Provide::flags, &Provide::window_bytes, &Provide::window_parts);
};
template <>
struct Layout<Withdraw> {
  static constexpr auto value = describe<Withdraw>(26, "withdraw", &Withdraw::id, &Withdraw::name);
};
template <>
struct Layout<Ask> {
  static constexpr auto value =
      describe<Ask>(27, "ask", &Ask::token, &Ask::name, &Ask::payload, &Ask::timeout_ms, &Ask::flags);
};
template <>
struct Layout<Answer> {
  static constexpr auto value = describe<Answer>(28, "answer", &Answer::token, &Answer::status, &Answer::payload,
                                                 &Answer::message, &Answer::detail);
};
template <>
struct Layout<Unask> {
  static constexpr auto value = describe<Unask>(29, "unask", &Unask::token);
};
template <>
struct Layout<Reply> {
  static constexpr auto value =
      describe<Reply>(16, "reply", &Reply::id, &Reply::status, &Reply::payload, &Reply::message, &Reply::detail);
};
template <>
struct Layout<Event> {
  static constexpr auto value =
      describe<Event>(17, "event", &Event::listener, &Event::flags, &Event::name, &Event::payload);
};
template <>
struct Layout<Error> {
  static constexpr auto value = describe<Error>(18, "error", &Error::status, &Error::message);
};

template <class T>
constexpr std::size_t member_count() {
  return std::tuple_size_v<decltype(Layout<T>::value.members)>;
}
/// A hello carries the protocol's name before its members.
template <class T>
inline constexpr std::size_t extra_items = std::is_same_v<T, Hello> ? 1 : 0;
template <class T>
inline constexpr std::size_t item_count = 1 + extra_items<T> + member_count<T>();
/// A frame that carries the settings of a module.
template <class T>
inline constexpr bool has_settings = requires(const T& frame) {
  frame.stack_size;
};
/// How many items at the end may be missing, because the first senders did not know them.
template <class T>
inline constexpr std::size_t later_items = std::is_same_v<T, Hello>     ? 4
                                           : std::is_same_v<T, Call>    ? 2
                                           : std::is_same_v<T, Listen>  ? 1
                                           : std::is_same_v<T, Expect>  ? 1
                                           : std::is_same_v<T, Provide> ? 3
                                           : has_settings<T>            ? 4
                                                                        : 0;
template <class T>
inline constexpr std::size_t least_items = item_count<T> - later_items<T>;

template <class T>
constexpr std::size_t items_of(const T&) {
  return item_count<T>;
}
/// A call with the default window is written without it, in the form that quick_decode() reads.
std::size_t items_of(const Call& call) {
  const bool usual = call.window_bytes == 0 && call.window_parts == 0;
  return usual ? least_items<Call> : item_count<Call>;
}

/// The same of a hello.
std::size_t items_of(const Hello& hello) {
  const bool usual = hello.window_bytes == 0 && hello.window_parts == 0;
  return item_count<Hello> - (usual ? 2 : 0);
}

/// An older host knows no flags.
std::size_t items_of(const Listen& listen) { return item_count<Listen> - (listen.flags == 0 ? 1 : 0); }

/// What says nothing is left out.
std::size_t items_of(const Expect& expect) { return item_count<Expect> - (expect.cddl.empty() ? 1 : 0); }
std::size_t items_of(const Provide& provide) {
  const bool usual = provide.flags == 0 && provide.window_bytes == 0 && provide.window_parts == 0;
  return usual ? least_items<Provide> : item_count<Provide>;
}

/// An older host knows no settings.
template <class T>
requires has_settings<T> std::size_t items_of(const T& load) {
  const bool usual = load.flags == 0 && load.stack_size == 0 && load.workers == 0 && load.drain_ms == 0;
  return usual ? least_items<T> : item_count<T>;
}

constexpr std::array<std::pair<std::string_view, bool Features::*>, 10> features_by_name{{
    {"credit", &Features::credit},
    {"parts", &Features::parts},
    {"lossless", &Features::lossless},
    {"log", &Features::log},
    {"operations", &Features::operations},
    {"reconfigure", &Features::reconfigure},
    {"settings", &Features::settings},
    {"compare", &Features::compare},
    {"provide", &Features::provide},
    {"expect", &Features::expect},
}};

// ---- Writing ---------------------------------------------------------------------------------------

void put(cbor::Writer& writer, std::uint64_t v) { writer.uint(v); }
void put(cbor::Writer& writer, std::uint32_t v) { writer.uint(v); }
void put(cbor::Writer& writer, std::int32_t v) { writer.integer(v); }
void put(cbor::Writer& writer, std::string_view v) { writer.text(v); }
void put(cbor::Writer& writer, View v) { writer.bytes(v); }
void put(cbor::Writer& writer, const Features& v) {
  const auto has = [&v](const auto& feature) { return v.*feature.second; };
  writer.array(static_cast<std::size_t>(std::count_if(features_by_name.begin(), features_by_name.end(), has)));
  for (const auto& [name, member] : features_by_name) {
    if (v.*member) writer.text(name);
  }
}
void put(cbor::Writer& writer, const Target& v) { v.method != 0 ? writer.uint(v.method) : writer.text(v.name); }

template <class T>
std::size_t string_bytes(const T& frame) {
  std::size_t total = 0;
  const auto add = [&total](const auto& value) {
    if constexpr (requires { value.size(); }) total += value.size();
    if constexpr (requires { value.name.size(); }) total += value.name.size();
  };
  std::apply([&](auto... members) { (add(frame.*members), ...); }, Layout<T>::value.members);
  return total;
}

/// Reserves room, and at least doubles the capacity. An exact reserve for each frame would copy the buffer each time.
void make_room(Bytes& out, std::size_t size) {
  if (out.capacity() - out.size() >= size) return;
  out.reserve(std::max(out.size() + size, out.capacity() * 2));
}

template <class T>
void write_items(Bytes& out, const T& frame) {
  const std::size_t begin = out.size();
  out.resize(begin + header_size);
  cbor::Writer writer(out);
  std::size_t left = items_of(frame);
  writer.array(left);
  writer.uint(Layout<T>::value.type);
  if constexpr (std::is_same_v<T, Hello>) writer.text(protocol_name);
  left -= 1 + extra_items<T>;
  const auto put_next = [&](const auto& member) {
    if (left == 0) return;
    --left;
    put(writer, member);
  };
  std::apply([&](auto... members) { (put_next(frame.*members), ...); }, Layout<T>::value.members);
  const std::size_t length = out.size() - begin - header_size;
  for (std::size_t i = 0; i < header_size; ++i) {
    out[begin + i] = static_cast<std::uint8_t>(length >> (8 * (header_size - 1 - i)));
  }
}

// The room is enough for nearly all frames. Without memory for more, nothing of the frame is left: the peer could not
// read what follows a part of one.
template <class T>
void write(Bytes& out, const T& frame) {
  make_room(out, header_size + frame_overhead + string_bytes(frame));
  const std::size_t before = out.size();
  try {
    write_items(out, frame);
  } catch (...) {
    out.resize(before);
    throw;
  }
}

// ---- Reading ---------------------------------------------------------------------------------------

[[noreturn]] void wrong(const char* frame, std::size_t index, const std::string& expected, cbor::Type found) {
  throw ProtocolError(a_frame(frame) + " with " + cbor::name(found) + " as item " + std::to_string(index) +
                      "; expected " + expected);
}

/// Reads the items of one frame in order.
class Items {
 public:
  Items(cbor::Reader& reader, const char* frame) : reader_(reader), frame_(frame) {}

  void get(std::uint64_t& out) {
    const cbor::Item item = take();
    if (item.type != cbor::Type::uint) wrong(frame_, index_, "an unsigned int", item.type);
    out = item.value;
  }
  void get(std::uint32_t& out) {
    std::uint64_t wide = 0;
    get(wide);
    if (wide > std::numeric_limits<std::uint32_t>::max()) out_of_range();
    out = static_cast<std::uint32_t>(wide);
  }
  void get(std::int32_t& out) {
    const cbor::Item item = take();
    if (item.type != cbor::Type::uint && item.type != cbor::Type::negint) wrong(frame_, index_, "an int", item.type);
    if (item.value > static_cast<std::uint64_t>(std::numeric_limits<std::int32_t>::max())) out_of_range();
    const auto value = static_cast<std::int32_t>(item.value);
    out = item.type == cbor::Type::uint ? value : -1 - value;
  }
  void get(std::string_view& out) {
    const cbor::Item item = take();
    if (item.type != cbor::Type::text || item.until_end) wrong(frame_, index_, "text of known length", item.type);
    out = item.text();
  }
  void get(View& out) {
    const cbor::Item item = take();
    if (item.type != cbor::Type::bytes || item.until_end) wrong(frame_, index_, "bytes of known length", item.type);
    out = item.bytes();
  }
  void get(Features& out) {
    const cbor::Item list = take();
    if (list.type != cbor::Type::array || list.until_end) wrong(frame_, index_, "an array of known length", list.type);
    for (std::uint64_t i = 0; i < list.value; ++i) {
      const cbor::Item item = reader_.next();
      if (item.type != cbor::Type::text || item.until_end) wrong(frame_, index_, "an array of texts", item.type);
      for (const auto& [name, member] : features_by_name) {
        if (item.text() == name) out.*member = true;
      }
    }
  }
  void get(Target& out) {
    const cbor::Item item = take();
    if (item.type == cbor::Type::uint) {
      out.method = item.value;
    } else if (item.type == cbor::Type::text && !item.until_end) {
      out.name = item.text();
    } else {
      wrong(frame_, index_, "a wire name or a method id", item.type);
    }
  }

 private:
  cbor::Item take() {
    ++index_;
    return reader_.next();
  }
  [[noreturn]] void out_of_range() const {
    throw ProtocolError(a_frame(frame_) + " with a number out of range as item " + std::to_string(index_) +
                        "; expected at most 32 bits");
  }

  cbor::Reader& reader_;
  const char* frame_;
  std::size_t index_ = 0;
};

template <class T>
Frame read(cbor::Reader& reader, std::uint64_t count) {
  constexpr auto& layout = Layout<T>::value;
  if (count < least_items<T>) {
    throw ProtocolError(a_frame(layout.name) + " with " + std::to_string(count) + (count == 1 ? " item" : " items") +
                        "; expected at least " + std::to_string(least_items<T>));
  }
  T frame;
  Items items(reader, layout.name);
  if constexpr (std::is_same_v<T, Hello>) {
    std::string_view protocol;
    items.get(protocol);
    if (protocol != protocol_name) throw ProtocolError("a hello of another protocol; expected \"backplane\"");
  }
  std::uint64_t left = count - 1 - extra_items<T>;
  const auto get_next = [&](auto& member) {
    if (left == 0) return;
    --left;
    items.get(member);
  };
  std::apply([&](auto... members) { (get_next(frame.*members), ...); }, layout.members);
  // Ignore further items, which a newer peer may add at the end.
  for (std::uint64_t i = item_count<T>; i < count; ++i) reader.skip();
  if (!reader.at_end()) {
    throw ProtocolError(a_frame(layout.name) + " with more bytes after its end; expected none");
  }
  return frame;
}

using ReadFrame = Frame (*)(cbor::Reader&, std::uint64_t);
inline constexpr std::size_t type_limit = 30;

template <class... T>
constexpr std::array<ReadFrame, type_limit> readers(std::variant<T...>*) {
  std::array<ReadFrame, type_limit> table{};
  ((table[Layout<T>::value.type] = read<T>), ...);
  return table;
}
constexpr auto frame_readers = readers(static_cast<Frame*>(nullptr));

Frame decode_body(View body) {
  cbor::Reader reader(body);
  const cbor::Item head = reader.next();
  if (head.type != cbor::Type::array || head.until_end || head.value == 0) {
    throw ProtocolError("a frame that begins with " + std::string(cbor::name(head.type)) +
                        "; expected an array of known length, its first item the frame's type");
  }
  const cbor::Item type = reader.next();
  if (type.type != cbor::Type::uint || type.value >= type_limit || frame_readers[type.value] == nullptr) {
    throw ProtocolError("a frame of an unknown type" +
                        (type.type == cbor::Type::uint ? " (" + std::to_string(type.value) + ")" : std::string()) +
                        "; expected a type of protocol version " + std::to_string(protocol_version));
  }
  return frame_readers[type.value](reader, head.value);
}

}  // namespace

Frame decode(View body) {
  try {
    return decode_body(body);
  } catch (const cbor::Error& error) {
    throw ProtocolError("a frame that is not well-formed CBOR, at byte " + std::to_string(error.offset) + ": " +
                        error.what());
  }
}

const char* name(const Frame& frame) noexcept {
  return std::visit([]<class T>(const T&) { return Layout<T>::value.name; }, frame);
}

std::string a_frame(std::string_view name) {
  const bool vowel = std::string_view("aeiou").find(name.front()) != std::string_view::npos;
  return (vowel ? "an " : "a ") + std::string(name) + " frame";
}

void encode(Bytes& out, const Hello& frame) { write(out, frame); }
void encode(Bytes& out, const Call& frame) { write(out, frame); }
void encode(Bytes& out, const Cancel& frame) { write(out, frame); }
void encode(Bytes& out, const Resolve& frame) { write(out, frame); }
void encode(Bytes& out, const Listen& frame) { write(out, frame); }
void encode(Bytes& out, const Unlisten& frame) { write(out, frame); }
void encode(Bytes& out, const Heard& frame) { write(out, frame); }
void encode(Bytes& out, const Load& frame) { write(out, frame); }
void encode(Bytes& out, const Unload& frame) { write(out, frame); }
void encode(Bytes& out, const Reload& frame) { write(out, frame); }
void encode(Bytes& out, const List& frame) { write(out, frame); }
void encode(Bytes& out, const Status& frame) { write(out, frame); }
void encode(Bytes& out, const Stop& frame) { write(out, frame); }
void encode(Bytes& out, const Credit& frame) { write(out, frame); }
void encode(Bytes& out, const Part& frame) { write(out, frame); }
void encode(Bytes& out, const Log& frame) { write(out, frame); }
void encode(Bytes& out, const Begin& frame) { write(out, frame); }
void encode(Bytes& out, const Wait& frame) { write(out, frame); }
void encode(Bytes& out, const Undo& frame) { write(out, frame); }
void encode(Bytes& out, const Reconfigure& frame) { write(out, frame); }
void encode(Bytes& out, const Expect& frame) { write(out, frame); }
void encode(Bytes& out, const Provide& frame) { write(out, frame); }
void encode(Bytes& out, const Withdraw& frame) { write(out, frame); }
void encode(Bytes& out, const Ask& frame) { write(out, frame); }
void encode(Bytes& out, const Answer& frame) { write(out, frame); }
void encode(Bytes& out, const Unask& frame) { write(out, frame); }
void encode(Bytes& out, const Reply& frame) { write(out, frame); }
void encode(Bytes& out, const Event& frame) { write(out, frame); }
void encode(Bytes& out, const Error& frame) { write(out, frame); }

}  // namespace backplane::host::wire
