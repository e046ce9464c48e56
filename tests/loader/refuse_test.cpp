// SPDX-License-Identifier: Apache-2.0
//
// Files that are refused: with words, and leaving nothing behind.
#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>

#include "harness.hpp"

namespace {

// A host that serves, and must continue to serve unchanged after a refusal.
struct Serving {
  Serving() {
    bp_log_level(BP_LOG_OFF);
    REQUIRE(ctx.load(module_file("newer_minor")).status == BP_OK);
  }
  ~Serving() { CHECK(ctx.unload("newer_minor").status == BP_OK); }

  Outcome refused(const std::string& path, bp_status status = BP_LOAD_REFUSED) {
    const auto objects = mapped_objects();
    const auto fds = descriptors();
    const Outcome out = ctx.load(path);
    INFO(path << ": " << out.message);
    CHECK(out.status == status);
    CHECK(out.payload.empty());
    CHECK(out.message.find(path + ": ") == 0);
    CHECK(mapped_objects() == objects);
    CHECK(descriptors() == fds);
    REQUIRE(ctx.modules().size() == 1);
    CHECK(ctx.modules()[0]["name"].text == "newer_minor");
    CHECK(ctx.call("newer_minor.echo", "still here").payload == "still here");
    return out;
  }

  Context ctx;
  TempDir dir;
};

struct Case {
  const char* file;
  const char* found;  // words of the message
  const char* todo;
  const char* name;  // a wire name that must not be there afterwards
};

}  // namespace

TEST_CASE("a module that is broken in its file is refused with what was found and what to do") {
  Serving host;
  const Case cases[] = {
      {"not_a_module", "not a module: it has no section .bp.manifest", "BP_MANIFEST", "not_a_module.echo"},
      {"no_entry", "does not export \"backplane_module\"", "define it with BP_MODULE_ENTRY", "no_entry.echo"},
      {"missing_symbol", "the dynamic loader refused it", "Symbols of the host are not there for modules",
       "missing_symbol.echo"},
      {"wrong_major", "built for ABI 2.0, but this host has 1.", "build it against this host's headers",
       "wrong_major.echo"},
      {"bad_name", "expected [a-z_][a-z0-9_]*", "at most 64 bytes", "bad_name.echo"},
      {"digit_name", "name=\"7digits\"", "names that begin with a digit, so choose another", "digits.echo"},
      {"name_outside", "its manifest provides \"other.verb\"", "begin with \"name_outside.\"", "other.verb"},
      {"no_version", "no version= entry", "write BP_MANIFEST", "no_version.echo"},
      {"duplicate_key", "twice", "keep one", "duplicate_key.echo"},
      {"executable_stack", "it asks for an executable stack", "link it with -z noexecstack", "newer_minor.no"},
      {"bad_unload", "unload=", "expected \"drain\" or \"never\"", "bad_unload.echo"},
      {"manifest_without_equals", "expected key=value", "entry", "manifest_without_equals.echo"},
      {"requires_missing", "requires the extension", "use a newer host", "requires_missing.echo"},
  };
  for (const Case& each : cases) {
    const Outcome out = host.refused(module_file(each.file));
    INFO(out.message);
    CHECK(out.says(each.found));
    CHECK(out.says(each.todo));
    CHECK(host.ctx.call(each.name).status == BP_UNKNOWN_NAME);
    CHECK(host.ctx.find(each.name) == BP_UNKNOWN_NAME);
  }
}

TEST_CASE("a module whose fault shows only when it runs is refused, and its object is unmapped") {
  Serving host;
  const Case cases[] = {
      {"entry_wrong_major", "its entry was built for ABI major", "build it against", "entry_wrong_major.echo"},
      {"entry_too_short", "struct_size", "set it to sizeof(bp_module_entry)", "entry_too_short.echo"},
      {"entry_without_init", "has no init", "set bp_module_entry.init", "entry_without_init.echo"},
      {"init_fails", "its init failed", "the moon is not full", "init_fails.echo"},
      {"name_twice", "its init failed with status 36", "register each name once", "name_twice.echo"},
      {"unknown_flag", "its init failed with status 33", "use a newer host", "unknown_flag.echo"},
      {"refusal_ignored", "its init failed to register a name, but returned no failure", "register each name once",
       "refusal_ignored.echo"},
      {"manifest_says_more", "its init did not register that", "correct one of them", "manifest_says_more.echo"},
      {"manifest_says_less", "its manifest lacks provides=", "correct one of them", "manifest_says_less.echo"},
      {"instance_fails", "its instance could not be created", "no room in this context", "instance_fails.echo"},
  };
  for (const Case& each : cases) {
    for (int round = 0; round < 2; ++round) {  // a second try meets nothing of the first
      const Outcome out = host.refused(module_file(each.file));
      INFO(out.message);
      CHECK(out.says(each.found));
      CHECK(out.says(each.todo));
      CHECK(host.ctx.call(each.name).status == BP_UNKNOWN_NAME);
      CHECK(host.ctx.find(each.name) == BP_UNKNOWN_NAME);
      CHECK(host.ctx.unload(each.file).status == BP_NOT_LOADED);
    }
  }
}

