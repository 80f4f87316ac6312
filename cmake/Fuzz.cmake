# fuzz/fuzz_X.c feeds bytes to one reader and asserts what must hold. With NICEST_FUZZ each becomes a
# libFuzzer program; without, any compiler joins it to fuzz/replay_main.c, and a test replays
# fuzz/corpus/X with it, each file also cut short and with bytes changed.

file(GLOB fuzz_sources CONFIGURE_DEPENDS fuzz/fuzz_*.c)
foreach(source ${fuzz_sources})
    get_filename_component(name ${source} NAME_WE)
    string(REGEX REPLACE "^fuzz_" "" topic ${name})
    add_executable(${name} ${source} fuzz/common.c)
    target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR} fuzz)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
    target_link_libraries(${name} PRIVATE nicest_flags nicest_internal m)
    if(NICEST_FUZZ)
        target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    else()
        target_sources(${name} PRIVATE fuzz/replay_main.c)
        if(BUILD_TESTING AND IS_DIRECTORY ${PROJECT_SOURCE_DIR}/fuzz/corpus/${topic})
            add_test(NAME fuzz.${topic}
                     COMMAND ${name} --mutate 300 ${PROJECT_SOURCE_DIR}/fuzz/corpus/${topic})
            nicest_test_properties(fuzz.${topic} fuzz)
        endif()
    endif()
endforeach()
