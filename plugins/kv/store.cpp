// SPDX-License-Identifier: Apache-2.0
//
// Opens, checks and creates the SQLite file, and runs the statements of the store.
#include "store.hpp"

#include <sqlite3.h>

#include <thread>

#include "new_file.hpp"

namespace backplane::kv {
namespace {

/// The application id ("bpkv") and the schema version in the file's header.
constexpr std::int64_t application_id = 0x62706b76;
constexpr std::int64_t schema_version = 1;

// Keys are blobs, because SQLite compares blobs byte by byte, whatever their encoding, and allows NUL.
constexpr const char* schema =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE IF NOT EXISTS entries (key BLOB PRIMARY KEY, value BLOB NOT NULL) STRICT;"
    "PRAGMA application_id = 1651534710;"
    "PRAGMA user_version = 1;"
    "COMMIT;";

/// The first string after all strings that begin with `prefix`; longer than any key if it does not exist.
std::string end_of(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && end.back() == '\xff') end.pop_back();
  if (end.empty()) return std::string(key_max + 1, '\xff');
  end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

/// The first key of a scan: the prefix, or the first string after `after`.
std::string begin_of(std::string_view prefix, std::string_view after) {
  if (after.empty() || after < prefix) return std::string(prefix);
  std::string begin(after);
  begin += '\0';
  return begin;
}

void check_key(std::string_view key) {
  if (!key.empty() && key.size() <= key_max) return;
  throw StoreError(StoreError::Kind::input,
                   "the key has " + std::to_string(key.size()) + " bytes; expected 1 to " + std::to_string(key_max));
}

void check_value(ValueView value) {
  if (value.size() <= value_max) return;
  throw StoreError(StoreError::Kind::input, "the value has " + std::to_string(value.size()) +
                                                " bytes; expected at most " + std::to_string(value_max) +
                                                ": split it over several keys");
}

StoreError::Kind kind_of(int code) {
  const int primary = code & 0xff;
  return primary == SQLITE_BUSY || primary == SQLITE_LOCKED ? StoreError::Kind::busy : StoreError::Kind::file;
}

const char* advice(int code) {
  switch (code & 0xff) {
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
      return "; expected a directory in which this process may make and write files: change its mode or owner, or "
             "choose another data directory";
    case SQLITE_FULL:
      return "; make room on the disk";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return "; another process writes for long: try again";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return "; expected a store of this module: restore the file from a backup, or move it away";
    default:
      return "";
  }
}

}  // namespace

/// One run of a prepared statement. Resets the statement for the next run, also after an error.
class Store::Use {
 public:
  Use(const Store& store, sqlite3_stmt* statement) : store_(store), statement_(statement) {}
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;
  ~Use() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }

  /// The bytes must outlive this object.
  void bind(int index, const void* data, std::size_t size) {
    // A null pointer would bind NULL instead of an empty blob.
    if (sqlite3_bind_blob64(statement_, index, size != 0 ? data : "", size, SQLITE_STATIC) != SQLITE_OK) {
      store_.fail("bind a value");
    }
  }
  void bind(int index, std::string_view text) { bind(index, text.data(), text.size()); }
  void bind(int index, std::uint64_t number) {
    if (sqlite3_bind_int64(statement_, index, static_cast<sqlite3_int64>(number)) != SQLITE_OK) {
      store_.fail("bind a number");
    }
  }

  /// Advances to the next row. Returns false if there is none.
  bool step(const char* doing) {
    const int code = sqlite3_step(statement_);
    if (code != SQLITE_ROW && code != SQLITE_DONE) store_.fail(doing);
    return code == SQLITE_ROW;
  }

  ValueView blob(int column) const {
    const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement_, column));
    return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
  }
  std::int64_t number(int column) const { return sqlite3_column_int64(statement_, column); }

 private:
  const Store& store_;
  sqlite3_stmt* statement_;
};

Store::Store(const std::filesystem::path& file, std::chrono::milliseconds wait) : file_(file), wait_(wait) {
  try {
    open();
  } catch (...) {
    close();
    throw;
  }
}

Store::~Store() { close(); }

void Store::open() {
  make_new_file(file_, schema);
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  if (sqlite3_open_v2(file_.c_str(), &db_, flags, nullptr) != SQLITE_OK) fail("open the file");
  sqlite3_busy_handler(db_, wait_for_lock, this);
  // SQLite opens an unwritable file for reading, and fails only at the first write. So check now.
  if (sqlite3_db_readonly(db_, "main") == 1) {
    throw StoreError(StoreError::Kind::file, file_.string() + " can only be read" + advice(SQLITE_READONLY));
  }
  prepare_file();
  put_ = prepare("INSERT INTO entries VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value");
  get_ = prepare("SELECT value FROM entries WHERE key = ?1");
  remove_ = prepare("DELETE FROM entries WHERE key = ?1");
  scan_ = prepare("SELECT key, value FROM entries WHERE key >= ?1 AND key < ?2 ORDER BY key LIMIT ?3");
  count_ = prepare("SELECT count(*) FROM entries WHERE key >= ?1 AND key < ?2");
}

/// Waits in short steps of varying length. SQLite's own timeout sleeps up to 100 ms at a time. A continuous writer
/// leaves the lock free only for microseconds, so a waiter that checks rarely would starve.
int Store::wait_for_lock(void* self, int attempt) {
  auto& store = *static_cast<Store*>(self);
  const auto now = std::chrono::steady_clock::now();
  if (attempt == 0) store.waiting_since_ = now;
  if (now - store.waiting_since_ >= store.wait_) return 0;
  std::this_thread::sleep_for(std::chrono::microseconds(100 + now.time_since_epoch().count() / 1000 % 400));
  return 1;
}

