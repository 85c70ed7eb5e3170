/* What handles of contexts point to: see cells.go. */
#include "cells.h"

uintptr_t softcsp_cells[SOFTCSP_CELLS];
