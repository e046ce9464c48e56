// SPDX-License-Identifier: Apache-2.0
//
// Hand-written CBOR codecs, the floor of the codec rows.
#include "codec_floor.hpp"

#include <cstring>

namespace bench {
namespace {

// ---- Writing: the bounds are libcbor's to check, and the caller's for what is copied ----

struct Out {
  std::uint8_t* at;
  std::uint8_t* const end;
  bool fits = true;

  std::size_t left() const { return static_cast<std::size_t>(end - at); }
  void map(std::size_t count) { at += cbor_encode_map_start(count, at, left()); }
  void array(std::size_t count) { at += cbor_encode_array_start(count, at, left()); }
  void integer(std::int64_t v) {
    at += v >= 0 ? cbor_encode_uint(static_cast<std::uint64_t>(v), at, left())
                 : cbor_encode_negint(static_cast<std::uint64_t>(-(v + 1)), at, left());
  }
  void real(double v) { at += cbor_encode_double(v, at, left()); }
  void boolean(bool v) { at += cbor_encode_bool(v, at, left()); }
  void copy(const void* data, std::size_t size) {
    if (size > left()) {
      fits = false;
    } else if (size != 0) {
      std::memcpy(at, data, size);
      at += size;
    }
  }
  void bytes(backplane::View v) {
    at += cbor_encode_bytestring_start(v.size(), at, left());
    copy(v.data(), v.size());
  }
  /// A short word of the program's own, whose head the compiler knows.
  template <std::size_t n>
  void key(const char (&word)[n]) {
    static_assert(n - 1 < 24);
    if (left() < n) {
      fits = false;
      return;
    }
    *at = 0x60 + n - 1;
    std::memcpy(at + 1, word, n - 1);
    at += n;
  }
  void text(std::string_view v) {
    if (!backplane::cbor::valid_utf8(v)) fits = false;
    at += cbor_encode_string_start(v.size(), at, left());
    copy(v.data(), v.size());
  }
  std::size_t written(const std::uint8_t* begin) const { return fits ? static_cast<std::size_t>(at - begin) : 0; }
};

constexpr std::string_view level_names[] = {"low", "normal", "high"};

// ---- Reading: libcbor calls one function for each item, which leaves it here ----

enum class Kind : std::uint8_t { none, uint, negint, real, boolean, null, text, bytes, array, map };

struct Head {
  Kind kind;
  union {
    std::uint64_t number;
    double real;
    const std::uint8_t* data;
  };
  std::size_t size;
};

template <Kind kind, class T>
void number(void* head, T value) {
  static_cast<Head*>(head)->kind = kind;
  static_cast<Head*>(head)->number = value;
}
template <class T>
void real(void* head, T value) {
  static_cast<Head*>(head)->kind = Kind::real;
  static_cast<Head*>(head)->real = value;
}
template <Kind kind>
void string(void* head, cbor_data data, std::size_t size) {
  static_cast<Head*>(head)->kind = kind;
  static_cast<Head*>(head)->data = data;
  static_cast<Head*>(head)->size = size;
}
void null(void* head) { static_cast<Head*>(head)->kind = Kind::null; }

const cbor_callbacks callbacks = [] {
  cbor_callbacks t = cbor_empty_callbacks;
  t.uint8 = number<Kind::uint, std::uint8_t>;
  t.uint16 = number<Kind::uint, std::uint16_t>;
  t.uint32 = number<Kind::uint, std::uint32_t>;
  t.uint64 = number<Kind::uint, std::uint64_t>;
  t.negint8 = number<Kind::negint, std::uint8_t>;
  t.negint16 = number<Kind::negint, std::uint16_t>;
  t.negint32 = number<Kind::negint, std::uint32_t>;
  t.negint64 = number<Kind::negint, std::uint64_t>;
  t.byte_string = string<Kind::bytes>;
  t.string = string<Kind::text>;
  t.array_start = number<Kind::array, std::size_t>;
  t.map_start = number<Kind::map, std::size_t>;
  t.float2 = real<float>;
  t.float4 = real<float>;
  t.float8 = real<double>;
  t.null = null;
  t.undefined = null;
  t.boolean = number<Kind::boolean, bool>;
  return t;
}();

struct In {
  const std::uint8_t* at;
  const std::uint8_t* const end;

