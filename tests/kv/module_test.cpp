// SPDX-License-Identifier: Apache-2.0
//
// The module kv in a real host, by the public header.
#include <backplane/backplane.h>

#include <backplane/sdk/cbor.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <condition_variable>
#include <fstream>
#include <map>
#include <mutex>

#include "temp_dir.hpp"

using backplane::Cbor;
using Catch::Matchers::Contains;
using Map = std::map<std::string, Cbor>;

namespace {

constexpr const char* kv_file = BP_TEST_BUILD_DIR "/plugins/kv.so";

/// This process's host keeps its files here.
const std::filesystem::path& data_dir() {
  static const TempDir dir;
  static const bool configured = [] {
    const std::string path = dir.path().string();
    bp_host_options options{};
    options.struct_size = sizeof options;
    options.data_dir = path.c_str();
    return bp_host_configure(&options, nullptr) == BP_OK;
  }();
  REQUIRE(configured);
  return dir.path();
}

struct Result : bp_result {
  Result() : bp_result{} { struct_size = sizeof(bp_result); }
  Result(const Result&) = delete;
  Result& operator=(const Result&) = delete;
  ~Result() { bp_result_free(this); }
  std::string text() const { return message.size == 0 ? std::string() : std::string(message.data, message.size); }
};

bp_str str(std::string_view text) { return {text.data(), text.size()}; }

class Context {
 public:
  Context() {
    data_dir();
    REQUIRE(bp_context_create(nullptr, &native, nullptr) == BP_OK);
  }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() { CHECK(bp_context_destroy(native) == BP_OK); }

  bp_status load(Result& result) const {
    bp_load_options options{};
    options.struct_size = sizeof options;
    options.path = kv_file;
    return bp_module_load(native, &options, &result);
  }
  bp_status unload() const {
    Result result;
    return bp_module_unload(native, str("kv"), 0, &result);
  }

  bp_status call(std::string_view name, const Map& request, Result& result) const {
    const backplane::Bytes bytes = backplane::encode(request);
    return bp_call_sync(native, str(name), {bytes.data(), bytes.size()}, 10'000, &result);
  }
  /// The answer, which must be one.
  Cbor ask(std::string_view name, const Map& request) const {
    Result result;
    const bp_status status = call(name, request, result);
    INFO(result.text());
    REQUIRE(status == BP_OK);
    return Cbor::parse({result.payload.data, result.payload.size});
  }

  bp_context native{};
};

/// kv in a context, and out of the process with its owner.
struct Loaded : Context {
  Loaded() {
    Result result;
    const bp_status status = load(result);
    INFO(result.text());
    REQUIRE(status == BP_OK);
  }
  ~Loaded() { CHECK(unload() == BP_OK); }
};

template <class T>
Cbor item(const T& value) {
  return Cbor::of(value);
}
Cbor item(const char* text) { return Cbor::of(std::string(text)); }

Cbor put(const Context& in, const char* key, const Cbor& value) {
  return in.ask("kv.put", {{"key", item(key)}, {"value", value}});
}

/// The events kv.changed, as "change key".
struct Changes {
  std::mutex mutex;
  std::condition_variable arrived;
  std::vector<std::string> seen;

  static void on_event(void* user, const bp_event* event) {
    const auto outer = backplane::decode<Map>({event->payload.data, event->payload.size});
    const auto inner = outer.at("payload").as<std::map<std::string, std::string>>();
    auto& self = *static_cast<Changes*>(user);
    const std::lock_guard lock(self.mutex);
    self.seen.push_back(inner.at("change") + " " + inner.at("key"));
    self.arrived.notify_one();
  }
  std::vector<std::string> wait_for(std::size_t count) {
    std::unique_lock lock(mutex);
    arrived.wait_for(lock, std::chrono::seconds(10), [&] { return seen.size() >= count; });
    return seen;
  }
};

/// Where the module's file is.
std::filesystem::path store_file() {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(data_dir())) {
    if (entry.path().filename() == "kv.sqlite3") return entry.path();
  }
  FAIL("no kv.sqlite3 below " << data_dir());
  return {};
}

}  // namespace

TEST_CASE("kv gives back any value as it was put, by key") {
  Loaded kv;
  const Map object{{"name", item("Ada")}, {"born", item(1815)}, {"tags", item(std::vector<std::string>{"x", "y"})}};
  for (const Cbor& value : {item("text"), item(3.5), item(object), item(false), Cbor()}) {
    CHECK(put(kv, "any", value) == Cbor());
    CHECK(kv.ask("kv.get", {{"key", item("any")}}).as<Map>() == Map{{"found", item(true)}, {"value", value}});
  }
  CHECK(kv.ask("kv.delete", {{"key", item("any")}}).as<Map>() == Map{{"deleted", item(true)}});
  CHECK(kv.ask("kv.delete", {{"key", item("any")}}).as<Map>() == Map{{"deleted", item(false)}});
  CHECK(kv.ask("kv.get", {{"key", item("any")}}).as<Map>() == Map{{"found", item(false)}, {"value", Cbor()}});
}

