/* clones.h - hot loops compiled once for each generation of processor, chosen when the program
 * loads. So what ships is fast without being built for one machine.
 *
 * The psABI levels and not names of processors: `arch=haswell` is taken on Intel's Haswell alone,
 * and any AMD processor would run the slowest clone. */
#pragma once

/* Put before the definition of a hot loop. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(NICEST_PORTABLE)
#if __GNUC__ >= 12 && !defined(__AVX2__)
#ifdef __SANITIZE_ADDRESS__ /* GCC puts 64-byte vectors into frames that are aligned to 32: bug    \
                               110027 */
#define VECTOR_CLONES __attribute__((target_clones("default", "arch=x86-64-v3")))
#else
#define VECTOR_CLONES __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#endif
#endif
#endif
#ifndef VECTOR_CLONES
#define VECTOR_CLONES
#endif
