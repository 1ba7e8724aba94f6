/* All kernels for one instruction set, COLLAGE_ISA, as the table COLLAGE_TABLE: compiled once for each. */
#include "core.h"

#include "layer.c"

#include "colour.c"
#include "convolution.c"
#include "resample.c"
#include "synthesis.c"

const collage_kernels COLLAGE_TABLE = {layer_apply, convolve, correct, synthesise, grey, rgb, resample};
