#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Each check of code passes a good tree and fails a bad one, with the path, the line and what to do."""

import os
import subprocess
import unittest

from check_case import ROOT, SPDX, CheckCase
import class_size  # its counter is tested by itself
import includes  # so is its search for cycles
import rooms


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


class TestTime(CheckCase):
    """Of a build in which ctest has run two areas."""

    def setUp(self):
        super().setUp()
        self.write("tests/CMakeLists.txt", "set(time_budgets\n  quick 10  slow 20  none 5)\n")
        self.write("build/CTestTestfile.cmake", "".join(
            f'add_test({name} "true")\nset_tests_properties({name} PROPERTIES LABELS "{labels}")\n'
            for name, labels in (("a", "core;quick"), ("b", "core;quick"), ("c", "slow"))))

    def ran(self, **seconds):
        self.write("build/Testing/Temporary/CTestCostData.txt",
                   "".join(f"{name} 1 {took}\n" for name, took in seconds.items()) + "---\n")

    def test_an_area_within_its_budget_is_listed_on_request_only(self):
        self.ran(a=4, b=5, c=20)
        self.assertEqual(self.run_check("test_time"), (0, ""))
        self.assertEqual(self.run_check("test_time", "--all"),
                         (0, "test_time: tests/quick: 9 s of 10 s\ntest_time: tests/slow: 20 s of 20 s\n"))

    def test_more_than_the_budget_is_told_and_more_than_twice_is_a_finding(self):
        self.ran(a=4, b=7, c=41)
        self.fails("test_time", "test_time: tests/quick: 11 s of 10 s",
                   "tests/CMakeLists.txt:1: the tests of tests/slow take 41 s of 20 s; expected at most twice")

    def test_what_has_not_run_is_told(self):
        self.passes("test_time")
        self.ran(a=11)
        code, out = self.run_check("test_time")
        self.assertEqual((code, out),
                         (0, "test_time: tests/quick: 11 s of 10 s, without 1 tests that have not run\n"))


class ThreadSafety(CheckCase):
    GUARDED = SPDX + '''#include "sync/mutex.hpp"
struct Count {
  int next() {
    %s
    return ++value;
  }
  backplane::host::Mutex mutex;
  int value BP_GUARDED_BY(mutex) = 0;
};
int main() { return Count().next(); }
'''

    def setUp(self):
        super().setUp()
        for name in ("mutex.hpp", "thread_role.hpp"):
            with open(os.path.join(ROOT, "host", "sync", name), encoding="utf-8") as file:
                self.write("host/sync/" + name, file.read())

    def test_what_is_touched_with_its_lock_passes(self):
        self.write("host/request/count.cpp", self.GUARDED % "const backplane::host::MutexLock lock(mutex);")
        self.passes("thread_safety")

    def test_what_is_touched_without_its_lock_fails(self):
        self.write("host/request/count.cpp", self.GUARDED % "")
        self.fails("thread_safety", "host/request/count.cpp:6: writing variable 'value' requires holding mutex 'mutex'",
                   "take it, or say BP_REQUIRES")

    ROLE = SPDX + '''#include "sync/thread_role.hpp"
inline constexpr backplane::host::ThreadRole on_one_thread;
struct Count {
  int next() {
    %s
    return ++value;
  }
  int value BP_GUARDED_BY(on_one_thread) = 0;
};
int main() { return Count().next(); }
'''

    def test_what_belongs_to_a_thread_is_touched_in_its_role_alone(self):
        self.write("host/request/count.cpp", self.ROLE % "on_one_thread.assume();")
        self.passes("thread_safety")
        self.write("host/request/count.cpp", self.ROLE % "")
        self.fails("thread_safety", "host/request/count.cpp:7: writing variable 'value' requires holding role 'on_one_thread'")

    def test_a_source_that_does_not_compile_is_not_passed_over(self):
        self.write("host/request/count.cpp", SPDX + '#include "support/nothing.hpp"\n')
        self.fails("thread_safety", "'support/nothing.hpp' file not found")


