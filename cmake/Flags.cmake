# Compiler flags of everything that is built here: language, warnings, arithmetic, sanitizers.
#
# Arithmetic: the bits of a result may depend on the processor and on nothing else. So no
# -ffast-math, no -march=native, and ISO mode, in which products and sums are fused only in files
# that ask for it by pragma. errno and floating-point traps are nobody's business here, and without
# them square roots and comparisons vectorise.

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

add_library(nicest_flags INTERFACE)
target_compile_definitions(nicest_flags INTERFACE _XOPEN_SOURCE=700) # POSIX 2008 in ISO mode
target_compile_options(nicest_flags INTERFACE -fno-math-errno -fno-trapping-math
    -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes -Wpointer-arith
    -Wwrite-strings -Wformat-security -Wvla -Wundef)
if(NICEST_WERROR)
    target_compile_options(nicest_flags INTERFACE -Werror)
endif()
if(NICEST_PORTABLE)
    target_compile_definitions(nicest_flags INTERFACE NICEST_PORTABLE=1)
endif()
foreach(part PNG ZIP THREADS)
    if(NOT NICEST_${part})
        target_compile_definitions(nicest_flags INTERFACE NICEST_NO_${part}=1)
    endif()
endforeach()
if(UNIX AND NOT APPLE)
    target_link_options(nicest_flags INTERFACE -Wl,--as-needed)
endif()

# Library and program: what is not in a header is static.
add_library(nicest_prototypes INTERFACE)
target_compile_options(nicest_prototypes INTERFACE -Wmissing-prototypes)

# ---------------------------------------------------------------- sanitizers

if(NICEST_SANITIZE MATCHES "thread|memory" AND NOT NICEST_PORTABLE)
    message(FATAL_ERROR "nicest: NICEST_SANITIZE=${NICEST_SANITIZE} needs NICEST_PORTABLE=ON "
            "(the dispatchers of processor clones run before these sanitizers are ready)")
endif()
if(NICEST_SANITIZE MATCHES "memory" AND NOT CMAKE_C_COMPILER_ID MATCHES Clang)
    message(FATAL_ERROR "nicest: NICEST_SANITIZE=memory needs Clang")
endif()
if(NICEST_SANITIZE)
    set(sanitize -fsanitize=${NICEST_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    if(NICEST_SANITIZE MATCHES "undefined")
        # Not part of "undefined": a division of floating-point numbers by zero, and a conversion to
        # an integer that cannot hold the number.
        list(APPEND sanitize -fsanitize=float-divide-by-zero,float-cast-overflow)
        # GCC 12 takes (a ? x : y)[i] of two equal tables for an overrun; the address sanitizer sees
        # true ones.
        list(APPEND sanitize -fno-sanitize=object-size)
    endif()
    target_compile_options(nicest_flags INTERFACE ${sanitize} -g1) # lines of a trace are enough
    target_link_options(nicest_flags INTERFACE ${sanitize})
endif()
if(NICEST_COVERAGE)
    # Threads count too, and the double twin is compiled from the same lines.
    target_compile_options(nicest_flags INTERFACE --coverage -fprofile-update=atomic)
    target_link_options(nicest_flags INTERFACE --coverage)
endif()
if(NICEST_FUZZ)
    if(NOT CMAKE_C_COMPILER_ID MATCHES Clang)
        message(FATAL_ERROR "nicest: NICEST_FUZZ needs Clang (CC=clang); without it the targets are "
                "built to replay fuzz/corpus")
    endif()
    target_compile_options(nicest_flags INTERFACE -fsanitize=fuzzer-no-link -g)
    target_link_options(nicest_flags INTERFACE -fsanitize=fuzzer-no-link)
    # Watched, the unrolled tiles take Clang four minutes, and no reader of files runs one.
    set_source_files_properties(${PROJECT_SOURCE_DIR}/src/kernel/gemm_levels.c PROPERTIES COMPILE_OPTIONS
                                -fno-sanitize=all)
endif()
