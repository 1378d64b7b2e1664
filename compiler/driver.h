// driver.h: dlc as a function, so that tests and fuzzers can run it many times in one process.
#ifndef DLC_DRIVER_H
#define DLC_DRIVER_H

#include <stdio.h>

// Runs dlc with main's arguments. Reports go to out, diagnostics to err. Returns the exit status: 0, 1 for the user's
// errors, 2 for usage. Internal errors do not return (exit 70).
int dlc_main(int argc, char **argv, FILE *out, FILE *err);

#endif