class ThreadTags(CheckCase):
    TAGS = "[thread: any] [state: any] [suspend: no]"

    def header(self, text):
        self.write("abi/include/backplane/x.h", text)

    def test_every_kind_of_declaration_passes_with_tags(self):
        self.header(f"""#include <stddef.h>
#define MACRO(x) \\
  not_a(function)
extern "C" {{
enum {{ A = (1), B = (2) }};
/* One. {self.TAGS} */
__attribute__((visibility("default"))) int one(void (*with)(int), int x);
/* Two, whose tags are wrapped: [thread: request, or worker if BP_HANDLER_BLOCKING]
 * [state: in a
 * handler] [suspend: yes] */
typedef int (*two_fn)(const char* text);
typedef struct table {{
  unsigned size; /* plain, (with parentheses) */
  /* Three. {self.TAGS} */
  int (*three)(int);
  /* Four. [thread: request] [state: in a handler] [suspend: fiber] */
  int (*four)(int);
}} table;
}}
""")
        self.passes("thread_tags")

    def test_a_function_without_comment_fails(self):
        self.header("\nint lonely(void);\n")
        self.fails("thread_tags", "abi/include/backplane/x.h:2: lonely has no comment directly above it")

    def test_a_comment_of_the_line_before_is_not_the_functions(self):
        self.header(f"int x; /* {self.TAGS} */\nint next(void);\n")
        self.fails("thread_tags", "x.h:2: next has no comment")

    def test_a_comment_above_a_blank_line_is_not_the_functions(self):
        self.header(f"/* {self.TAGS} */\n\nint apart(void);\n")
        self.fails("thread_tags", "x.h:3: apart has no comment")

    def test_one_comment_does_not_serve_two_functions(self):
        self.header(f"/* {self.TAGS} */\nint one(void);\nint two(void);\n")
        self.fails("thread_tags", "x.h:3: two has no comment")

    def test_a_member_without_tags_fails(self):
        self.header("struct s {\n  /* Says nothing of threads. */\n  int (*member)(void);\n};\n")
        self.fails("thread_tags", "x.h:3: member has 0 complete sets of tags")

    def test_a_callback_type_without_suspend_fails(self):
        self.header("/* [thread: any] [state: any] */\ntypedef void (*cb)(void);\n")
        self.fails("thread_tags", "x.h:2: cb has 0 complete sets of tags")

    def test_an_inline_function_without_tags_fails_and_its_body_is_left_alone(self):
        self.header(f"static inline int f(void) {{\n  if (g()) {{ h(); }}\n  return 1;\n}}\n"
                    f"/* {self.TAGS} */\nint good(void);\n")
        code, out = self.run_check("thread_tags")
        self.assertEqual(code, 1)
        self.assertIn("x.h:1: f has no comment", out)
        self.assertEqual(out.count("x.h:"), 1, out)

    def test_an_unknown_thread_or_answer_fails(self):
        self.header("/* [thread: any, moon] [state: any] [suspend: no] */\nint f(void);\n"
                    "/* [thread: any] [state: any] [suspend: maybe] */\nint g(void);\n")
        self.fails("thread_tags", "x.h:2: f has an unknown thread 'moon'", "x.h:4: g has [suspend: maybe] (known: no, fiber, yes)")


class Includes(CheckCase):
    def include(self, name, line, target=None):
        self.write(name, SPDX + line + "\n")
        if target:
            self.write(target, SPDX)

    def test_the_allowed_ways_pass(self):
        self.include("host/context/a.cpp", '#include "request/b.hpp"', "host/request/b.hpp")
        self.include("host/cli/a.cpp", "#include <backplane/backplane.h>")
        self.include("plugins/echo/a.cpp", "#include <backplane/plugin.hpp>")
        self.passes("includes")

    def test_a_room_that_looks_back_fails(self):
        self.include("host/ingress/a.cpp", '#include "context/b.hpp"', "host/context/b.hpp")
        self.fails("includes", "host/ingress/a.cpp:2: includes host/context/b.hpp: ingress may not look into context")

    def test_a_room_that_nobody_knows_fails(self):
        self.include("host/attic/a.cpp", '#include "support/b.hpp"', "host/support/b.hpp")
        self.fails("includes", "host/attic, which is no room")

    def test_an_include_of_a_file_that_is_not_there_fails(self):
        self.include("host/request/a.cpp", '#include "request/gone.hpp"')
        self.fails("includes", 'includes "request/gone.hpp", which is nowhere in the tree')

    def test_the_command_line_sees_the_public_header_alone(self):
        self.include("host/cli/a.cpp", '#include "context/b.hpp"', "host/context/b.hpp")
        self.include("host/cli/c.cpp", "#include <backplane/plugin.h>")
        self.fails("includes", "host/cli/a.cpp:2: includes host/context/b.hpp: cli may not look into context",
                   "host/cli/c.cpp:2: includes <backplane/plugin.h>")

    def test_a_module_sees_neither_the_host_nor_another_module(self):
        self.include("plugins/echo/a.cpp", "#include <backplane/backplane.h>")
        self.include("plugins/echo/b.cpp", '#include "../kv/store.hpp"', "plugins/kv/store.hpp")
        self.include("plugins/echo/c.cpp", '#include "context/b.hpp"', "host/context/b.hpp")
        self.fails("includes", "a.cpp:2: includes <backplane/backplane.h>", "b.cpp:2: includes plugins/kv/store.hpp",
                   "c.cpp:2: includes host/context/b.hpp")

    def test_the_plain_c_module_does_without_the_sdk(self):
        self.include("plugins/hello_c/a.c", "#include <backplane/sdk.hpp>")
        self.fails("includes", "plugins/hello_c/a.c:2: includes <backplane/sdk.hpp>")

    def test_nobody_includes_tests(self):
        self.include("host/request/a.cpp", '#include "../../tests/b.hpp"', "tests/b.hpp")
        self.fails("includes", "host/request/a.cpp:2: includes tests/b.hpp")

    def test_a_cycle_in_the_table_is_found_and_the_table_has_none(self):
        self.assertEqual(includes.cycle({"a": ["b"], "b": ["c"], "c": ["a"]}), ["a", "b", "c", "a"])
        self.assertIsNone(includes.cycle({"a": ["b", "c"], "b": ["c"], "c": []}))
        self.assertIsNone(includes.cycle(rooms.ROOMS))


