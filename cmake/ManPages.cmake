# Man pages and shell completion, written by the program itself from its option table: one page for
# nicest(1), and one for each command that a file cli/cmd_*.c defines. `help` and `version` are
# described in nicest(1).

file(GLOB command_sources CONFIGURE_DEPENDS cli/cmd_*.c)
set(commands "")
foreach(source ${command_sources})
    file(STRINGS ${source} names REGEX "^    \\.name = \"[a-z]+\",$")
    foreach(name ${names})
        string(REGEX REPLACE ".*\"([a-z]+)\".*" "\\1" command ${name})
        if(NOT command MATCHES "^(help|version)$")
            list(APPEND commands ${command})
        endif()
    endforeach()
endforeach()

# The program is asked only when it knows the option, and when it runs on this machine.
set(knows_man OFF)
foreach(source ${nicest_program_sources})
    file(STRINGS ${source} lines REGEX "\"(--)?completion\"" LIMIT_COUNT 1)
    if(lines)
        set(knows_man ON)
    endif()
endforeach()
if(NOT knows_man OR (CMAKE_CROSSCOMPILING AND NOT CMAKE_CROSSCOMPILING_EMULATOR))
    return()
endif()

set(man_dir ${CMAKE_CURRENT_BINARY_DIR}/man)
set(completions ${man_dir}/nicest.bash ${man_dir}/nicest.zsh ${man_dir}/nicest.fish)
set(written "")
list(APPEND written ${man_dir}/nicest.1)
foreach(command ${commands})
    list(APPEND written ${man_dir}/nicest-${command}.1)
endforeach()
list(JOIN commands " " command_words)
add_custom_command(OUTPUT ${written} ${completions}
                   COMMAND ${CMAKE_COMMAND} "-DPROGRAM=$<TARGET_FILE:nicest>" -DFOLDER=${man_dir}
                           "-DCOMMANDS=${command_words}" "-DDOCS=${CMAKE_INSTALL_FULL_DOCDIR}"
                           "-DEMULATOR=${CMAKE_CROSSCOMPILING_EMULATOR}"
                           -P ${PROJECT_SOURCE_DIR}/cmake/WriteManPages.cmake
                   DEPENDS nicest ${PROJECT_SOURCE_DIR}/cmake/WriteManPages.cmake
                   COMMENT "Writing man pages and completion" VERBATIM)
add_custom_target(nicest_man ALL DEPENDS ${written})

install(FILES ${written} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${man_dir}/nicest.bash RENAME nicest
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${man_dir}/nicest.zsh RENAME _nicest
        DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
install(FILES ${man_dir}/nicest.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
