// SPDX-License-Identifier: Apache-2.0
//
// A C++ runtime of the module's own. Built twice: with clang and libc++ as "libcxx", and with a static libstdc++ as
// "static_cxx". Handlers throw, and wait while their exception is being handled.
#include <backplane/sdk.hpp>
#include <map>
#include <sstream>
#include <stdexcept>

#ifndef NAME
#define NAME "libcxx"
#else
// A static libstdc++ allocates 72 KiB when it is mapped, for exceptions when memory has run out. Only this frees them.
namespace __gnu_cxx {
void __freeres();
}
[[gnu::destructor]] static void free_pool() { __gnu_cxx::__freeres(); }
#endif

namespace {

struct Word {
  std::string text;
  int times = 0;
};
BOOST_DESCRIBE_STRUCT(Word, (), (text, times))

std::vector<Word> counted(const std::string& text) {
  std::map<std::string, int> words;
  std::istringstream in(text);
  for (std::string word; in >> word;) ++words[word];
  std::vector<Word> out;
  for (const auto& [word, times] : words) out.push_back({word, times});
  return out;
}

// Answers the text of the exception that it has thrown itself, whatever others throw meanwhile.
std::string thrown(backplane::Call& call, const Word& in) {
  std::string out;
  try {
    throw std::runtime_error(in.text);
  } catch (const std::exception&) {
    for (int i = 0; i < in.times; ++i) {
      call.sleep(backplane::Milliseconds(1));
      try {
        throw;
      } catch (const std::exception& again) {
        out = again.what();
      }
      if (out != in.text) throw backplane::Error(BP_ERROR, "found the exception of another call: " + out);
    }
  }
  return out;
}

void endless(backplane::Call& call) {
  for (;; call.check()) counted("a b c a b a");
}

// The type of what it throws comes from its own runtime. The caller gets the text.
void fails(const std::string& text) { throw std::invalid_argument(text); }

}  // namespace

BACKPLANE_MODULE(backplane::Stateless, NAME, "1", backplane::handler<NAME ".work", counted>,
                 backplane::handler<NAME ".thrown", thrown>, backplane::handler<NAME ".fails", fails>,
                 backplane::blocking<NAME ".long", endless>);
