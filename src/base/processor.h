/* processor.h - which sets of instructions this processor, and the system on it, have. */
#pragma once

#include <stdbool.h>

/* AVX2 with FMA; AVX-512 F, BW, DQ and VL; the same with products of bf16. False elsewhere than on
 * x86-64. */
bool processor_has_avx2(void);
bool processor_has_avx512(void);
bool processor_has_avx512_bf16(void);