TEST_CASE("kv scans and counts by prefix, and says where to go on") {
  Loaded kv;
  for (const char* key : {"p/1", "p/2", "p/3", "q"}) put(kv, key, item(key));
  CHECK(kv.ask("kv.count", {{"prefix", item("p/")}}).as<Map>() == Map{{"count", item(3)}});

  const Map first = kv.ask("kv.scan", {{"prefix", item("p/")}, {"limit", item(2)}}).as<Map>();
  CHECK(first.at("next") == item("p/2"));
  CHECK(first.at("entries").as<std::vector<Map>>().at(1) == Map{{"key", item("p/2")}, {"value", item("p/2")}});
  const Map rest = kv.ask("kv.scan", {{"prefix", item("p/")}, {"after", first.at("next")}}).as<Map>();
  CHECK(rest.at("entries").as<std::vector<Map>>().size() == 1);
  CHECK(rest.count("next") == 0);
}

TEST_CASE("kv tells of changes, and only of changes, in their order") {
  Loaded kv;
  Changes changes;
  bp_listener listener{};
  REQUIRE(bp_listen(kv.native, str("kv.changed"), Changes::on_event, &changes, &listener) == BP_OK);
  put(kv, "watched", item(1));
  kv.ask("kv.delete", {{"key", item("watched")}});
  kv.ask("kv.delete", {{"key", item("watched")}});
  put(kv, "watched", item(2));
  CHECK(changes.wait_for(3) == std::vector<std::string>{"put watched", "deleted watched", "put watched"});
  CHECK(bp_unlisten(kv.native, listener) == BP_OK);
}

TEST_CASE("kv refuses keys and limits outside their bounds as bad payload") {
  Loaded kv;
  Result empty;
  CHECK(kv.call("kv.put", {{"key", item("")}, {"value", item(1)}}, empty) == BP_BAD_PAYLOAD);
  CHECK_THAT(empty.text(), Contains("0 bytes; expected 1 to 1024"));
  Result keyless;
  CHECK(kv.call("kv.get", {}, keyless) == BP_BAD_PAYLOAD);
  CHECK_THAT(keyless.text(), Contains("key"));
  Result limit;
  CHECK(kv.call("kv.scan", {{"limit", item(5000)}}, limit) == BP_BAD_PAYLOAD);
  CHECK_THAT(limit.text(), Contains("expected 1 to 1000"));
}

TEST_CASE("kv takes a value as deep as a scan can show, and no deeper") {
  Loaded kv;
  const auto nested = [](std::size_t levels) {
    backplane::Bytes bytes(levels, 0x81);
    bytes.push_back(0x01);
    return Cbor::parse(bytes);
  };
  put(kv, "deep/61", nested(61));
  const Cbor page = kv.ask("kv.scan", {{"prefix", item("deep/")}});
  CHECK_NOTHROW(backplane::cbor::check_well_formed(page.view()));
  Result deeper;
  CHECK(kv.call("kv.put", {{"key", item("deep/62")}, {"value", nested(62)}}, deeper) == BP_BAD_PAYLOAD);
  CHECK_THAT(deeper.text(), Contains("value: nested deeper than 61 levels"));
}

TEST_CASE("what kv stored is there in another context and after the module was loaded again") {
  {
    Loaded kv;
    put(kv, "lasting", item("yes"));
    Context other;
    CHECK(other.ask("kv.get", {{"key", item("lasting")}}).as<Map>().at("value") == item("yes"));
  }
  Loaded again;
  CHECK(again.ask("kv.get", {{"key", item("lasting")}}).as<Map>().at("value") == item("yes"));
}

TEST_CASE("kv is refused with a reason where it cannot keep its file, and loads once it can") {
  { Loaded once; }
  const auto directory = store_file().parent_path();
  std::filesystem::remove_all(directory);
  std::ofstream(directory) << "in the way";

  Context context;
  Result refusal;
  CHECK(context.load(refusal) == BP_LOAD_REFUSED);
  CHECK_THAT(refusal.text(), Contains(directory.string()));

  std::filesystem::remove(directory);
  Loaded after;
  put(after, "k", item(1));
}