void Store::prepare_file() {
  check_owner();
  use_wal();
  run("PRAGMA synchronous = FULL");
  if (number("PRAGMA user_version") == 0) run(schema);
}

/// Checks, before the first write, that the file belongs to this module. Uses one transaction, because another store
/// may be creating its tables at this moment.
void Store::check_owner() {
  run("BEGIN");
  const std::int64_t version = number("PRAGMA user_version");
  const std::int64_t owner = number("PRAGMA application_id");
  const bool empty = number("SELECT count(*) FROM sqlite_schema") == 0;
  run("COMMIT");
  if (owner != application_id && !empty) {
    throw StoreError(StoreError::Kind::file,
                     file_.string() +
                         " is a SQLite file that something else made; expected a store of this module: "
                         "move it away, or choose another data directory");
  }
  if (version > schema_version) {
    throw StoreError(StoreError::Kind::file, file_.string() + " has version " + std::to_string(version) +
                                                 "; expected at most " + std::to_string(schema_version) +
                                                 ": use the newer module that made it");
  }
}

/// Waits for other writers. SQLite does not apply the busy timeout while it changes the journal mode.
void Store::use_wal() {
  const auto end = std::chrono::steady_clock::now() + wait_;
  for (;;) {
    const int code = sqlite3_exec(db_, "PRAGMA journal_mode = WAL", nullptr, nullptr, nullptr);
    if (code == SQLITE_OK) break;
    if ((code & 0xff) != SQLITE_BUSY || std::chrono::steady_clock::now() >= end) fail("turn on the write-ahead log");
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  sqlite3_stmt* mode = prepare("PRAGMA journal_mode");
  const bool is_wal = sqlite3_step(mode) == SQLITE_ROW &&
                      std::string_view(reinterpret_cast<const char*>(sqlite3_column_text(mode, 0))) == "wal";
  sqlite3_finalize(mode);
  if (!is_wal) {
    throw StoreError(StoreError::Kind::file, file_.string() +
                                                 " lies where no write-ahead log can be kept; expected a local file "
                                                 "system: choose another data directory");
  }
}

void Store::close() noexcept {
  for (sqlite3_stmt* statement : {put_, get_, remove_, scan_, count_}) sqlite3_finalize(statement);
  sqlite3_close(db_);
}

void Store::put(std::string_view key, ValueView value) {
  check_key(key);
  check_value(value);
  Use use(*this, put_);
  use.bind(1, key);
  use.bind(2, value.data(), value.size());
  use.step("put");
}

std::optional<Value> Store::get(std::string_view key) {
  check_key(key);
  Use use(*this, get_);
  use.bind(1, key);
  if (!use.step("get")) return std::nullopt;
  const ValueView value = use.blob(0);
  return Value(value.begin(), value.end());
}

bool Store::remove(std::string_view key) {
  check_key(key);
  Use use(*this, remove_);
  use.bind(1, key);
  use.step("delete");
  return sqlite3_changes(db_) != 0;
}

Page Store::scan(std::string_view prefix, std::string_view after, std::uint64_t limit) {
  if (limit == 0 || limit > scan_max) {
    throw StoreError(StoreError::Kind::input,
                     "the limit is " + std::to_string(limit) + "; expected 1 to " + std::to_string(scan_max));
  }
  const std::string begin = begin_of(prefix, after);
  const std::string end = end_of(prefix);
  Use use(*this, scan_);
  use.bind(1, begin);
  use.bind(2, end);
  use.bind(3, limit + 1);  // one more, to find out whether more entries exist
  Page page;
  std::size_t bytes = 0;
  while (use.step("scan")) {
    const ValueView value = use.blob(1);
    bytes += value.size();
    if (page.entries.size() == limit || (bytes > scan_bytes_max && !page.entries.empty())) {
      page.next = page.entries.back().key;
      break;
    }
    const ValueView key = use.blob(0);
    page.entries.push_back({std::string(key.begin(), key.end()), Value(value.begin(), value.end())});
  }
  return page;
}

std::uint64_t Store::count(std::string_view prefix) {
  const std::string end = end_of(prefix);
  Use use(*this, count_);
  use.bind(1, prefix);
  use.bind(2, end);
  return use.step("count") ? static_cast<std::uint64_t>(use.number(0)) : 0;
}

void Store::run(const char* sql) {
  if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) == SQLITE_OK) return;
  // A failed script must not leave its transaction open.
  if (sqlite3_get_autocommit(db_) != 0) fail("set up the file");
  const StoreError error(kind_of(sqlite3_extended_errcode(db_)),
                         file_.string() + ": cannot set up the file: " + sqlite3_errmsg(db_));
  sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
  throw error;
}

std::int64_t Store::number(const char* sql) {
  sqlite3_stmt* statement = prepare(sql);
  const bool row = sqlite3_step(statement) == SQLITE_ROW;
  const std::int64_t value = sqlite3_column_int64(statement, 0);
  sqlite3_finalize(statement);
  if (!row) fail("read the file");
  return value;
}

sqlite3_stmt* Store::prepare(const char* sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK) {
    fail("read the file");
  }
  return statement;
}

void Store::fail(const char* doing) const {
  const int code = db_ != nullptr ? sqlite3_extended_errcode(db_) : SQLITE_NOMEM;
  const char* text = db_ != nullptr ? sqlite3_errmsg(db_) : "out of memory";
  throw StoreError(kind_of(code), file_.string() + ": cannot " + doing + ": " + std::string(text) + advice(code));
}

}  // namespace backplane::kv
