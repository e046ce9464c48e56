#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The counter of class_size.py counts what a class declares, and the check finds those that are too large."""

import sys
import unittest

from checks_test import CHECKS, SPDX, CheckCase

sys.path.insert(0, CHECKS)
import class_size  # noqa: E402


class ClassSize(CheckCase):
    def sizes(self, text):
        return {size.name: (size.fields, size.methods) for size in class_size.sizes(text)}

    def test_fields_of_every_form_count(self):
        self.assertEqual(self.sizes("""
class alignas(64) Every final : public Base<int, (1 > 0)>, private Other {
 public:
  int plain_;
  int one_, two_[3], *three_ = nullptr;
  static constexpr std::size_t constant = sizeof(int) < 8 ? 1 : 2;
  static inline std::map<std::string, std::pair<int, int>> table_{{"a", {1, 2}}, {"b;", {3, 4}}};
  std::function<void(int, char)> call_ = [](int a, char) { return a < 3; };
  bp_status (*pointer_)(void*, int) = nullptr;
  bool bit_ : 1;
  int guarded_ BP_GUARDED_BY(mutex_) = f(1, 2);
  [[no_unique_address]] Tag tag_;
  alignas(64) std::atomic<int> line_{0};
  struct { int x, y; } point_;
  union {
    int whole_;
    float part_;
  };
};
"""), {"Every": (15, 0), "": (2, 0)})

    def test_functions_of_every_form_count(self):
        self.assertEqual(self.sizes("""
template <class T>
class Every<T, 2> {
  int plain(int a = 3, std::string b = {}) const noexcept;
  int plain(char) { return '}' + "{"[0] + R"(})"[0]; }
  virtual void pure() = 0;
  static auto type() -> std::vector<int> { return {}; }
  explicit operator bool() const { return true; }
  void operator()(int) {}
  bool operator<(const Every& other) const { return a < other.a; }
  template <class F, class = std::enable_if_t<(sizeof(F) > 1)>>
    requires std::is_class_v<F> && (!std::is_final_v<F>)
  void generic(F f) requires requires(F g) { g(); } { f(); }
  decltype(auto) any() BP_REQUIRES(mutex_) { if (x) { y(); } return z; }
  int guarded() try { return 1; } catch (const Error&) { return 2; } catch (...) { return 3; }
  [[nodiscard]] const char* name() const;
  std::function<void()> callback();
};
"""), {"Every": (0, 12)})

    def test_what_does_not_count_does_not(self):
        self.assertEqual(self.sizes("""
enum class Kind { a, b };
class Quiet {
  Quiet();
  explicit Quiet(int a) : a_{a}, b_(f({a})), Base<int>{a} { run(); }
  Quiet(const Quiet&) = delete;
  Quiet& operator=(const Quiet&) = default;
  ~Quiet() { end(); }
  friend class Other;
  friend bool operator==(const Quiet& a, const Quiet& b) { return a.a_ == b.a_; }
  using Number = std::uint64_t;
  typedef int (*function)(int);
  static_assert(sizeof(int) == 4, "no;");
  struct Nested { int field; void method(); };
  struct Later;
  class Later* pointer_;
  enum { none, some };
  // int in_comment_; /* int neither_; */
#define FIELD \\
  int in_macro_;
};
"""), {"Quiet": (1, 0), "Nested": (1, 1)})

    def source(self, fields, methods):
        return SPDX + "struct Large {\n" + "".join(f"  int f{i};\n" for i in range(fields)) + \
            "".join(f"  void m{i}();\n" for i in range(methods)) + "};\n"

    def test_a_class_at_the_limits_passes_and_one_beyond_fails(self):
        self.write("host/a.hpp", self.source(25, 45))
        self.write("tests/a.hpp", self.source(99, 99))
        self.passes("class_size")
        self.write("host/a.hpp", self.source(26, 1))
        self.write("plugin_sdk/b.hpp", self.source(1, 46))
        self.fails("class_size", "host/a.hpp:2: Large has 26 fields and 1 methods; expected at most 25 and 45",
                   "plugin_sdk/b.hpp:2: Large has 1 fields and 46 methods")


if __name__ == "__main__":
    unittest.main()
