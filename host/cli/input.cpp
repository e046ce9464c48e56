// SPDX-License-Identifier: Apache-2.0
#include "cli/input.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <backplane/cbor/reader.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "cli/failure.hpp"
#include "cli/json/json.hpp"
#include "cli/output.hpp"
#include "support/unique_fd.hpp"

namespace backplane::host::cli {
namespace {

std::string read_all(int fd, const std::string& name, std::size_t limit) {
  std::string all;
  char buffer[65536];
  for (;;) {
    const ssize_t size = ::read(fd, buffer, sizeof buffer);
    if (size == 0) return all;
    if (size > 0) {
      all.append(buffer, static_cast<std::size_t>(size));
      if (all.size() > limit) {
        throw usage(cat(name, " has more than ", std::to_string(limit >> 20), " MiB, which is the limit; give less"));
      }
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {  // another process has made it non-blocking
      pollfd waits = {fd, POLLIN, 0};
      ::poll(&waits, 1, -1);
    } else if (errno != EINTR) {
      throw usage(cat("cannot read ", name, ": ", std::strerror(errno)));
    }
  }
}

}  // namespace

std::string read_input(const std::string& operand, std::size_t limit) {
  if (operand == "-") return read_all(STDIN_FILENO, "stdin", limit);
  if (!operand.starts_with('@')) return operand;
  return read_file(operand.substr(1), limit);
}

std::string read_file(const std::string& path, std::size_t limit) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) throw usage(cat("cannot open \"", path, "\": ", std::strerror(errno)));
  return read_all(fd.get(), cat("\"", path, "\""), limit);
}

namespace {

// The shell removes the quotes that JSON needs around text. This hint shows how to keep them.
std::string quotes_hint(const std::string& text) {
  const bool word = !text.empty() && text.size() <= 60 &&
                    std::string_view("{[\"'-").find(text[0]) == std::string_view::npos &&
                    (text[0] < '0' || text[0] > '9') && text.find_first_of("'\\\n") == std::string::npos;
  return word && cbor::valid_utf8(text) ? cat("text in JSON needs quotes: '", json_quote(text), "'") : std::string();
}

// Parses what read_input() returns for `operand` as JSON. `what` names the text in errors.
cbor::Bytes read(const std::string& operand, const char* what, cbor::Bytes (*parse)(std::string_view)) {
  const std::string text = read_input(operand, json_limit);
  try {
    return parse(text);
  } catch (const JsonError& error) {
    std::string where;
    if (operand == "-") where = " (stdin)";
    if (operand.starts_with('@')) where = cat(" (", operand.substr(1), ")");
    throw usage(cat("the ", what, where, " is not JSON as Backplane reads it: ", error.what()),
                where.empty() && parse == json_to_payload ? quotes_hint(text) : std::string());
  }
}

}  // namespace

cbor::Bytes read_payload(const std::string& operand) { return read(operand, "payload", json_to_payload); }

cbor::Bytes read_module_config(const std::string& operand) {
  cbor::Bytes config = read(operand, "configuration", json_to_cbor);
  const cbor::Type type = cbor::Reader(config).peek().type;
  if (type != cbor::Type::map) {
    throw usage(cat("the configuration: found ", cbor::name(type), ", expected a JSON object"),
                R"(give an object, for example --config '{"prefix": "> "}')");
  }
  return config;
}

std::string absolute_path(const std::string& path) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  return error ? path : absolute.lexically_normal().string();
}

}  // namespace backplane::host::cli
