// SPDX-License-Identifier: Apache-2.0
#include "cddl/verdicts.hpp"

#include <array>
#include <cstddef>

namespace backplane::host::cddl {
namespace {

constexpr Judgement compatible = Judgement::compatible;
constexpr Judgement source = Judgement::breaks_source;
constexpr Judgement cannot_tell = Judgement::cannot_tell;
constexpr Judgement callers = Judgement::breaks_callers;

/// By Flow; the last is for Flow::none.
struct Row {
  What what;
  std::string_view word;
  std::array<Consequence, 5> by_flow;
};

constexpr Row same(What what, std::string_view word, Judgement judgement, std::string_view why = {}) {
  const Consequence each{judgement, why};
  return {what, word, {each, each, each, each, each}};
}
/// Differs only by who sends.
constexpr Row by_sender(What what, std::string_view word, Consequence sent, Consequence received) {
  return {what, word, {sent, sent, received, received, sent}};
}

// A module that calls a name, or listens to an event, needs somebody who provides it.
constexpr std::array<Row, what_count> table = {{
    same(What::name_added, "name added", compatible),
    same(What::name_gone, "name gone", callers, "calls of it find nothing"),
    same(What::call_added, "call added", callers, "somebody must provide it"),
    same(What::call_gone, "call gone", compatible),
    same(What::listen_added, "listen added", compatible),
    same(What::listen_gone, "listen gone", compatible),
    same(What::described, "described", compatible),
    same(What::undescribed, "undescribed", cannot_tell, "any payload may be expected now"),
    by_sender(What::parts_added, "parts added", {compatible, {}}, {callers, "its provider may take none"}),
    by_sender(What::parts_gone, "parts gone", {callers, "callers that send parts are refused"}, {compatible, {}}),
    {What::partials_added,
     "partials added",
     {{{compatible, {}},
       {callers, "the module waits for what its provider may not send"},
       {compatible, "callers that do not want them skip them"},
       {compatible, {}},
       {compatible, {}}}}},
    {What::partials_gone,
     "partials gone",
     {{{compatible, {}},
       {compatible, {}},
       {callers, "callers wait for them in vain"},
       {compatible, {}},
       {compatible, {}}}}},
    same(What::status_added, "status added", compatible, "a caller treats a status that it does not know as an error"),
    {What::status_gone,
     "status gone",
     {{{source, {}}, {compatible, {}}, {source, "code that names it must change"}, {compatible, {}}, {source, {}}}}},
    same(What::constant_added, "constant added", compatible),
    same(What::constant_gone, "constant gone", source, "code that names it must change"),
    same(What::constant_changed, "constant changed", callers,
         "callers go on with the old value until they are built again"),
    {What::member_added,
     "member added",
     {{{compatible, {}},
       {compatible, {}},
       {compatible, "callers ignore it"},
       {callers, "its provider refuses a member that it does not know"},
       {compatible, {}}}}},
    {What::required_added,
     "required member added",
     {{{callers, "callers do not send it"},
       {callers, "who answers does not send it"},
       {compatible, "callers ignore it"},
       {callers, "its provider refuses a member that it does not know"},
       {callers, {}}}}},
    {What::member_gone,
     "member gone",
     {{{callers, "callers that send it are refused"},
       {source, "the module ignores it; code that sets it must change"},
       {source, "callers can do without it; code that names it must change"},
       {source, "code that reads it must change"},
       {callers, {}}}}},
    {What::required_gone,
     "required member gone",
     {{{callers, "callers that send it are refused"},
       {source, "the module ignores it; code that sets it must change"},
       {callers, "callers miss it"},
       {callers, "its provider misses it"},
       {callers, {}}}}},
    by_sender(What::now_optional, "now optional", {compatible, {}}, {callers, "callers may miss it"}),
    by_sender(What::now_required, "now required", {callers, "callers may leave it out"}, {compatible, {}}),
    by_sender(What::default_changed, "default changed", {compatible, "the module decides what a missing member means"},
              {callers, "callers take a missing member for the old default"}),
    by_sender(What::wider, "wider", {compatible, {}}, {callers, "callers may get what they do not expect"}),
    by_sender(What::narrower, "narrower", {callers, "what callers send may be refused"}, {compatible, {}}),
    by_sender(What::other_type, "other type", {callers, "what callers send may be refused"},
              {callers, "callers may get what they do not expect"}),
    by_sender(What::value_added, "value added", {compatible, {}},
              {callers, "callers may get a value that they do not know"}),
    by_sender(What::value_gone, "value gone", {callers, "callers that send it are refused"},
              {source, "code that names it must change"}),
    by_sender(What::alternative_added, "alternative added", {compatible, {}},
              {callers, "callers may get a form that they do not know"}),
    by_sender(What::alternative_gone, "alternative gone", {callers, "callers that send it are refused"},
              {source, "code that names it must change"}),
    same(What::unit_changed, "unit changed", callers, "the same number means another time"),
    same(What::label_moved, "label moved", callers, "the same value means another thing"),
    same(What::forms_alike, "forms alike", callers, "a reader may take one for the other"),
    same(What::renamed, "renamed", source, "the wire is the same; code that names the type must change"),
    same(What::text, "text", compatible),
    same(What::unknown, "cannot tell", cannot_tell),
}};

constexpr bool in_order() {
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (static_cast<std::size_t>(table[i].what) != i) return false;
  }
  return true;
}
static_assert(in_order());

}  // namespace

std::string_view word(Judgement judgement) noexcept {
  switch (judgement) {
    case Judgement::compatible:
      return "compatible";
    case Judgement::breaks_source:
      return "breaks source";
    case Judgement::cannot_tell:
      return "cannot tell";
    case Judgement::breaks_callers:
      break;
  }
  return "breaks callers";
}

std::string_view direction(Flow flow) noexcept {
  if (flow == Flow::none) return "";
  return flow == Flow::request || flow == Flow::answer_to ? "sends" : "receives";
}

std::string_view word(What what) noexcept { return table[static_cast<std::size_t>(what)].word; }

Consequence consequence(What what, Flow flow) noexcept {
  return table[static_cast<std::size_t>(what)].by_flow[static_cast<std::size_t>(flow)];
}

std::string sentence(std::string text, What what, Flow flow) {
  std::string why(consequence(what, flow).why);
  if (why.empty()) return text;
  constexpr std::string_view callers_word = "callers";
  if (flow == Flow::answer_to || flow == Flow::request_by) {
    for (std::size_t at = 0; (at = why.find(callers_word, at)) != std::string::npos;) {
      why.replace(at, callers_word.size(), "providers");
    }
  }
  return text + "; " + why;
}

}  // namespace backplane::host::cddl
