// SPDX-License-Identifier: Apache-2.0
#include "report.hpp"

#include <sys/utsname.h>

#include <cstdio>
#include <ctime>
#include <fstream>
#include <thread>

namespace bench {
namespace {

std::string number(double value, int digits) {
  char text[40];
  std::snprintf(text, sizeof text, "%.*g", digits, value);
  return text;
}

std::string number_or(std::optional<double> value, int digits, const char* otherwise) {
  return value ? number(*value, digits) : otherwise;
}

/// "ratio <= 2", "value <= 10240 B"
std::string reach_of(const Row& row) {
  const bool ratio = row.reach.of == Reach::Of::ratio;
  return std::string(ratio ? "ratio " : "value ") + (row.reach.side == Reach::Side::at_most ? "<= " : ">= ") +
         number(row.reach.limit, 6) + (ratio ? "" : std::string(" ") + row.unit);
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

}  // namespace

std::string machine() {
  utsname system{};
  ::uname(&system);
  const unsigned cores = std::thread::hardware_concurrency();
  return today() + ", " + std::to_string(cores) + (cores == 1 ? " core of " : " cores of ") + processor() + ", " +
         system.sysname + " " + system.release + " " + system.machine + ", compiler " __VERSION__;
}

std::string markdown(const std::vector<Outcome>& outcomes) {
  std::string out = "| row | value | against | floor | ratio | reach | met |\n|---|---|---|---|---|---|---|\n";
  for (const Outcome& each : outcomes) {
    const bool failed = !each.error.empty();
    const bool against = *each.row.against != '\0';
    out += std::string("| ") + each.row.name + " | ";
    out += (failed ? "failed" : number(each.figure.value, 4) + " " + each.row.unit) + " | ";
    out += std::string(against ? each.row.against : "–") + " | ";
    out += (each.figure.floor ? number(*each.figure.floor, 4) + " " + each.row.unit : "–") + " | ";
    out += number_or(each.ratio(), 3, "–") + " | " + reach_of(each.row) + " | " + (each.met() ? "yes" : "no") + " |\n";
  }
  return out;
}

std::string json(const std::vector<Outcome>& outcomes) {
  std::string out = "[";
  for (const Outcome& each : outcomes) {
    out += out.size() > 1 ? ",\n " : "\n ";
    out += "{\"row\": " + quoted(each.row.name);
    out += ", \"value\": " + (each.error.empty() ? number(each.figure.value, 6) : "null");
    out += ", \"unit\": " + quoted(each.row.unit) + ", \"against\": " + quoted(each.row.against);
    out += ", \"floor\": " + number_or(each.figure.floor, 6, "null");
    out += ", \"ratio\": " + number_or(each.ratio(), 6, "null");
    out += ", \"reach\": " + quoted(reach_of(each.row)) + ", \"met\": " + (each.met() ? "true" : "false") + "}";
  }
  return out + "\n]\n";
}

}  // namespace bench
