# Runs PROGRAM for its man pages and its completion and leaves them in FOLDER. A page that cannot be
# written, or is empty, stops the build: it would be missing from the installation.
# cmake -DPROGRAM=.. -DFOLDER=.. "-DCOMMANDS=train score" -DDOCS=/usr/local/share/doc/nicest [-DEMULATOR=..] -P WriteManPages.cmake

function(write_page file)
    execute_process(COMMAND ${EMULATOR} ${PROGRAM} help ${ARGN} OUTPUT_VARIABLE text
                    ERROR_VARIABLE words RESULT_VARIABLE status)
    if(NOT status EQUAL 0 OR text STREQUAL "")
        list(JOIN ARGN " " arguments)
        message(FATAL_ERROR "nicest help ${arguments}: status ${status}: ${words}")
    endif()
    # Where the pages of docs/ are installed (roff writes a hyphen as \-).
    string(REPLACE "-" "\\-" docs "${DOCS}/docs/")
    if(ARGV1 STREQUAL "--man")
        string(REPLACE "docs/" "${docs}" text "${text}")
    endif()
    file(WRITE ${FOLDER}/${file} "${text}")
endfunction()

separate_arguments(COMMANDS)
file(MAKE_DIRECTORY ${FOLDER})
write_page(nicest.1 --man)
foreach(command ${COMMANDS})
    write_page(nicest-${command}.1 --man ${command})
endforeach()
foreach(shell bash zsh fish)
    write_page(nicest.${shell} --completion ${shell})
endforeach()
