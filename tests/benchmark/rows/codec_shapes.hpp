// SPDX-License-Identifier: Apache-2.0
//
// What the codec rows send: the shapes that plugin hosts are compared by.
#pragma once

#include <backplane/sdk/cbor.hpp>

namespace bench {

struct Small {
  std::int64_t a = 0;
  std::int64_t b = 0;
  double x = 0;
  bool ok = false;
  std::string name;
  friend bool operator==(const Small&, const Small&) = default;
};
BOOST_DESCRIBE_STRUCT(Small, (), (a, b, x, ok, name))

BOOST_DEFINE_ENUM_CLASS(Level, low, normal, high)

struct Point {
  std::int64_t id = 0;
  double value = 0;
  std::string label;
  friend bool operator==(const Point&, const Point&) = default;
};
BOOST_DESCRIBE_STRUCT(Point, (), (id, value, label))

struct Window {
  std::int64_t from = 0;
  std::int64_t to = 0;
  friend bool operator==(const Window&, const Window&) = default;
};
BOOST_DESCRIBE_STRUCT(Window, (), (from, to))

struct Nested {
  std::string source;
  Level level = Level::low;
  Window window;
  std::optional<std::int64_t> limit;
  std::vector<Point> points;
  friend bool operator==(const Nested&, const Nested&) = default;
};
BOOST_DESCRIBE_STRUCT(Nested, (), (source, level, window, limit, points))

struct Blob {
  backplane::Bytes data;
  friend bool operator==(const Blob&, const Blob&) = default;
};
BOOST_DESCRIBE_STRUCT(Blob, (), (data))

inline Small small_sample() { return {123456, -42, 0.25, true, "alpha"}; }

inline Nested nested_sample() {
  Nested out{"sensor.north", Level::high, {1'700'000'000, 1'700'003'600}, 250, {}};
  for (std::int64_t i = 0; i < 4; ++i) out.points.push_back({i * 1000, 0.5 * static_cast<double>(i), "point"});
  return out;
}

inline Blob blob_sample(std::size_t size) {
  Blob out;
  for (std::size_t i = 0; i < size; ++i) out.data.push_back(static_cast<std::uint8_t>(i * 31));
  return out;
}

}  // namespace bench
