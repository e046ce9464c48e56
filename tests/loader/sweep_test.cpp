// SPDX-License-Identifier: Apache-2.0
//
// Private copies that a killed host has left behind, and files that this user may not read. Hosts run in
// children, forked before this process has any of its own.
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <functional>

#include "harness.hpp"

namespace fs = std::filesystem;

namespace {

// A child that runs `body` and then waits to be killed.
class Child {
 public:
  explicit Child(const std::function<bool()>& body) {
    int ends[2];
    if (::pipe(ends) != 0) throw std::runtime_error("no pipe");
    pid_ = ::fork();
    if (pid_ == 0) {
      const char good = body() ? 'y' : 'n';
      if (::write(ends[1], &good, 1) != 1) ::_exit(1);
      for (;;) ::pause();
    }
    ::close(ends[1]);
    char good = 0;
    ready_ = ::read(ends[0], &good, 1) == 1 && good == 'y';
    ::close(ends[0]);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() { kill(); }
  bool ready() const { return ready_; }
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(std::exchange(pid_, -1), nullptr, 0);
  }

 private:
  pid_t pid_ = -1;
  bool ready_ = false;
};

std::vector<fs::path> copies_in(const TempDir& dir) {
  std::vector<fs::path> found;
  for (const auto& each : fs::directory_iterator(dir.path())) {
    if (each.path().filename().string().starts_with("backplane-modules-")) found.push_back(each.path());
  }
  return found;
}

// Without a map, an unshared user makes no files.
bool tell_kernel(const std::string& file, const std::string& text) {
  std::ofstream out("/proc/self/" + file);
  return (out << text).flush().good();
}

bool run_host() {
  static auto& ctx = *new Context;  // it is killed with this in it
  return ctx.load(module_file("newer_minor")).status == BP_OK;
}

}  // namespace

TEST_CASE("a new host removes the copies of hosts that were killed, and leaves those of hosts that live") {
  TempDir temporary;
  ::setenv("TMPDIR", temporary.path().c_str(), 1);
  Child killed(run_host);
  REQUIRE(killed.ready());
  REQUIRE(copies_in(temporary).size() == 1);
  const fs::path dead = copies_in(temporary)[0];
  CHECK(fs::status(dead).permissions() == fs::perms::owner_all);
  killed.kill();
  CHECK(fs::exists(dead));
  Child living(run_host);
  REQUIRE(living.ready());
  CHECK_FALSE(fs::exists(dead));
  REQUIRE(copies_in(temporary).size() == 1);
  const fs::path alive = copies_in(temporary)[0];
  Child next(run_host);
  REQUIRE(next.ready());
  CHECK(fs::exists(alive));
  CHECK(entries(alive.string()) == 1);
  CHECK(copies_in(temporary).size() == 2);
  next.kill();
  living.kill();
  ::unsetenv("TMPDIR");
}

TEST_CASE("what only looks like a directory of copies is left alone") {
  TempDir temporary;
  TempDir elsewhere;
  write_all(elsewhere / "precious", "x");
  ::setenv("TMPDIR", temporary.path().c_str(), 1);
  write_all(temporary / "backplane-modules-file", "x");
  fs::create_directory_symlink(elsewhere.path(), temporary / "backplane-modules-1-link");
  fs::create_directory(temporary / "other-modules-1-abc");
  Child host(run_host);
  REQUIRE(host.ready());
  CHECK(fs::exists(temporary / "backplane-modules-file"));
  CHECK(fs::is_symlink(temporary / "backplane-modules-1-link"));
  CHECK(fs::exists(elsewhere / "precious"));
  CHECK(fs::exists(temporary / "other-modules-1-abc"));
  host.kill();
  ::unsetenv("TMPDIR");
}

TEST_CASE("a host that has nowhere to put its copies says so, and loads once it has") {
  TempDir temporary;
  ::setenv("TMPDIR", "/proc", 1);  // where nobody can make a directory
  Child host([&] {
    Context ctx;
    const Outcome out = ctx.load(module_file("newer_minor"));
    if (out.status != BP_IO || !ctx.modules().empty()) return false;
    if (!out.says("cannot create a directory for private copies of modules in /proc")) return false;
    if (!out.says("set TMPDIR")) return false;
    ::setenv("TMPDIR", temporary.path().c_str(), 1);
    return ctx.load(module_file("newer_minor")).status == BP_OK;
  });
  CHECK(host.ready());
  host.kill();
  ::unsetenv("TMPDIR");
}