class Exports(CheckCase):
    def build(self, source):
        self.write("x.c", source)
        os.makedirs(os.path.join(self.root, "build", "plugins"))
        subprocess.run(["g++", "-x", "c", "-shared", "-fPIC", "-o", os.path.join(self.root, "build/plugins/x.so"),
                        os.path.join(self.root, "x.c")], check=True)

    def test_one_symbol_passes(self):
        self.build("const int backplane_module = 1; __attribute__((visibility(\"hidden\"))) int inner;\n")
        self.passes("exports")

    def test_a_second_symbol_fails(self):
        self.build("const int backplane_module = 1; int escaped;\n")
        self.fails("exports", "x.so:1: exports backplane_module, escaped (2 in all)")

    def test_a_module_without_the_symbol_fails(self):
        self.build("static int inner;\n")
        self.fails("exports", "x.so:1: exports nothing (0 in all); expected backplane_module alone")

    def test_another_build_directory_may_be_named(self):
        self.build("const int backplane_module = 1;\n")
        os.rename(os.path.join(self.root, "build"), os.path.join(self.root, "elsewhere"))
        self.passes("exports", "--build", os.path.join(self.root, "elsewhere"))


class ExportsOfTheLibrary(CheckCase):
    HEADER = """/* One. */
BP_EXPORT int bp_one(void);
typedef void (*bp_callback_fn)(void);
struct bp_table {
  int (*member)(void);
};
BP_EXPORT int bp_two(int with,
                     int more);
"""
    MAP = "/* TEST_9 { global: bp_nine; }; */\nTEST_1 {\n  global:\n    bp_one;\n%s  local: *;\n};\n"
    SOURCE = "int bp_one(void) { return 1; }\nint bp_two(int a, int b) { return a + b; }\nint inner;\n"

    def setUp(self):
        super().setUp()
        self.write("abi/include/backplane/x.h", self.HEADER)
        self.compile("plugins/x.so", "const int backplane_module = 1;\n")

    def compile(self, name, source, *options):
        self.write("x.c", source)
        path = os.path.join(self.root, "build", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", path, os.path.join(self.root, "x.c"), *options], check=True)

    def library(self, text, source=SOURCE, linked_with=None):
        self.write("abi/library.map", text)
        self.write("linked.map", linked_with or text)
        self.compile("lib/libbackplane.so", source,
                     "-Wl,--version-script=" + os.path.join(self.root, "linked.map"), "-Wl,--undefined-version")

    def test_all_that_is_declared_with_its_version_passes(self):
        self.library(self.MAP % "    bp_two;\n")
        self.passes("exports")

    def test_a_later_version_may_add_to_an_earlier(self):
        self.library(self.MAP % "" + "TEST_2 {\n  global: bp_two;\n} TEST_1;\n")
        self.passes("exports")

    def test_a_function_that_the_map_lacks_fails_where_it_is_declared(self):
        self.library(self.MAP % "")
        self.fails("exports", "abi/include/backplane/x.h:7: bp_two is not in abi/library.map")

    def test_a_name_that_no_header_declares_fails(self):
        self.library(self.MAP % "    bp_two;\n    bp_three;\n")
        self.fails("exports", "abi/library.map:6: names bp_three, which no header", "does not export bp_three")

    def test_a_pattern_in_place_of_names_fails(self):
        self.library(self.MAP % "    bp_t*;\n")
        self.fails("exports", "abi/library.map:5: names bp_t*, which no header", "x.h:7: bp_two is not in")

    def test_a_name_in_two_versions_fails(self):
        self.library(self.MAP % "    bp_two;\n" + "TEST_2 {\n  global: bp_two;\n} TEST_1;\n",
                     linked_with=self.MAP % "    bp_two;\n")
        self.fails("exports", "abi/library.map:9: names bp_two twice")

    def test_a_function_that_the_library_lacks_fails(self):
        self.library(self.MAP % "    bp_two;\n", "int bp_one(void) { return 1; }\n")
        self.fails("exports", "libbackplane.so:1: does not export bp_two")

    def test_a_function_without_version_fails(self):
        self.library(self.MAP % "    bp_two;\n", linked_with="{ global: bp_one; bp_two; local: *; };\n")
        self.fails("exports", "libbackplane.so:1: exports bp_one with version ''; expected 'TEST_1'")

    def test_another_symbol_fails(self):
        self.library(self.MAP % "    bp_two;\n", linked_with="TEST_1 { global: bp_one; bp_two; inner; local: *; };\n")
        self.fails("exports", "libbackplane.so:1: exports inner; expected only what abi/library.map names")


if __name__ == "__main__":
    unittest.main()
