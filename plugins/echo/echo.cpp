// SPDX-License-Identifier: Apache-2.0
//
// echo: a small module for testing a host.
//
//   echo.shout {text} → {shouted, prefix}   the prefix, then the text with its ASCII letters in upper case
//   echo.version → {version}                this module's version; needs no context
//   echo.raw                                returns the payload byte for byte, without reading it as CBOR
//
// Configuration: prefix (text, default "").
#include <backplane/sdk.hpp>

namespace {

#define ECHO_VERSION "1.0.0"

struct Shout {
  std::string text;
};
BOOST_DESCRIBE_STRUCT(Shout, (), (text))

struct Shouted {
  std::string shouted, prefix;
};
BOOST_DESCRIBE_STRUCT(Shouted, (), (shouted, prefix))

struct Version {
  std::string version;
};
BOOST_DESCRIBE_STRUCT(Version, (), (version))

struct Config {
  std::string prefix;
};
BOOST_DESCRIBE_STRUCT(Config, (), (prefix))
BACKPLANE_DOCS(Config, "", (prefix, "what echo.shout puts before each text"))

class Echo {
 public:
  explicit Echo(backplane::Instance& self) : config_(self.config<Config>()) {}

  Shouted shout(const Shout& in) const {
    std::string shouted = config_.prefix + in.text;
    for (std::size_t i = config_.prefix.size(); i < shouted.size(); ++i) {
      // Change only ASCII letters, so that the text stays UTF-8.
      if (shouted[i] >= 'a' && shouted[i] <= 'z') shouted[i] = static_cast<char>(shouted[i] - 'a' + 'A');
    }
    return {shouted, config_.prefix};
  }

  backplane::View raw(backplane::View payload) const { return payload; }

 private:
  const Config config_;
};

Version version() { return {ECHO_VERSION}; }

}  // namespace

BACKPLANE_MODULE(
    Echo, "echo", ECHO_VERSION, backplane::summary<"shouts, and gives bytes back">, backplane::configuration<Config>,
    backplane::handler<"echo.shout", &Echo::shout, "the prefix, then the text with its ASCII letters in upper case">,
    backplane::static_handler<"echo.version", version, "this module's version; needs no context">,
    backplane::raw<"echo.raw", &Echo::raw, "the answer is the payload">);
