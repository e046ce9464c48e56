# SPDX-License-Identifier: Apache-2.0
#
# backplane_add_plugin(name SOURCES file… [LIBS target…] [OUTPUT_DIR directory])
#
# Builds the module <name>.so into ${BACKPLANE_PLUGIN_DIR}, or into OUTPUT_DIR. A module of C sources
# alone is compiled and linked as C and sees abi/ only; one with a C++ source gets the SDK as well.
# A library in LIBS may be called as the module: backplane_add_plugin(zstd SOURCES … LIBS zstd).
# LIBS should be static and position independent: a library that comes as a shared object is shared
# with everybody else in the process, also with later generations of the module.
#
# From Backplane's source tree, include BackplanePlugin.cmake by its path instead of this file. An installed Backplane
# has this function after find_package(Backplane).
#
# What the flags are for:
#   -fno-gnu-unique           statics of templates would otherwise keep the object mapped for ever
#   hidden visibility, the version script, --exclude-libs,ALL
#                             one exported symbol, backplane_module
#   -ftls-model=global-dynamic  thread_local must not use up the static TLS a process has only little of
#   -fstack-clash-protection  handlers run on stacks with a guard below: an array that is larger than the guard must
#                             run into it, and not jump over it into the stack of another
#   -z defs                   an undefined symbol is found by the linker, not by the host at load
#   -z now                    all symbols are bound at load, so that a load fails and not a call

function(backplane_add_plugin name)
  cmake_parse_arguments(arg "" "OUTPUT_DIR" "SOURCES;LIBS" ${ARGN})
  if(NOT arg_SOURCES)
    message(FATAL_ERROR "backplane_add_plugin(${name}): no SOURCES were given")
  endif()
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "backplane_add_plugin(${name}): unknown arguments: ${arg_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT arg_OUTPUT_DIR)
    set(arg_OUTPUT_DIR ${BACKPLANE_PLUGIN_DIR})
  endif()
  if(NOT arg_OUTPUT_DIR)
    set(arg_OUTPUT_DIR ${CMAKE_BINARY_DIR})
  endif()

  add_library(${name} MODULE ${arg_SOURCES})
  set(cxx_sources ${arg_SOURCES})
  list(FILTER cxx_sources EXCLUDE REGEX "\\.c$")
  if(cxx_sources)
    if(NOT TARGET Backplane::sdk)
      message(FATAL_ERROR "backplane_add_plugin(${name}): found a C++ source, but not the SDK: ${Backplane_MISSING}")
    endif()
    target_link_libraries(${name} PRIVATE Backplane::sdk)
  endif()
  # By its plain name, a library that is called as this target would be the target itself.
  list(TRANSFORM arg_LIBS REPLACE "^${name}$" "-l${name}")
  target_link_libraries(${name} PRIVATE ${arg_LIBS} Backplane::abi)

  # Installed, the map lies beside this file.
  set(map ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/module.map)
  if(NOT EXISTS ${map})
    get_filename_component(map ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../../abi/module.map ABSOLUTE)
  endif()
  # A target may be called otherwise than its module ("foo_module"): set OUTPUT_NAME on it then.
  set_target_properties(${name} PROPERTIES
    PREFIX ""
    SUFFIX ".so"
    LIBRARY_OUTPUT_DIRECTORY ${arg_OUTPUT_DIR}
    POSITION_INDEPENDENT_CODE ON
    C_VISIBILITY_PRESET hidden
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    LINK_DEPENDS ${map})
  target_compile_options(${name} PRIVATE
    -ftls-model=global-dynamic
    -fstack-clash-protection
    $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fno-gnu-unique>
    # g++ 12 at -O3 sees an overlap in `"text" + std::string` where there is none.
    $<$<AND:$<COMPILE_LANG_AND_ID:CXX,GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict>)
  target_link_options(${name} PRIVATE
    "LINKER:--version-script=${map}"
    LINKER:--exclude-libs,ALL
    LINKER:--as-needed
    LINKER:--build-id=sha1
    LINKER:-z,now)
  # The sanitizers' runtime is in the executable, so in a module its symbols are undefined.
  if(NOT BACKPLANE_SANITIZE)
    target_link_options(${name} PRIVATE LINKER:-z,defs)
  endif()
endfunction()
