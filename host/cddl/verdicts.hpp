// SPDX-License-Identifier: Apache-2.0
//
// What a change of an interface means for those who use it. docs/interfaces.md has the same table.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace backplane::host::cddl {

/// From harmless to harmful.
enum class Judgement : std::uint8_t {
  compatible,
  breaks_source,   ///< what runs goes on; code that is built against the new interface must change
  cannot_tell,     ///< the comparison reached a bound, or one side is not described
  breaks_callers,  ///< what runs now fails, or reads something else than was meant
};
std::string_view word(Judgement judgement) noexcept;

/// Who sends the type, and how its receiver reads it. Configuration counts as a request of the operator.
enum class Flow : std::uint8_t {
  request,     ///< sent by callers, read strictly by the module
  answer_to,   ///< sent to the module, which ignores unknown members: replies to it, events that it listens to
  reply,       ///< sent by the module, read by callers, who ignore unknown members: replies, errors, events
  request_by,  ///< sent by the module, read strictly: its calls of host functions
  none,        ///< of the interface as a whole
};
/// "sends", "receives" or "": what callers do with it.
std::string_view direction(Flow flow) noexcept;

enum class What : std::uint8_t {
  name_added,
  name_gone,
  call_added,
  call_gone,
  listen_added,
  listen_gone,
  described,
  undescribed,
  parts_added,
  parts_gone,
  partials_added,
  partials_gone,
  status_added,
  status_gone,
  constant_added,
  constant_gone,
  constant_changed,
  member_added,
  required_added,
  member_gone,
  required_gone,
  now_optional,
  now_required,
  default_changed,
  wider,
  narrower,
  other_type,
  value_added,
  value_gone,
  alternative_added,
  alternative_gone,
  unit_changed,
  label_moved,
  forms_alike,
  renamed,
  text,
  unknown,
};
inline constexpr std::size_t what_count = static_cast<std::size_t>(What::unknown) + 1;

/// As it is written in reports, for example "member added".
std::string_view word(What what) noexcept;

struct Consequence {
  Judgement judgement = Judgement::compatible;
  std::string_view why;  ///< of callers: the end of a sentence; may be empty
};
Consequence consequence(What what, Flow flow) noexcept;
/// "text", or "text; why", with the words for those who stand on the other side.
std::string sentence(std::string text, What what, Flow flow);

}  // namespace backplane::host::cddl
