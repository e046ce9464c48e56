// SPDX-License-Identifier: Apache-2.0
//
// Only a target with a source has precompiled headers, which the tests use. Empty.