TEST_CASE("module_cache is where private copies go, is made if it is missing, and is swept like the default") {
  const TempDir dir;
  const TempDir temporary;
  const fs::path cache = fs::path(dir / "a") / "b";
  ::setenv("TMPDIR", temporary.path().c_str(), 1);
  const auto loads = [&] {
    const std::string path = cache.string();
    const bp_host_options options = {.struct_size = sizeof options, .module_cache = path.c_str()};
    if (bp_host_configure(&options, nullptr) != BP_OK) return false;
    Context ctx;
    return ctx.load(module_file("newer_minor")).status == BP_OK;
  };
  const auto copies = [&] { return std::distance(fs::directory_iterator(cache), fs::directory_iterator()); };
  Child first(loads);
  REQUIRE(first.ready());
  CHECK((fs::status(cache).permissions() & fs::perms::mask) == fs::perms::owner_all);
  CHECK(copies() == 1);
  CHECK(copies_in(temporary).empty());
  first.kill();
  CHECK(copies() == 1);
  Child second(loads);
  REQUIRE(second.ready());
  CHECK(copies() == 1);  // that of the killed host is gone
  second.kill();
  ::unsetenv("TMPDIR");
}

TEST_CASE("a module_cache that cannot hold copies is refused before anything is loaded") {
  const TempDir dir;
  const std::string file = write_all(dir / "file", "x");
  const fs::path open = fs::path(dir / "open");
  fs::create_directory(open);
  REQUIRE(::chmod(open.c_str(), 0777) == 0);
  const auto refusal = [](const std::string& path) {
    const bp_host_options options = {.struct_size = sizeof options, .module_cache = path.c_str()};
    const Outcome out = outcome_of([&options](bp_result* why) { return bp_host_configure(&options, why); });
    return out.status == BP_IO ? out.message : "status " + std::to_string(out.status);
  };
  const auto says = [&](const std::string& path, const std::string& part) {
    const std::string found = refusal(path);
    CHECK_THAT(found, Catch::Contains(part) && Catch::Contains("set module_cache to a directory"));
  };
  says(file, "is not a directory");
  says(file + "/below", "cannot be created");
  says("/proc/nothing", "cannot be created");
  says(open.string(), "lets other users replace what is in it");
  REQUIRE(::chmod(open.c_str(), 01777) == 0);
  constexpr uid_t somebody = 12345;
  if (::geteuid() == 0 && ::chown(open.c_str(), somebody, static_cast<gid_t>(-1)) == 0) {
    says(open.string(), "belongs to user 12345");
    REQUIRE(::chmod(open.c_str(), 0755) == 0);
    says(open.string(), "belongs to user 12345");
    REQUIRE(::chown(open.c_str(), 0, static_cast<gid_t>(-1)) == 0);
    REQUIRE(::chmod(open.c_str(), 01777) == 0);
  }
  Child child([&] { return refusal(open.string()) == "status 0"; });  // as /tmp
  CHECK(child.ready());
}

TEST_CASE("a file that this user may not read is refused") {
  TempDir dir;
  const std::string path = write_all(dir / "secret.so", read_all(module_file("newer_minor")));
  REQUIRE(::chmod(path.c_str(), 0) == 0);
  REQUIRE(::chmod(dir.path().c_str(), 0755) == 0);
  Child reader([&] {
    if (::geteuid() == 0 && ::seteuid(65534) != 0) return false;
    const Outcome out = inspect(path);
    return out.status == BP_LOAD_REFUSED && out.message.find(path + ": cannot open it: Permission denied") == 0;
  });
  CHECK(reader.ready());
}

TEST_CASE("a directory for private copies that is mounted noexec is told as that") {
  const TempDir dir;
  bool mounted = false;
  std::string said;
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const Child child([&] {
    const std::string user = std::to_string(::geteuid());
    const std::string group = std::to_string(::getegid());
    mounted = ::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && tell_kernel("setgroups", "deny") &&
              tell_kernel("uid_map", user + " " + user + " 1") && tell_kernel("gid_map", group + " " + group + " 1") &&
              ::mount("tmpfs", dir.path().c_str(), "tmpfs", MS_NOEXEC, nullptr) == 0;
    if (!mounted) return ::write(ends[1], "-", 1) == 1;
    const std::string path = dir.path().string();
    const bp_host_options options = {.struct_size = sizeof options, .module_cache = path.c_str()};
    const Outcome chosen = outcome_of([&options](bp_result* why) { return bp_host_configure(&options, why); });
    std::string text = std::to_string(chosen.status) + chosen.message + "\n";
    ::setenv("TMPDIR", path.c_str(), 1);
    Context ctx;
    const Outcome out = ctx.load(module_file("statics"));
    text += std::to_string(out.status) + out.message;
    return ::write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size());
  });
  REQUIRE(child.ready());
  char text[4096];
  const ssize_t size = ::read(ends[0], text, sizeof text);
  REQUIRE(size > 0);
  ::close(ends[0]);
  ::close(ends[1]);
  if (text[0] == '-') return;  // this user may not mount
  const std::string both(text, static_cast<std::size_t>(size));
  const std::size_t line = both.find('\n');
  for (const std::string& out : {both.substr(0, line), both.substr(line + 1)}) {
    CHECK(out.starts_with(std::to_string(BP_IO)));
    CHECK(out.find("is mounted noexec") != std::string::npos);
  }
  CHECK(both.find("set module_cache to a directory on a file system without noexec") < line);
  CHECK(both.find("set TMPDIR or module_cache") != std::string::npos);
}
