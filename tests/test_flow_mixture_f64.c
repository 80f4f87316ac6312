/* The double twin runs by the same rules. */
#ifndef NICEST_DOUBLE
#define NICEST_DOUBLE 1
#endif
#include "test_flow_mixture.c"
