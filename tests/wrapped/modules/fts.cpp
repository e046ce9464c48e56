// SPDX-License-Identifier: Apache-2.0
//
// SQLite with FTS5: finds the documents that match a query. Document i of 600 has the word "fizz" if 3 divides i,
// "buzz" if 5 does, and "word" always.
#include <sqlite3.h>

#include <backplane/sdk.hpp>

using backplane::Bytes;
using backplane::View;

namespace {

struct Query {
  std::string match;
  int limit = 0;
};
BOOST_DESCRIBE_STRUCT(Query, (), (match, limit))

class Fts {
 public:
  Fts() {
    if (sqlite3_open(":memory:", &db_) != SQLITE_OK) failed();
    run("CREATE VIRTUAL TABLE docs USING fts5(body); CREATE TABLE blobs(value BLOB);"
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 600) "
        "INSERT INTO docs(rowid, body) SELECT i, 'word' || iif(i % 3, '', ' fizz') || iif(i % 5, '', ' buzz') FROM n");
  }
  ~Fts() { sqlite3_close(db_); }

  std::vector<int> work(const Query& in) {
    Statement found(*this, "SELECT rowid FROM docs WHERE docs MATCH ? ORDER BY rowid LIMIT ?");
    sqlite3_bind_text(found, 1, in.match.data(), static_cast<int>(in.match.size()), SQLITE_STATIC);
    sqlite3_bind_int(found, 2, in.limit);
    std::vector<int> rows;
    while (found.step()) rows.push_back(sqlite3_column_int(found, 0));
    return rows;
  }

  Bytes blob(View in) {
    Statement put(*this, "INSERT INTO blobs VALUES(?) RETURNING value");
    sqlite3_bind_blob(put, 1, in.data(), static_cast<int>(in.size()), SQLITE_STATIC);
    if (!put.step()) failed();
    const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(put, 0));
    Bytes out(data, data + sqlite3_column_bytes(put, 0));
    while (put.step()) continue;
    run("DELETE FROM blobs");
    return out;
  }

  // Other queries go on meanwhile, so it has a database of its own.
  void endless(backplane::Call& call) { Fts().count(call); }

 private:
  // The callback must not throw through the frames of SQLite: it stops the query, and check() throws behind it.
  void count(backplane::Call& call) {
    const auto stop = [](void* user) noexcept {
      try {
        static_cast<backplane::Call*>(user)->check();
        return 0;
      } catch (...) {
        return 1;
      }
    };
    sqlite3_progress_handler(db_, 10000, stop, &call);
    Statement endless(*this, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n");
    const int status = sqlite3_step(endless);
    sqlite3_progress_handler(db_, 0, nullptr, nullptr);
    call.check();
    if (status != SQLITE_DONE) failed();
  }

  struct Statement {
    Statement(Fts& fts, const char* text) : fts_(fts) {
      if (sqlite3_prepare_v2(fts.db_, text, -1, &native_, nullptr) != SQLITE_OK) fts.failed();
    }
    Statement(const Statement&) = delete;
    ~Statement() { sqlite3_finalize(native_); }
    operator sqlite3_stmt*() { return native_; }
    bool step() {
      const int status = sqlite3_step(native_);
      if (status != SQLITE_ROW && status != SQLITE_DONE) fts_.failed();
      return status == SQLITE_ROW;
    }
    Fts& fts_;
    sqlite3_stmt* native_ = nullptr;
  };

  void run(const char* text) {
    if (sqlite3_exec(db_, text, nullptr, nullptr, nullptr) != SQLITE_OK) failed();
  }
  [[noreturn]] void failed() { throw backplane::Error(BP_ERROR, sqlite3_errmsg(db_)); }

  sqlite3* db_ = nullptr;
};

}  // namespace

BACKPLANE_MODULE(Fts, "fts", "1", backplane::blocking<"fts.work", &Fts::work>,
                 backplane::raw<"fts.blob", &Fts::blob, BP_HANDLER_BLOCKING>,
                 backplane::concurrent<"fts.long", &Fts::endless>);
