/* The double twin of the marginal: the same properties, with the bounds of double. */
#ifndef NICEST_DOUBLE
#define NICEST_DOUBLE 1
#endif
#include "test_flow_marginal.c"
