// SPDX-License-Identifier: Apache-2.0
//
// session: logs users in. It gets their profiles from a host function.
//
//   session.login {user_id} → {user_id, profile}
//       Calls the host function profile.fetch with {user_id}, which answers the profile, any CBOR item. Then emits
//       session.logged_in {user_id}. Without profile.fetch, the answer is no_host_function. An error of profile.fetch
//       becomes the error of the call.
//
// Configuration: fetch_timeout_ms (default 5000; 0: no timeout besides the caller's deadline).
#include <backplane/sdk.hpp>

namespace {

/// A number or a name.
using UserId = std::variant<std::string, std::uint64_t>;

struct Config {
  std::uint32_t fetch_timeout_ms = 5000;
};
BOOST_DESCRIBE_STRUCT(Config, (), (fetch_timeout_ms))
BACKPLANE_DOCS(Config, "", (fetch_timeout_ms, "0: no timeout besides the caller's deadline"))

struct User {
  UserId user_id;
};
BOOST_DESCRIBE_STRUCT(User, (), (user_id))

struct LoggedIn {
  UserId user_id;
  backplane::Cbor profile;
};
BOOST_DESCRIBE_STRUCT(LoggedIn, (), (user_id, profile))

constexpr auto fetch = backplane::calls<"profile.fetch", User, backplane::Cbor, "returns the profile of a user">;
constexpr auto logged_in = backplane::event<"session.logged_in", User, "a user has logged in">;

class Session {
 public:
  explicit Session(backplane::Instance& self) : self_(self), config_(self.config<Config>()) {}

  LoggedIn login(backplane::Call& call, const User& in) {
    backplane::Cbor profile = call.host_call(fetch, in, backplane::Milliseconds(config_.fetch_timeout_ms));
    self_.announce(logged_in, in);
    return {in.user_id, std::move(profile)};
  }

 private:
  backplane::Instance& self_;
  const Config config_;
};

}  // namespace

BACKPLANE_MODULE(
    Session, "session", "1.0.0", backplane::summary<"logs users in with what profile.fetch says of them">,
    backplane::configuration<Config>,
    backplane::handler<"session.login", &Session::login, "logs a user in; an error of profile.fetch becomes its error",
                       backplane::fails<BP_NO_HOST_FUNCTION, void, "nobody provides profile.fetch">>,
    logged_in, fetch);
