/* The double twin: the same properties, and those that only double can decide. */
#ifndef NICEST_DOUBLE
#define NICEST_DOUBLE 1
#endif
#include "test_flow_properties.c"
