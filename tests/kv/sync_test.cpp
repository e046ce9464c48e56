// SPDX-License-Identifier: Apache-2.0
//
// No test can cut the power, but it can see that the store syncs the file before put() returns. SQLite is a shared
// library, so this file can intercept its calls of these two functions.
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <string>

#include "store.hpp"
#include "temp_dir.hpp"

namespace {
std::atomic<int> syncs{0};
}

extern "C" {
__attribute__((visibility("default"))) int fsync(int fd) {
  ++syncs;
  return static_cast<int>(syscall(SYS_fsync, fd));
}
__attribute__((visibility("default"))) int fdatasync(int fd) {
  ++syncs;
  return static_cast<int>(syscall(SYS_fdatasync, fd));
}
}

TEST_CASE("each put and each delete is synced to the disk before it returns") {
  const TempDir dir;
  backplane::kv::Store store(dir / "kv.sqlite3");
  const std::uint8_t value[] = {1};
  for (int i = 0; i < 5; ++i) {
    const std::string key = std::to_string(i);
    const int before = syncs;
    store.put(key, value);
    CHECK(syncs > before);
    const int between = syncs;
    CHECK(store.remove(key));
    CHECK(syncs > between);
  }
}

TEST_CASE("a new store is made with two syncs, and a put to it needs no more than one that was there") {
  const TempDir dir;
  syncs = 0;
  backplane::kv::Store store(dir / "kv.sqlite3");
  CHECK(syncs == 2);  // the file, whole, and the directory that names it
  CHECK(std::filesystem::file_size(dir / "kv.sqlite3") > 0);
  CHECK_FALSE(std::filesystem::exists(dir / "kv.sqlite3-new"));
  const std::uint8_t value[] = {1};
  store.put("first", value);  // makes the log, which is synced, and its directory
  const int before = syncs;
  store.put("second", value);
  CHECK(syncs == before + 1);
}

TEST_CASE("a whole file that a killed process left without its name becomes the store") {
  const TempDir dir;
  { backplane::kv::Store store(dir / "made"); }
  std::filesystem::rename(dir / "made", dir / "kv.sqlite3-new");
  const std::uint8_t value[] = {1};
  backplane::kv::Store store(dir / "kv.sqlite3");
  store.put("key", value);
  CHECK(store.get("key").has_value());
  CHECK_FALSE(std::filesystem::exists(dir / "kv.sqlite3-new"));
}