TEST_CASE("what is no file of a module is refused by what it is") {
  Serving host;
  CHECK(host.refused(host.dir / "nowhere.so").says("No such file"));
  CHECK(host.refused(host.dir.path().string()).says("it is a directory; expected a shared object"));
  const std::string fifo = host.dir / "fifo.so";
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  CHECK(host.refused(fifo).says("it is a pipe; expected a shared object"));
  CHECK(host.refused("/dev/null").says("it is a device"));
  CHECK(host.refused(write_all(host.dir / "empty.so", "")).says("it is empty"));
  CHECK(host.refused(write_all(host.dir / "text.so", "#!/bin/sh\n")).says("it is not an ELF file"));
  CHECK(host.refused(write_all(host.dir / "magic.so",
                               "\x7f"
                               "ELF"))
            .says("damaged or truncated"));
  CHECK(host.ctx.load("").status == BP_LOAD_REFUSED);
}

TEST_CASE("an executable is not taken for a module") {
  Serving host;
  const Outcome out = host.refused(std::filesystem::canonical("/proc/self/exe").string());
  CHECK((out.says("not a module") || out.says("expected a shared object")));
  std::string bytes = read_all(module_file("newer_minor"));
  reinterpret_cast<Elf64_Ehdr*>(bytes.data())->e_type = ET_EXEC;
  CHECK(host.refused(write_all(host.dir / "exec.so", bytes))
            .says("it is an ELF file of type 2, expected a shared object; link it with -shared"));
}

TEST_CASE("a module for another machine is refused with both machines") {
  Serving host;
  const std::string good = read_all(module_file("newer_minor"));
  std::string bytes = good;
  reinterpret_cast<Elf64_Ehdr*>(bytes.data())->e_machine = EM_RISCV;
  const Outcome riscv = host.refused(write_all(host.dir / "riscv.so", bytes));
  CHECK(riscv.says("for another machine (number 243"));
  CHECK(riscv.says("build it for this machine"));
  bytes = good;
  bytes[EI_CLASS] = ELFCLASS32;
  CHECK(host.refused(write_all(host.dir / "small.so", bytes)).says("32-bit"));
  bytes = good;
  bytes[EI_DATA] = ELFDATA2MSB;
  CHECK(host.refused(write_all(host.dir / "big.so", bytes)).says("another machine"));
}

TEST_CASE("a module that is cut off anywhere is refused") {
  Serving host;
  const std::string good = read_all(module_file("newer_minor"));
  std::size_t refusals = 0;
  for (std::size_t size = 1; size < good.size(); size = size < 80 ? size + 7 : size * 5 / 4) {
    host.refused(write_all(host.dir / "cut.so", good.substr(0, size)));
    ++refusals;
  }
  host.refused(write_all(host.dir / "cut.so", good.substr(0, good.size() - 1)));
  CHECK(refusals > 20);
}

TEST_CASE("headers that lie are refused before the dynamic loader believes them") {
  Serving host;
  const std::string good = read_all(module_file("newer_minor"));
  const auto lie = [&](auto change) {
    std::string bytes = good;
    auto& header = *reinterpret_cast<Elf64_Ehdr*>(bytes.data());
    change(bytes, header);
    return host.refused(write_all(host.dir / "lie.so", bytes));
  };
  const auto segment = [](std::string& bytes, const Elf64_Ehdr& header, unsigned number) -> Elf64_Phdr& {
    return reinterpret_cast<Elf64_Phdr*>(bytes.data() + header.e_phoff)[number];
  };
  lie([](auto&, Elf64_Ehdr& header) { header.e_shoff = ~0ull; });
  lie([](auto&, Elf64_Ehdr& header) { header.e_shnum = 0xfeff; });
  lie([](auto&, Elf64_Ehdr& header) { header.e_shstrndx = 0xfeff; });
  lie([](auto&, Elf64_Ehdr& header) { header.e_phoff = ~0ull; });
  lie([](auto&, Elf64_Ehdr& header) { header.e_phnum = 0; });
  lie([](auto&, Elf64_Ehdr& header) { header.e_phentsize = 1; });
  lie([&](auto& bytes, Elf64_Ehdr& header) { segment(bytes, header, 0).p_offset = 1u << 30; });
  lie([&](auto& bytes, Elf64_Ehdr& header) { segment(bytes, header, 0).p_filesz = 1u << 30; });
}

