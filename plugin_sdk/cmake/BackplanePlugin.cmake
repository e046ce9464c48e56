# SPDX-License-Identifier: Apache-2.0
#
# The headers as targets, and backplane_add_plugin() (see BackplaneAddPlugin.cmake), from the source tree.
#
# Works in a tree of your own as well: include() this file by its path, nothing else is needed but the
# packages libcbor-dev, libboost1.81-dev and pkg-config. With an installed Backplane, use find_package(Backplane).

include(GNUInstallDirs)
get_filename_component(bp_source_root "${CMAKE_CURRENT_LIST_DIR}/../.." ABSOLUTE)

# The C headers.
if(NOT TARGET backplane_abi)
  add_library(backplane_abi INTERFACE)
  add_library(Backplane::abi ALIAS backplane_abi)
  set_target_properties(backplane_abi PROPERTIES EXPORT_NAME abi)
  target_include_directories(backplane_abi INTERFACE $<BUILD_INTERFACE:${bp_source_root}/abi/include>
                                                     $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
endif()

# The CBOR reader and writer of the SDK.
if(NOT TARGET backplane_cbor)
  find_package(PkgConfig REQUIRED)
  pkg_check_modules(libcbor REQUIRED IMPORTED_TARGET GLOBAL libcbor)
  add_library(backplane_cbor INTERFACE)
  add_library(Backplane::cbor ALIAS backplane_cbor)
  set_target_properties(backplane_cbor PROPERTIES EXPORT_NAME cbor)
  target_include_directories(backplane_cbor INTERFACE $<BUILD_INTERFACE:${bp_source_root}/plugin_sdk/include>
                                                      $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(backplane_cbor INTERFACE PkgConfig::libcbor)
endif()
if(NOT TARGET Boost::headers)
  set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)
  set(Boost_NO_WARN_NEW_VERSIONS ON)
  find_package(Boost 1.81 REQUIRED)
endif()

# The C++ SDK: headers over abi/, Boost.Describe and libcbor's streaming interface.
if(NOT TARGET backplane_sdk)
  add_library(backplane_sdk INTERFACE)
  add_library(Backplane::sdk ALIAS backplane_sdk)
  set_target_properties(backplane_sdk PROPERTIES EXPORT_NAME sdk)
  target_link_libraries(backplane_sdk INTERFACE backplane_abi backplane_cbor Boost::headers)
  target_compile_features(backplane_sdk INTERFACE cxx_std_20)
endif()

include(${CMAKE_CURRENT_LIST_DIR}/BackplaneAddPlugin.cmake)
