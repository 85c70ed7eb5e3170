/* A copy of the library, which to the loader is another library: see copy.c. */
#ifndef SOFTCSP_COPY_H
#define SOFTCSP_COPY_H

#include "fork.h"

/* Opens this image's file, while the library is loaded. */
void softcsp_find_file(void) HIDDEN;

/* Loads a copy of this image's file. On failure NULL, and why in a static text. */
void *softcsp_load_copy(const char **why) HIDDEN;

/* Says whether this image is such a copy. */
int softcsp_is_copy(void) HIDDEN;

/* Says where this image was loaded from. */
const char *softcsp_path(void) HIDDEN;
void softcsp_set_path(const char *path) HIDDEN;

/* Closes what a copy is made from. */
void softcsp_forget_file(void) HIDDEN;

#endif
