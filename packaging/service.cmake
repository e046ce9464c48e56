# SPDX-License-Identifier: Apache-2.0
#
# What is installed beside the executable: systemd's units, the sample of the configuration, manual pages, and completions
# for shells. The last two are made by the executable itself, from its table of commands.
include(GNUInstallDirs)

set(bp_texts ${CMAKE_CURRENT_BINARY_DIR}/texts)
set(BACKPLANE_UNIT_DIR lib/systemd/system CACHE STRING "where systemd's units go; relative to the prefix, or absolute")

add_custom_command(
  OUTPUT ${bp_texts}/made
  COMMAND ${CMAKE_CURRENT_LIST_DIR}/texts.sh $<TARGET_FILE:backplane_cli> ${bp_texts}
  DEPENDS backplane_cli ${CMAKE_CURRENT_LIST_DIR}/texts.sh
  VERBATIM)
add_custom_target(backplane_texts ALL DEPENDS ${bp_texts}/made)

install(DIRECTORY ${bp_texts}/man1 DESTINATION ${CMAKE_INSTALL_MANDIR})
install(FILES ${bp_texts}/backplane DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${bp_texts}/_backplane DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
install(FILES ${bp_texts}/backplane.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)

configure_file(${CMAKE_CURRENT_LIST_DIR}/systemd/backplane.service.in backplane.service @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/backplane.service ${CMAKE_CURRENT_LIST_DIR}/systemd/backplane.socket
        DESTINATION ${BACKPLANE_UNIT_DIR})
install(FILES ${CMAKE_CURRENT_LIST_DIR}/backplane.toml DESTINATION ${CMAKE_INSTALL_SYSCONFDIR}/backplane)
