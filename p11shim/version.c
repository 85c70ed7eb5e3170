/* The version of the library, in a note of its file, so that it can be read without loading the library: softcsp doctor does, and
 * "readelf --notes" shows it. The Makefile gives the version. A note is two lengths, a type, a name and what it says, each filled up to 4 bytes. */
#define TEXT(x) #x
#define TEXT_OF(x) TEXT(x)

#ifndef SOFTCSP_VERSION
#define SOFTCSP_VERSION devel
#endif

static const struct {
	unsigned name_size, size, type;
	char name[8];
	char version[(sizeof TEXT_OF(SOFTCSP_VERSION) + 3) / 4 * 4];
} note __attribute__((section(".note.softcsp"), used, aligned(4))) = {
	8, sizeof TEXT_OF(SOFTCSP_VERSION), 1, "softcsp", TEXT_OF(SOFTCSP_VERSION),
};
