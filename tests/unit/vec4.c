// vec4.c: dlc_vec.h with 4 lanes, for test_vec.c.
#define DLC_LANES 4
#define VEC_CASES vec_cases_4
#include "vec_lanes.h"
