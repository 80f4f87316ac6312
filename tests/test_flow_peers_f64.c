/* The double twin against the same values, to the last digits. */
#ifndef NICEST_DOUBLE
#define NICEST_DOUBLE 1
#endif
#include "test_flow_peers.c"
