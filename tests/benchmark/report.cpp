// SPDX-License-Identifier: Apache-2.0
#include "report.hpp"

#include <sys/utsname.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>
#include <optional>
#include <thread>

namespace bench {
namespace {

std::string number(double value, int digits) {
  char text[40];
  std::snprintf(text, sizeof text, "%.*g", digits, value);
  return text;
}

/// For people: with the prefix that leaves few digits in front of the point.
std::string readable(double value, const std::string& unit) {
  if (unit == "ns" && value >= 1e6) return number(value / 1e6, 4) + " ms";
  if (unit == "ns" && value >= 1e4) return number(value / 1e3, 4) + " us";
  if (unit.ends_with("s/s") && value >= 1e6) return number(value / 1e6, 4) + " M " + unit;
  if (unit.ends_with("s/s") && value >= 1e4) return number(value / 1e3, 4) + " k " + unit;
  return number(value, 4) + " " + unit;
}

std::string number_or(std::optional<double> value, int digits, const char* otherwise) {
  return value ? number(*value, digits) : otherwise;
}

/// "ratio <= 2", "value <= 10240 B"; nothing if nothing is to be reached.
std::optional<std::string> reach_of(const Row& row) {
  if (row.reach.of == Reach::Of::none) return std::nullopt;
  const bool ratio = row.reach.of == Reach::Of::ratio;
  return std::string(ratio ? "ratio " : "value ") + (row.reach.side == Reach::Side::at_most ? "<= " : ">= ") +
         number(row.reach.limit, 6) + (ratio ? "" : std::string(" ") + row.unit);
}

/// A line of the table: a row has one, and one of quantiles has a line for each.
struct Line {
  std::string name;
  std::optional<Measured> measured;  // none: the row failed
  std::optional<std::string> reach;
  std::optional<bool> met;

  std::optional<double> floor() const { return measured ? measured->floor : std::nullopt; }
  std::optional<double> ratio() const { return measured ? bench::ratio(*measured) : std::nullopt; }
};

std::vector<Line> lines_of(const Outcome& outcome) {
  const bool failed = !outcome.error.empty();
  std::vector<Line> lines{
      {outcome.row.name, Measured{outcome.figure.value, outcome.figure.floor}, reach_of(outcome.row), outcome.met()}};
  for (std::size_t i = 0; outcome.row.quantiles && i < std::size(tails); ++i) {
    lines.push_back({outcome.row.name + std::string(tails[i]), failed ? Measured{} : outcome.figure.tail[i], {}, {}});
  }
  if (failed) {
    for (Line& line : lines) line.measured.reset();
  }
  return lines;
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + '"';
}

std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "a processor without a name";
}

std::string today() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  char text[16] = "";
  if (::gmtime_r(&now, &parts) != nullptr) std::strftime(text, sizeof text, "%Y-%m-%d", &parts);
  return text;
}

/// Of the last minute.
std::string load() {
  double average = 0;
  return ::getloadavg(&average, 1) == 1 ? number(average, 2) : "unknown";
}

}  // namespace

std::string machine() {
  utsname system{};
  ::uname(&system);
  const unsigned cores = std::thread::hardware_concurrency();
  return today() + ", " + std::to_string(cores) + (cores == 1 ? " core of " : " cores of ") + processor() + ", " +
         system.sysname + " " + system.release + " " + system.machine + ", g++ " __VERSION__ ", load average " + load();
}

std::string markdown(const std::vector<Outcome>& outcomes) {
  std::string out = "| row | value | against | floor | ratio | reach | met |\n|---|---|---|---|---|---|---|\n";
  for (const Outcome& each : outcomes) {
    for (const Line& line : lines_of(each)) {
      out += "| " + line.name + " | ";
      out += (line.measured ? readable(line.measured->value, each.row.unit) : "failed") + " | ";
      out += std::string(*each.row.against != '\0' ? each.row.against : "–") + " | ";
      out += (line.floor() ? readable(*line.floor(), each.row.unit) : "–") + " | ";
      out += number_or(line.ratio(), 3, "–") + " | " + line.reach.value_or("–") + " | ";
      out += std::string(!line.met ? "–" : *line.met ? "yes" : "no") + " |\n";
    }
  }
  return out;
}

std::string json(const std::vector<Outcome>& outcomes) {
  std::string out = "[";
  for (const Outcome& each : outcomes) {
    for (const Line& line : lines_of(each)) {
      out += out.size() > 1 ? ",\n " : "\n ";
      out += "{\"row\": " + quoted(line.name);
      out += ", \"value\": " + (line.measured ? number(line.measured->value, 6) : "null");
      out += ", \"unit\": " + quoted(each.row.unit) + ", \"against\": " + quoted(each.row.against);
      out += ", \"floor\": " + number_or(line.floor(), 6, "null");
      out += ", \"ratio\": " + number_or(line.ratio(), 6, "null");
      out += ", \"reach\": " + (line.reach ? quoted(*line.reach) : "null");
      out += std::string(", \"met\": ") + (!line.met ? "null" : *line.met ? "true" : "false") + "}";
    }
  }
  return out + "\n]\n";
}

}  // namespace bench
