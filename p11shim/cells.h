/* What handles of contexts point to: see cells.go. */
#ifndef SOFTCSP_CELLS_H
#define SOFTCSP_CELLS_H

#include <stdint.h>

#define SOFTCSP_CELLS 65536

extern uintptr_t softcsp_cells[SOFTCSP_CELLS] __attribute__((visibility("hidden")));

#endif
