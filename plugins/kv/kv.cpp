// SPDX-License-Identifier: Apache-2.0
//
// kv: a durable store of values by key.
//
//   kv.put {key, value} → null                      adds or replaces
//   kv.get {key} → {found, value}                   value is null if the key does not exist
//   kv.delete {key} → {deleted}                     whether the key existed
//   kv.scan {prefix?, after?, limit?} → {entries: [{key, value}], next?}
//                                                   in byte order of the keys; to continue, call again with
//                                                   after = next; limit is 1 to 1000, default 100
//   kv.count {prefix?} → {count}
//   event kv.changed {key, change: "put" / "deleted"}
//
// A key is text of 1 to 1024 bytes. A value is any CBOR item of up to 16 MiB and 61 levels; kv.get returns it byte for
// byte. A change that kv.put or kv.delete has acknowledged is on the disk, and survives kill -9 and a power cut. All
// contexts and generations, and other hosts with the same data directory, share the file kv.sqlite3 in the module's
// data directory. Each context emits events only for its own changes.
#include <backplane/sdk.hpp>

#include "store.hpp"

namespace {

using backplane::Cbor;
using backplane::Error;

struct Key {
  std::string key;
};
BOOST_DESCRIBE_STRUCT(Key, (), (key))
BACKPLANE_DOCS(Key, "", (key, "1 to 1024 bytes"))

struct Entry {
  std::string key;
  Cbor value;
};
BOOST_DESCRIBE_STRUCT(Entry, (), (key, value))
BACKPLANE_DOCS(Entry, "", (key, "1 to 1024 bytes"), (value, "at most 16 MiB and 61 levels"))

struct Found {
  bool found = false;
  Cbor value;
};
BOOST_DESCRIBE_STRUCT(Found, (), (found, value))
BACKPLANE_DOCS(Found, "", (value, "null if the key does not exist"))

struct Deleted {
  bool deleted = false;
};
BOOST_DESCRIBE_STRUCT(Deleted, (), (deleted))
BACKPLANE_DOCS(Deleted, "", (deleted, "whether the key existed"))

struct Scan {
  std::optional<std::string> prefix;
  std::optional<std::string> after;
  std::optional<std::uint64_t> limit;
};
BOOST_DESCRIBE_STRUCT(Scan, (), (prefix, after, limit))
BACKPLANE_DOCS(Scan, "", (after, "next of the page before"), (limit, "1 to 1000; 100 if absent"))

struct Page {
  std::vector<Entry> entries;
  std::optional<std::string> next;
};
BOOST_DESCRIBE_STRUCT(Page, (), (entries, next))
BACKPLANE_DOCS(Page, "", (entries, "in byte order of the keys"), (next, "absent if this is the last page"))

struct Prefix {
  std::optional<std::string> prefix;
};
BOOST_DESCRIBE_STRUCT(Prefix, (), (prefix))

struct Count {
  std::uint64_t count = 0;
};
BOOST_DESCRIBE_STRUCT(Count, (), (count))

enum class Change { put, deleted };
BOOST_DESCRIBE_ENUM(Change, put, deleted)

struct Changed {
  std::string key;
  Change change = Change::put;
};
BOOST_DESCRIBE_STRUCT(Changed, (), (key, change))

constexpr auto changed = backplane::event<"kv.changed", Changed, "a value of this context has changed">;
constexpr auto bad_input =
    backplane::fails<BP_BAD_PAYLOAD, void, "a key, value or limit is outside of its bounds, or the request is no such">;
constexpr auto busy = backplane::fails<BP_TIMEOUT, void, "another process kept the file locked for too long">;
constexpr auto no_file = backplane::fails<BP_IO, void, "the file cannot be read or written">;

bp_status status_of(backplane::kv::StoreError::Kind kind) {
  using Kind = backplane::kv::StoreError::Kind;
  switch (kind) {
    case Kind::input:
      return BP_BAD_PAYLOAD;
    case Kind::busy:
      return BP_TIMEOUT;
    case Kind::file:
      break;
  }
  return BP_IO;
}

/// Turns an error of the store into an error for the caller.
template <class Action>
auto translated(Action action) {
  try {
    return action();
  } catch (const backplane::kv::StoreError& e) {
    throw Error(status_of(e.kind), e.what());
  }
}

// Handlers run on the worker pool, one at a time for each instance, so the store needs no lock.
class Kv {
 public:
  explicit Kv(backplane::Instance& self)
      : self_(self), store_(translated([&] { return std::make_unique<backplane::kv::Store>(file_in(self)); })) {}

  void put(const Entry& in) {
    check_depth(in.value);
    translated([&] { store_->put(in.key, in.value.view()); });
    tell({in.key, Change::put});
  }

  Found get(const Key& in) {
    const auto value = translated([&] { return store_->get(in.key); });
    if (!value) return {};
    return {true, Cbor::parse(*value)};
  }

  Deleted remove(const Key& in) {
    const bool deleted = translated([&] { return store_->remove(in.key); });
    if (deleted) tell({in.key, Change::deleted});
    return {deleted};
  }

  Page scan(const Scan& in) {
    const auto found = translated([&] {
      return store_->scan(in.prefix.value_or(""), in.after.value_or(""),
                          in.limit.value_or(backplane::kv::scan_default));
    });
    Page page;
    page.entries.reserve(found.entries.size());
    for (const auto& entry : found.entries) page.entries.push_back({entry.key, Cbor::parse(entry.value)});
    page.next = found.next;
    return page;
  }

  Count count(const Prefix& in) {
    return {translated([&] { return store_->count(in.prefix.value_or("")); })};
  }

 private:
  static std::filesystem::path file_in(const backplane::Instance& self) {
    return std::filesystem::path(self.data_dir()) / "kv.sqlite3";
  }

  /// kv.scan must be able to show every value.
  static void check_depth(const Cbor& value) {
    constexpr std::size_t around = 3;  // a page, its entries, the entry
    try {
      backplane::cbor::Reader(value.view()).skip(around);
    } catch (const backplane::cbor::Error&) {
      throw Error(BP_BAD_PAYLOAD,
                  backplane::join("value: nested deeper than ", backplane::cbor::max_depth - around,
                                  " levels, expected at most these: kv.scan answers with ", around,
                                  " levels around it, and ", backplane::cbor::max_depth, " is the limit of an answer"));
    }
  }

  /// An event that cannot be emitted does not undo the change.
  void tell(const Changed& what) {
    if (self_.emit(changed, what) == BP_OVERFLOW) {
      self_.log(backplane::Level::warn, "the host refused the event: nobody hears of the change of key ", what.key);
    }
  }

  backplane::Instance& self_;
  const std::unique_ptr<backplane::kv::Store> store_;
};

}  // namespace

BACKPLANE_MODULE(Kv, "kv", "1.0.0", backplane::summary<"a durable store of values by key">,
                 backplane::blocking<"kv.put", &Kv::put, "adds or replaces a value", bad_input, busy, no_file>,
                 backplane::blocking<"kv.get", &Kv::get, "returns a value", bad_input, busy, no_file>,
                 backplane::blocking<"kv.delete", &Kv::remove, "deletes a value", bad_input, busy, no_file>,
                 backplane::blocking<"kv.scan", &Kv::scan, "returns a page of the values", bad_input, busy, no_file>,
                 backplane::blocking<"kv.count", &Kv::count, "counts the keys with a prefix", bad_input, busy, no_file>,
                 changed);
