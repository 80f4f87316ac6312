/* real.h - the number the mathematics is written in.
 *
 * src/kernel and src/flow compile twice: real = float, which ships every result, and real = double,
 * the double build that proofs and tests use. There every function that a header of these rooms
 * declares has another name (cmake/DoubleNames.cmake), so that both live in one library. */
#pragma once

#ifdef NICEST_DOUBLE
typedef double real;
#else
typedef float real;
#endif
