// SPDX-License-Identifier: Apache-2.0
//
// Reads items as a generated type and writes them again, for codec_test.py: on stdin a length in 4 bytes and an item,
// on stdout 1 or 0, a length, and the item as it was written, or why it was not read.
#include <cstdio>
#include <iostream>

#include "forms.hpp"

namespace {

bool read_all(void* data, std::size_t size) { return std::fread(data, 1, size, stdin) == size; }

void answer(std::uint8_t ok, const void* data, std::size_t size) {
  const auto length = static_cast<std::uint32_t>(size);
  std::fwrite(&ok, 1, 1, stdout);
  std::fwrite(&length, 1, sizeof length, stdout);
  std::fwrite(data, 1, size, stdout);
  std::fflush(stdout);
}

template <class T>
int run() {
  std::uint32_t size = 0;
  backplane::Bytes item;
  while (read_all(&size, sizeof size)) {
    item.resize(size);
    if (!read_all(item.data(), size)) return 2;
    try {
      const backplane::Bytes again = backplane::encode(backplane::decode<T>(item, backplane::lenient));
      answer(1, again.data(), again.size());
    } catch (const backplane::Error& error) {
      answer(0, error.message().data(), error.message().size());
    }
  }
  return 0;
}

int codec(std::string_view type) {
  if (type == "Scalars") return run<forms::Scalars>();
  if (type == "Composed") return run<forms::Composed>();
  if (type == "Tree") return run<forms::Tree>();
  if (type == "Defaults") return run<forms::Defaults>();
  if (type == "PointPage") return run<forms::PointPage>();
  if (type == "Config") return run<forms::Config>();
  if (type == "TreeList") return run<forms::TreeList>();
  std::cerr << "unknown type " << type << std::endl;
  return 2;
}

// ---- Calls ----

namespace client = backplane::client;
using client::CallError;

int faults = 0;
void check(bool fits, const char* what) {
  if (fits) return;
  ++faults;
  std::cerr << "wrong: " << what << std::endl;
}

client::Task<double> doubled(const forms::Forms& forms, double x) {
  auto call = forms.double_.call_async({x, 0});
  const forms::Point first = co_await call;
  const client::Result<forms::Point> second = co_await forms.double_.try_call_async(first);
  co_return second->x;
}

void values(const forms::Forms& forms) {
  check(forms.scalars({}).f64 == 0, "a struct of all scalars");
  forms.nothing();
  check(forms.nothing.try_call().ok(), "a call without request and answer");
  forms.nothing.async().get();
  check(forms.double_({2, 3}).y == 6, "a name that is a keyword");
  check(forms.lists({{"a", std::nullopt}, {"b", 5}}).empty(), "a map as request and a list as answer");
  check(forms.raw({{1, 2, 3}}).bytes == backplane::Bytes{1, 2, 3}, "raw bytes");
  check(client::run(doubled(forms, 2)) == 8, "co_await");
  std::promise<double> promise;
  forms.double_.submit({7, 0}, [&](client::Result<forms::Point> result) { promise.set_value(result->x); });
  check(promise.get_future().get() == 14, "a callback");
}

void errors(const forms::Forms& forms) {
  check(forms.defaults({.required = "x"}).count == -5, "members with defaults");
  try {
    forms.defaults({.count = 101, .required = "x"});
    check(false, "an error is thrown");
  } catch (const CallError& error) {
    check(error.status() == 1001 && error.message() == "count: is above 100", "status and message");
    const std::optional<forms::Point> place = forms::Error1001::of(error);
    check(place && place->x == 1 && place->y == 2, "the detail of a declared status");
    check(!forms::InvalidArgumentError::of(error) && forms::Error1001::is(error), "another status");
  }
  const auto result = forms.defaults.try_call({.count = 101, .required = "x"});
  check(!result.ok() && forms::Error1001::of(result)->y == 2, "the same without an exception");
}

// forms.composed calls a name of a module that is not there, before it reads the parts.
void parts(const forms::Forms& forms) {
  auto upload = forms.composed({});
  static_cast<void>(upload.part({.name = "tree"}));
  check(upload.next() == nullptr && upload.try_reply().status() == BP_UNKNOWN_NAME, "an upload that fails");
  std::vector<forms::Tree> trees(3);
  try {
    forms.composed.send({}, trees);
    check(false, "an upload of a range throws");
  } catch (const CallError& error) {
    check(error.status() == BP_UNKNOWN_NAME && error.name() == "forms.composed", "how it fails");
  }
  const auto provided = forms.provide_other_lookup([] { return forms::PointPage{{{1, 2}}, "more"}; });
}

int calls(const client::Context& context) {
  const forms::Forms forms(context);
  static_assert(forms::most == 600 && forms::lowest == -3 && forms::greeting == "say \"hello\"" && forms::on);
  values(forms);
  errors(forms);
  parts(forms);
  auto events = forms.on_changed.range();
  check(events.next(std::chrono::milliseconds(1)) == nullptr && events.lost() == 0, "a range without events");
  events.stop();
  check(events.begin() == events.end(), "a range that has ended");
  return faults == 0 ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) try {
  const std::string_view mode = count > 2 ? arguments[1] : "";
  if (mode == "codec") return codec(arguments[2]);
  if (mode == "connected") {
    client::ConnectOptions options;
    options.socket_path = arguments[2];
    return calls(client::Context::connect(options));
  }
  const client::Host host;
  host.load(arguments[2]);
  return calls(host.context());
} catch (const std::exception& error) {
  std::cerr << "error: " << error.what() << std::endl;
  return 1;
}
