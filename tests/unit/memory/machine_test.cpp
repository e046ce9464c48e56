// SPDX-License-Identifier: Apache-2.0
#include "memory/machine.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

using namespace backplane::host;

namespace {

namespace fs = std::filesystem;
constexpr std::uint64_t gib = std::uint64_t{1} << 30;

class Tree {
 public:
  Tree() {
    std::string name = (fs::temp_directory_path() / "backplane-cgroup-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    root_ = name;
  }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;
  ~Tree() { fs::remove_all(root_); }

  std::string write(const std::string& path, const std::string& text) const {
    const fs::path file = root_ / path;
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
    return file.string();
  }
  std::uint64_t usable(const std::string& membership) const {
    return usable_memory(4 * gib, write("self", membership), (root_ / "cgroup").string());
  }

 private:
  fs::path root_;
};

}  // namespace

TEST_CASE("without a cgroup the physical memory is usable") {
  CHECK(usable_memory(4 * gib, "/nowhere/self", "/nowhere") == 4 * gib);
  const Tree tree;
  CHECK(tree.usable("nonsense\n0:\n") == 4 * gib);
}

TEST_CASE("a limit of cgroup version 2, or of a parent, bounds it") {
  const Tree tree;
  tree.write("cgroup/a/b/memory.max", "max\n");
  CHECK(tree.usable("0::/a/b\n") == 4 * gib);
  tree.write("cgroup/a/memory.max", "1073741824\n");
  CHECK(tree.usable("0::/a/b\n") == gib);
  tree.write("cgroup/a/b/memory.max", "536870912\n");
  CHECK(tree.usable("0::/a/b\n") == gib / 2);
  CHECK(tree.usable("0::/other\n") == 4 * gib);
  tree.write("cgroup/memory.max", "268435456\n");
  CHECK(tree.usable("0::/\n") == gib / 4);
}

TEST_CASE("a limit of cgroup version 1 bounds it") {
  const Tree tree;
  tree.write("cgroup/memory/box/memory.limit_in_bytes", "1073741824\n");
  CHECK(tree.usable("3:cpu,cpuacct:/box\n2:memory:/box\n") == gib);
  tree.write("cgroup/memory/box/memory.limit_in_bytes", "9223372036854771712\n");
  CHECK(tree.usable("2:memory:/box\n") == 4 * gib);
}

TEST_CASE("this machine and this process have memory") {
  CHECK(usable_memory() > 1u << 20);
  CHECK(resident_memory() > 1u << 20);
}
