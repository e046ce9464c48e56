// SPDX-License-Identifier: Apache-2.0
//
// ListeningSocket and SocketLock: modes, stale sockets, other files in the way, and competing hosts.
#include "server/listening_socket.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "support/result.hpp"
#include "temp_dir.hpp"

using namespace backplane::host;
namespace fs = std::filesystem;

namespace {

// A socket file as a host leaves it that was killed.
void leave_stale_socket(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  std::strcpy(at.sun_path, path.c_str());
  REQUIRE(::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
  REQUIRE(::listen(fd, 1) == 0);
  ::close(fd);
}

Failure refusal(const std::string& path) {
  try {
    ListeningSocket socket(path);
  } catch (const Failure& failure) {
    return failure;
  }
  return {BP_OK, "bound"};
}

}  // namespace

TEST_CASE("the socket is for its owner alone, whatever the umask") {
  const TempDir dir;
  for (const mode_t mask : {0u, 022u, 0777u}) {
    const mode_t before = ::umask(mask);
    const ListeningSocket socket(dir / "s");
    ::umask(before);
    struct stat info {};
    REQUIRE(::stat((dir / "s").c_str(), &info) == 0);
    CHECK(S_ISSOCK(info.st_mode));
    CHECK((info.st_mode & 0777) == 0600);
  }
}

TEST_CASE("a second host on the same path is refused, told who has it, and takes nothing away") {
  const TempDir dir;
  const ListeningSocket first(dir / "s");
  const Failure why = refusal(dir / "s");
  CHECK(why.status == BP_IO);
  CHECK(why.message.find("process " + std::to_string(::getpid())) != std::string::npos);
  CHECK(why.message.find("backplane stop --socket") != std::string::npos);
  CHECK(fs::is_socket(dir / "s"));
}

TEST_CASE("a socket that somebody serves without a lock is not taken over") {
  const TempDir dir;
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  std::strcpy(at.sun_path, (dir / "s").c_str());
  REQUIRE(::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
  REQUIRE(::listen(fd, 1) == 0);
  const Failure why = refusal(dir / "s");
  CHECK(why.status == BP_IO);
  CHECK(why.message.find("process " + std::to_string(::getpid())) != std::string::npos);
  CHECK(fs::is_socket(dir / "s"));
  CHECK_FALSE(fs::exists(dir / "s.lock"));
  ::close(fd);
}

TEST_CASE("a stale socket is replaced, and socket and lock go with their owner") {
  const TempDir dir;
  leave_stale_socket(dir / "s");
  {
    const ListeningSocket socket(dir / "s");
    CHECK(fs::is_socket(dir / "s"));
    CHECK(fs::exists(dir / "s.lock"));
  }
  CHECK_FALSE(fs::exists(dir / "s"));
  CHECK_FALSE(fs::exists(dir / "s.lock"));
}

TEST_CASE("a lock file that a killed host left does not keep the next one out") {
  const TempDir dir;
  leave_stale_socket(dir / "s");
  std::ofstream(dir / "s.lock") << "1\n";
  CHECK(refusal(dir / "s").message == "bound");
}

TEST_CASE("a path that is there and is no socket is left alone") {
  const TempDir dir;
  std::ofstream(dir / "s") << "precious";
  const Failure why = refusal(dir / "s");
  CHECK(why.status == BP_IO);
  CHECK(why.message.find("is not a socket") != std::string::npos);
  CHECK(fs::file_size(dir / "s") == 8);
  fs::create_directory(dir / "d");
  CHECK(refusal(dir / "d").message.find("is not a socket") != std::string::npos);
  CHECK(fs::is_directory(dir / "d"));
}

TEST_CASE("a path that does not fit a socket address is refused with its length and the bound") {
  const TempDir dir;
  const std::string path = dir / std::string(120, 'x');
  const Failure why = refusal(path);
  CHECK(why.message.find(std::to_string(path.size()) + " bytes") != std::string::npos);
  CHECK(why.message.find("107") != std::string::npos);
}

TEST_CASE("a lock file that could be somebody else's is refused, and not written to") {
  const TempDir dir;
  const auto read = [](const std::string& path) {
    std::ifstream file(path);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  std::ofstream(dir / "victim") << "precious";
  fs::create_symlink(dir / "victim", dir / "s.lock");
  CHECK(refusal(dir / "s").message.find("is a symbolic link") != std::string::npos);
  fs::remove(dir / "s.lock");
  fs::create_hard_link(dir / "victim", dir / "s.lock");
  CHECK(refusal(dir / "s").message.find("has 2 names") != std::string::npos);
  fs::remove(dir / "s.lock");
  fs::create_directory(dir / "s.lock");
  CHECK(refusal(dir / "s").status == BP_IO);
  CHECK(read(dir / "victim") == "precious");
  CHECK_FALSE(fs::exists(dir / "s"));
}

TEST_CASE("a socket and a lock that somebody removed are made again, and taken from nobody") {
  const TempDir dir;
  ListeningSocket socket(dir / "s");
  CHECK(socket.in_place());
  fs::remove(dir / "s");
  CHECK_FALSE(socket.in_place());
  socket.renew();
  CHECK(socket.in_place());
  CHECK(fs::is_socket(dir / "s"));
  fs::remove(dir / "s.lock");
  CHECK_FALSE(socket.in_place());
  {
    const ListeningSocket other(dir / "t");
    fs::rename(dir / "t.lock", dir / "s.lock");  // as if another host had taken the place
    CHECK_THROWS_AS(socket.renew(), Failure);
    fs::remove(dir / "s.lock");
  }
  socket.renew();
  CHECK(socket.in_place());
  CHECK(refusal(dir / "s").status == BP_IO);
}

TEST_CASE("of hosts that start at once on a stale socket exactly one gets it") {
  const TempDir dir;
  for (int round = 0; round < 50; ++round) {
    leave_stale_socket(dir / "s");
    std::atomic<int> ready{0};
    std::atomic<int> bound{0};
    std::vector<std::unique_ptr<ListeningSocket>> sockets(4);
    std::vector<std::thread> threads;
    for (auto& socket : sockets) {
      threads.emplace_back([&] {
        ++ready;
        while (ready < 4) std::this_thread::yield();
        try {
          socket = std::make_unique<ListeningSocket>(dir / "s");
          ++bound;
        } catch (const Failure&) {
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    REQUIRE(bound == 1);
    REQUIRE(fs::is_socket(dir / "s"));
    sockets.clear();
    REQUIRE_FALSE(fs::exists(dir / "s"));
  }
}
