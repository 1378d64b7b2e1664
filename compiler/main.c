// main.c: dlc as a program; everything is in driver.c.
#include "driver.h"

int main(int argc, char **argv) { return dlc_main(argc, argv, stdout, stderr); }
