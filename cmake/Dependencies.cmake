# Finds the libraries that nicest stands on, and names everything that is missing in one line.
#
# All are found the same way, by header and library name: Random123 has no description at all, and plain
# names let the installed static library say what it needs without repeating this search.

set(missing_packages "")
set(missing_names "")

# nicest_dependency(NAME header library... PACKAGE debian-package): sets NAME_INCLUDE, and
# NAME_LIBRARY unless no library is named.
function(nicest_dependency name header)
    cmake_parse_arguments(PARSE_ARGV 2 need "" "PACKAGE" "")
    set(libraries ${need_UNPARSED_ARGUMENTS})
    find_path(${name}_INCLUDE ${header})
    mark_as_advanced(${name}_INCLUDE)
    if(libraries)
        find_library(${name}_LIBRARY NAMES ${libraries})
        mark_as_advanced(${name}_LIBRARY)
    endif()
    if(NOT ${name}_INCLUDE OR (libraries AND NOT ${name}_LIBRARY))
        list(APPEND missing_packages ${need_PACKAGE})
        list(APPEND missing_names ${header})
        set(missing_packages ${missing_packages} PARENT_SCOPE)
        set(missing_names ${missing_names} PARENT_SCOPE)
    endif()
endfunction()

nicest_dependency(JANSSON jansson.h jansson PACKAGE libjansson-dev)
nicest_dependency(ZLIB zlib.h z PACKAGE zlib1g-dev)
nicest_dependency(PNG png.h png16 png PACKAGE libpng-dev)
nicest_dependency(ZIP zip.h zip PACKAGE libzip-dev)
set(link_with JANSSON ZLIB PNG ZIP)
if(BUILD_TESTING)
    nicest_dependency(CMOCKA cmocka.h cmocka PACKAGE libcmocka-dev)
    nicest_dependency(RANDOM123 Random123/philox.h PACKAGE librandom123-dev)
    find_package(Python3 QUIET COMPONENTS Interpreter)
    if(NOT Python3_Interpreter_FOUND)
        list(APPEND missing_names "Python 3")
        list(APPEND missing_packages python3)
    endif()
endif()
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

if(missing_packages)
    list(REMOVE_DUPLICATES missing_packages)
    list(JOIN missing_packages " " packages)
    list(JOIN missing_names ", " names)
    set(hint "")
    if("${packages}" MATCHES "cmocka|python3")
        string(APPEND hint " (or -DBUILD_TESTING=OFF, without the tests)")
    endif()
    # Starting with blanks, so that CMake leaves it on one line.
    message(FATAL_ERROR "  nicest: not found: ${names}. On Debian: apt-get install ${packages}${hint}")
endif()

set(NICEST_INCLUDES ${RANDOM123_INCLUDE})
foreach(name ${link_with})
    list(APPEND NICEST_INCLUDES ${${name}_INCLUDE})
endforeach()
list(REMOVE_DUPLICATES NICEST_INCLUDES)
# The compiler's own folders must not be repeated: that would change their order.
list(REMOVE_ITEM NICEST_INCLUDES ${CMAKE_C_IMPLICIT_INCLUDE_DIRECTORIES})
set(NICEST_PROGRAM_LIBRARIES ${JANSSON_LIBRARY})

# What an installed static library needs, as names for a linker.
set(NICEST_LINK_NAMES "")
foreach(name ${link_with})
    get_filename_component(file ${${name}_LIBRARY} NAME_WE)
    string(REGEX REPLACE "^lib" "" file ${file})
    list(APPEND NICEST_LINK_NAMES ${file})
endforeach()
list(APPEND NICEST_LINK_NAMES pthread m)

function(nicest_link_dependencies target)
    foreach(name ${link_with})
        target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:${${name}_LIBRARY}>)
    endforeach()
    target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:Threads::Threads>
                          $<BUILD_INTERFACE:m> $<BUILD_INTERFACE:nicest_flags>)
    get_target_property(type ${target} TYPE)
    if(type STREQUAL STATIC_LIBRARY)
        foreach(name ${NICEST_LINK_NAMES})
            target_link_libraries(${target} PRIVATE $<INSTALL_INTERFACE:${name}>)
        endforeach()
    endif()
endfunction()
