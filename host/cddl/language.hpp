// SPDX-License-Identifier: Apache-2.0
//
// What every CDDL text can use without a rule of its own.
#pragma once

#include <array>
#include <string_view>
#include <utility>

#include "cddl/model.hpp"

namespace backplane::host::cddl {

/// RFC 8610, appendix D: the rules that every text has.
inline constexpr std::string_view prelude = R"(
any = #
uint = #0
nint = #1
int = uint / nint
bstr = #2
bytes = bstr
tstr = #3
text = tstr
tdate = #6.0(tstr)
time = #6.1(number)
number = int / float
biguint = #6.2(bstr)
bignint = #6.3(bstr)
bigint = biguint / bignint
integer = int / bigint
unsigned = uint / biguint
decfrac = #6.4([e10: int, m: integer])
bigfloat = #6.5([e2: int, m: integer])
eb64url = #6.21(any)
eb64legacy = #6.22(any)
eb16 = #6.23(any)
encoded-cbor = #6.24(bstr)
uri = #6.32(tstr)
b64url = #6.33(tstr)
b64legacy = #6.34(tstr)
regexp = #6.35(tstr)
mime-message = #6.36(tstr)
cbor-any = #6.55799(any)
float16 = #7.25
float32 = #7.26
float64 = #7.27
float16-32 = float16 / float32
float32-64 = float32 / float64
float = float16-32 / float64
false = #7.20
true = #7.21
bool = false / true
nil = #7.22
null = nil
undefined = #7.23
)";

/// The control operators by their names.
inline constexpr std::array<std::pair<std::string_view, Control>, 18> controls = {{
    {"size", Control::size},
    {"bits", Control::bits},
    {"cbor", Control::cbor},
    {"cborseq", Control::cborseq},
    {"within", Control::within},
    {"and", Control::both},
    {"lt", Control::lt},
    {"le", Control::le},
    {"gt", Control::gt},
    {"ge", Control::ge},
    {"eq", Control::eq},
    {"ne", Control::ne},
    {"default", Control::default_},
    {"regexp", Control::unchecked},
    {"pcre", Control::unchecked},
    {"iregexp", Control::unchecked},
    {"abnf", Control::unchecked},
    {"abnfb", Control::unchecked},
}};

}  // namespace backplane::host::cddl