  explicit In(backplane::View in) : at(in.data()), end(at + in.size()) {}

  bool next(Head& head) {
    head.kind = Kind::none;
    const cbor_decoder_result got = cbor_stream_decode(at, static_cast<std::size_t>(end - at), &callbacks, &head);
    at += got.read;
    return got.status == CBOR_DECODER_FINISHED;
  }
  bool integer(std::int64_t& out) {
    Head head;
    return next(head) && integer(head, out);
  }
  bool integer(const Head& head, std::int64_t& out) {
    if ((head.kind != Kind::uint && head.kind != Kind::negint) || head.number > INT64_MAX) return false;
    const auto value = static_cast<std::int64_t>(head.number);
    out = head.kind == Kind::uint ? value : -1 - value;
    return true;
  }
  bool number(double& out) {
    Head head;
    if (!next(head)) return false;
    if (head.kind == Kind::real) return out = head.real, true;
    if (head.kind == Kind::uint) return out = static_cast<double>(head.number), true;
    if (head.kind == Kind::negint) return out = -1.0 - static_cast<double>(head.number), true;
    return false;
  }
  bool boolean(bool& out) {
    Head head;
    if (!next(head) || head.kind != Kind::boolean) return false;
    out = head.number != 0;
    return true;
  }
  bool text(std::string_view& out) {
    Head head;
    if (!next(head) || head.kind != Kind::text) return false;
    out = {reinterpret_cast<const char*>(head.data), head.size};
    return backplane::cbor::valid_utf8(out);
  }
  bool text(std::string& out) {
    std::string_view view;
    if (!text(view)) return false;
    out.assign(view);
    return true;
  }
  bool bytes(backplane::Bytes& out) {
    Head head;
    if (!next(head) || head.kind != Kind::bytes) return false;
    out.assign(head.data, head.data + head.size);
    return true;
  }
  bool array(std::uint64_t& count) {
    Head head;
    if (!next(head) || head.kind != Kind::array) return false;
    count = head.number;
    return count <= static_cast<std::size_t>(end - at);
  }
  /// Whether the next item is this short key, in its shortest form: then it is passed over. Most keys come in their
  /// order, so that this is cheaper than to have libcbor look.
  bool passed(std::string_view key) {
    if (static_cast<std::size_t>(end - at) <= key.size() || *at != 0x60 + key.size() ||
        std::memcmp(at + 1, key.data(), key.size()) != 0) {
      return false;
    }
    at += 1 + key.size();
    return true;
  }
  /// A map with each of the keys once; `member(i)` reads the value of the i-th, `needed` has a bit for each that
  /// must be there.
  template <std::size_t n, class Member>
  bool map(const std::string_view (&keys)[n], unsigned needed, Member member) {
    Head head;
    if (!next(head) || head.kind != Kind::map || head.number > static_cast<std::size_t>(end - at) / 2) return false;
    unsigned seen = 0;
    std::size_t guess = 0;
    for (std::uint64_t pairs = head.number; pairs != 0; --pairs) {
      std::size_t i = guess;
      if (i == n || !passed(keys[i])) {
        std::string_view key;
        if (!text(key)) return false;
        for (i = 0; i < n && keys[i] != key; ++i) {
        }
        if (i == n) return false;
      }
      if ((seen & 1u << i) != 0) return false;
      seen |= 1u << i;
      guess = i + 1;
      if (!member(i)) return false;
    }
    return (seen & needed) == needed;
  }
  bool level(Level& out) {
    std::string_view name;
    if (!text(name)) return false;
    for (int i = 0; i < 3; ++i) {
      if (level_names[i] == name) return out = static_cast<Level>(i), true;
    }
    return false;
  }
  bool window(Window& out) {
    static constexpr std::string_view keys[] = {"from", "to"};
    return map(keys, 0b11, [&](std::size_t i) { return integer(i == 0 ? out.from : out.to); });
  }
  bool point(Point& out) {
    static constexpr std::string_view keys[] = {"id", "value", "label"};
    return map(keys, 0b111, [&](std::size_t i) {
      return i == 0 ? integer(out.id) : i == 1 ? number(out.value) : text(out.label);
    });
  }
  bool limit(std::optional<std::int64_t>& out) {
    Head head;
    if (!next(head)) return false;
    if (head.kind == Kind::null) return out.reset(), true;
    return integer(head, out.emplace());
  }
  bool points(std::vector<Point>& out) {
    std::uint64_t count = 0;
    if (!array(count)) return false;
    out.clear();
    out.reserve(std::min<std::uint64_t>(count, 64));  // the count is a stranger's word
    for (; count != 0; --count) {
      if (!point(out.emplace_back())) return false;
    }
    return true;
  }
};

}  // namespace

std::size_t write_by_hand(const Small& value, std::uint8_t* begin, std::size_t size) {
  Out out{begin, begin + size};
  out.map(5);
  out.key("a");
  out.integer(value.a);
  out.key("b");
  out.integer(value.b);
  out.key("x");
  out.real(value.x);
  out.key("ok");
  out.boolean(value.ok);
  out.key("name");
  out.text(value.name);
  return out.written(begin);
}

std::size_t write_by_hand(const Nested& value, std::uint8_t* begin, std::size_t size) {
  const auto level = static_cast<std::size_t>(value.level);
  if (level > 2) return 0;
  Out out{begin, begin + size};
  out.map(value.limit ? 5 : 4);
  out.key("source");
  out.text(value.source);
  out.key("level");
  level == 0 ? out.key("low") : level == 1 ? out.key("normal") : out.key("high");
  out.key("window");
  out.map(2);
  out.key("from");
  out.integer(value.window.from);
  out.key("to");
  out.integer(value.window.to);
  if (value.limit) {
    out.key("limit");
    out.integer(*value.limit);
  }
  out.key("points");
  out.array(value.points.size());
  for (const Point& point : value.points) {
    out.map(3);
    out.key("id");
    out.integer(point.id);
    out.key("value");
    out.real(point.value);
    out.key("label");
    out.text(point.label);
  }
  return out.written(begin);
}

std::size_t write_by_hand(const Blob& value, std::uint8_t* begin, std::size_t size) {
  Out out{begin, begin + size};
  out.map(1);
  out.key("data");
  out.bytes(value.data);
  return out.written(begin);
}

bool read_by_hand(backplane::View bytes, Small& out) {
  static constexpr std::string_view keys[] = {"a", "b", "x", "ok", "name"};
  In in(bytes);
  return in.map(keys, 0b11111, [&](std::size_t i) {
    switch (i) {
      case 0:
        return in.integer(out.a);
      case 1:
        return in.integer(out.b);
      case 2:
        return in.number(out.x);
      case 3:
        return in.boolean(out.ok);
      default:
        return in.text(out.name);
    }
  }) && in.at == in.end;
}

bool read_by_hand(backplane::View bytes, Nested& out) {
  static constexpr std::string_view keys[] = {"source", "level", "window", "limit", "points"};
  In in(bytes);
  return in.map(keys, 0b10111, [&](std::size_t i) {
    switch (i) {
      case 0:
        return in.text(out.source);
      case 1:
        return in.level(out.level);
      case 2:
        return in.window(out.window);
      case 3:
        return in.limit(out.limit);
      default:
        return in.points(out.points);
    }
  }) && in.at == in.end;
}

bool read_by_hand(backplane::View bytes, Blob& out) {
  static constexpr std::string_view keys[] = {"data"};
  In in(bytes);
  return in.map(keys, 0b1, [&](std::size_t) { return in.bytes(out.data); }) && in.at == in.end;
}

}  // namespace bench
