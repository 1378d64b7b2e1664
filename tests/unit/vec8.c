// vec8.c: dlc_vec.h with 8 lanes, for test_vec.c.
#define DLC_LANES 8
#define VEC_CASES vec_cases_8
#include "vec_lanes.h"
