// SPDX-License-Identifier: Apache-2.0
//
// ICU: decomposes a text, and sorts lines as a telephone book in German does.
#include <unicode/coll.h>
#include <unicode/normalizer2.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <backplane/sdk.hpp>
#include <memory>

namespace {

[[noreturn]] void failed(UErrorCode status) { throw backplane::Error(BP_ERROR, u_errorName(status)); }

struct Text {
  std::string text;
};
BOOST_DESCRIBE_STRUCT(Text, (), (text))

class Icu {
 public:
  Icu() {
    UErrorCode status = U_ZERO_ERROR;
    collator_.reset(icu::Collator::createInstance(icu::Locale("de@collation=phonebook"), status));
    if (U_FAILURE(status)) failed(status);
  }

  Text work(const Text& in) {
    UErrorCode status = U_ZERO_ERROR;
    const icu::Normalizer2* nfd = icu::Normalizer2::getNFDInstance(status);
    if (U_FAILURE(status)) failed(status);
    Text out;
    nfd->normalize(icu::UnicodeString::fromUTF8(in.text), status).toUTF8String(out.text);
    return out;
  }

  std::vector<std::string> sorted(const std::vector<std::string>& in) {
    std::vector<icu::UnicodeString> lines;
    for (const std::string& line : in) lines.push_back(icu::UnicodeString::fromUTF8(line));
    std::sort(lines.begin(), lines.end(), [this](const icu::UnicodeString& a, const icu::UnicodeString& b) {
      UErrorCode status = U_ZERO_ERROR;
      return collator_->compare(a, b, status) == UCOL_LESS;
    });
    std::vector<std::string> out;
    for (const icu::UnicodeString& line : lines) line.toUTF8String(out.emplace_back());
    return out;
  }

  void endless(backplane::Call& call) {
    for (;; call.check()) sorted({"Müller", "Mueller", "Muller", "Götz"});
  }

 private:
  std::unique_ptr<icu::Collator> collator_;
};

}  // namespace

BACKPLANE_MODULE(Icu, "icu", "1", backplane::handler<"icu.work", &Icu::work>,
                 backplane::handler<"icu.sorted", &Icu::sorted>, backplane::blocking<"icu.long", &Icu::endless>);
