// SPDX-License-Identifier: Apache-2.0
//
// What the tests send and get.
#pragma once

#include <backplane/client.hpp>
#include <map>

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

struct Key {
  std::string key;
};
BOOST_DESCRIBE_STRUCT(Key, (), (key))
struct Entry {
  std::string key;
  std::string value;
};
BOOST_DESCRIBE_STRUCT(Entry, (), (key, value))
struct Found {
  bool found = false;
  std::optional<std::string> value;
};
BOOST_DESCRIBE_STRUCT(Found, (), (found, value))
struct FoundNumber {
  bool found = false;
  std::int64_t value = 0;
};
BOOST_DESCRIBE_STRUCT(FoundNumber, (), (found, value))
struct Changed {
  std::string key, change;
};
BOOST_DESCRIBE_STRUCT(Changed, (), (key, change))

struct User {
  std::string user_id;
};
BOOST_DESCRIBE_STRUCT(User, (), (user_id))
struct Profile {
  std::string name;
};
BOOST_DESCRIBE_STRUCT(Profile, (), (name))
struct LoggedIn {
  std::string user_id;
  Profile profile;
};
BOOST_DESCRIBE_STRUCT(LoggedIn, (), (user_id, profile))

struct Ticks {
  std::uint32_t count = 0, interval_ms = 0;
};
BOOST_DESCRIBE_STRUCT(Ticks, (), (count, interval_ms))
struct Tick {
  std::uint32_t tick = 0, of = 0;
};
BOOST_DESCRIBE_STRUCT(Tick, (), (tick, of))
struct Ticked {
  std::uint32_t ticks = 0;
};
BOOST_DESCRIBE_STRUCT(Ticked, (), (ticks))

struct Order {
  std::uint64_t parts = 0, size = 0, wait_ms = 0;
};
BOOST_DESCRIBE_STRUCT(Order, (), (parts, size, wait_ms))
struct Piece {
  std::uint64_t number = 0;
  std::string data;
};
BOOST_DESCRIBE_STRUCT(Piece, (), (number, data))
struct WrongPiece {
  std::string number;
};
BOOST_DESCRIBE_STRUCT(WrongPiece, (), (number))
struct Sum {
  std::uint64_t parts = 0, bytes = 0;
};
BOOST_DESCRIBE_STRUCT(Sum, (), (parts, bytes))

struct Fail {
  std::int32_t status = 0;
  std::int64_t code = 0;
};
BOOST_DESCRIBE_STRUCT(Fail, (), (status, code))
struct Code {
  std::int64_t code = 0;
};
BOOST_DESCRIBE_STRUCT(Code, (), (code))
struct Nap {
  std::uint32_t ms = 0;
};
BOOST_DESCRIBE_STRUCT(Nap, (), (ms))
struct Tell {
  std::uint32_t count = 0;
};
BOOST_DESCRIBE_STRUCT(Tell, (), (count))
struct Happened {
  std::uint32_t number = 0;
};
BOOST_DESCRIBE_STRUCT(Happened, (), (number))
