// vec16.c: dlc_vec.h with 16 lanes, for test_vec.c.
#define DLC_LANES 16
#define VEC_CASES vec_cases_16
#include "vec_lanes.h"
