/* processor.c - asks the processor by cpuid.
 *
 * Owns cpuid.h. Not __builtin_cpu_supports: what answers it is a part of libgcc that programs of
 * other compilers and C libraries lack, and then the answer is no. Asked once, since cpuid is slow
 * under a hypervisor. */
#include "base/processor.h"

#include <stdatomic.h>

#if defined(__x86_64__) && defined(__GNUC__)
#include <cpuid.h>

enum { ASKED = 1, AVX2 = 2, AVX512 = 4, AVX512_BF16 = 8 };

static bool bits(unsigned word, unsigned wanted)
{
    return (word & wanted) == wanted;
}

static int ask(void)
{
    const unsigned fma_avx_xsave = 1u << 12 | 1u << 27 | 1u << 28, avx2 = 1u << 5;
    const unsigned avx512 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31,
                   bf16 = 1u << 5; /* F DQ BW VL */
    unsigned a, b, c, d, kept, high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !bits(c, fma_avx_xsave))
        return ASKED;
    __asm__("xgetbv" : "=a"(kept), "=d"(high) : "c"(0)); /* what the system keeps of a thread */
    if (!bits(kept, 0x6) || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !bits(b, avx2))
        return ASKED;
    if (!bits(kept, 0xe6) || !bits(b, avx512))
        return ASKED | AVX2;
    bool has_bf16 = a > 0 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && bits(a, bf16);
    return ASKED | AVX2 | AVX512 | (has_bf16 ? AVX512_BF16 : 0);
}

static bool has(int set)
{
    static atomic_int known;
    int found = atomic_load_explicit(&known, memory_order_relaxed);
    if (!found) {
        found = ask();
        atomic_store_explicit(&known, found, memory_order_relaxed);
    }
    return found & set;
}
#else
enum { AVX2, AVX512, AVX512_BF16 };

static bool has(int set)
{
    (void)set;
    return false;
}
#endif

bool processor_has_avx2(void)
{
    return has(AVX2);
}

bool processor_has_avx512(void)
{
    return has(AVX512);
}

bool processor_has_avx512_bf16(void)
{
    return has(AVX512_BF16);
}