TEST_CASE("a file that others may write is refused, and taken when that is mended") {
  Serving host;
  const std::string path = write_all(host.dir / "mine.so", read_all(module_file("unknown_key")));
  for (const mode_t mode : {0664, 0646}) {
    REQUIRE(::chmod(path.c_str(), mode) == 0);
    const Outcome out = host.refused(path);
    CHECK(out.says("users other than its owner may write it"));
    CHECK(out.says("chmod go-w"));
  }
  REQUIRE(::chmod(path.c_str(), 0644) == 0);
  CHECK(host.ctx.load(path).status == BP_OK);
  CHECK(host.ctx.unload("unknown_key").status == BP_OK);
}

TEST_CASE("an init that registers a name in another way after a refusal is fine") {
  Serving host;
  CHECK(host.ctx.load(module_file("second_try")).status == BP_OK);
  CHECK(host.ctx.call("second_try.echo", "hello").payload == "hello");
  CHECK(host.ctx.unload("second_try").status == BP_OK);
}

TEST_CASE("a setuid or setgid file, and one in a directory that others may write, are refused; a sticky one is fine") {
  Serving host;
  const std::string dir = host.dir / "open";
  std::filesystem::create_directory(dir);
  const std::string path = write_all(dir + "/mine.so", read_all(module_file("unknown_key")));
  for (const mode_t mode : {04755, 02755}) {
    REQUIRE(::chmod(path.c_str(), mode) == 0);
    const Outcome out = host.refused(path);
    CHECK(out.says("it is setuid or setgid"));
    CHECK(out.says("chmod ug-s"));
    CHECK(inspect(path).report()["problem"].text.find("it is setuid or setgid") == 0);
  }
  REQUIRE(::chmod(path.c_str(), 0644) == 0);
  std::filesystem::create_symlink(path, host.dir / "link.so");
  for (const mode_t mode : {0775, 0757}) {
    REQUIRE(::chmod(dir.c_str(), mode) == 0);
    for (const std::string& way : {path, host.dir / "link.so"}) {
      const Outcome out = host.refused(way);
      CHECK(out.says("users other than the owner may write to its directory " + dir));
      CHECK(out.says("chmod go-w"));
    }
  }
  CHECK(inspect(path).report()["problem"].text.find("users other than the owner") == 0);
  REQUIRE(::chmod(dir.c_str(), 01777) == 0);
  CHECK(inspect(path).report()["problem"].text.empty());
  CHECK(host.ctx.load(path).status == BP_OK);
  CHECK(host.ctx.unload("unknown_key").status == BP_OK);
}

TEST_CASE("a file of a third user is refused") {
  if (::geteuid() != 0) return;  // only root can give a file away
  Serving host;
  const std::string path = write_all(host.dir / "theirs.so", read_all(module_file("unknown_key")));
  REQUIRE(::chown(path.c_str(), 12345, 12345) == 0);
  const Outcome out = host.refused(path);
  CHECK(out.says("it belongs to user 12345"));
  CHECK(out.says("chown"));
}

TEST_CASE("the very file that was refused is taken once it has been mended") {
  Serving host;
  const std::string path = host.dir / "mended.so";
  for (const char* broken : {"init_fails", "instance_fails", "no_entry", "wrong_major"}) {
    host.refused(write_all(path, read_all(module_file(broken))));
  }
  write_all(path, read_all(module_file("unknown_key")));
  CHECK(host.ctx.load(path).status == BP_OK);
  CHECK(host.ctx.call("unknown_key.echo", "hello").payload == "hello");
  CHECK(host.ctx.unload("unknown_key").report()["outcome"].text == "gone");
}

TEST_CASE("a configuration that is no CBOR map is an argument error, and nothing is loaded") {
  Serving host;
  for (const std::string& config : {std::string("\x01"), std::string("\xa1"), std::string("\xa0\xa0")}) {
    const Outcome out = host.ctx.load(module_file("settings"), config);
    CHECK(out.status == BP_INVALID_ARGUMENT);
    CHECK(out.says("configuration"));
  }
  CHECK(host.ctx.modules().size() == 1);
}
