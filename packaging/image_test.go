package packaging

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// imageLimit is how large the files of the image may be, in bytes.
const imageLimit = 30e6

// imageHost is a program that uses the library of the image, and the C library beside it.
const imageHost = `
#include <cryptoki.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(void)
{
	CK_SLOT_ID slots[4];
	CK_ULONG n = 4;
	CK_TOKEN_INFO info;

	if (C_Initialize(NULL) != CKR_OK || C_GetSlotList(CK_TRUE, slots, &n) != CKR_OK || n == 0 || C_GetTokenInfo(slots[0], &info) != CKR_OK)
		return 1;
	printf("%d %.32s\n", getuid(), info.label);
	C_Finalize(NULL);
	return 0;
}
`

// TestImage makes the image, loads it into a store of its own, makes a token in it as the user that it says, and has a program find the
// token through the library.
func TestImage(t *testing.T) {
	long(t)
	need(t, "make", "buildah", "gcc")
	root := repository(t)
	archive := filepath.Join(root, "build/image/softcsp-"+version(t)+"-amd64.tar")
	var sums []string
	for range 2 {
		run(t, root, "make", "-s", "image")
		sums = append(sums, run(t, root, "sha256sum", archive))
	}
	if sums[0] != sums[1] {
		t.Errorf("two images differ: %q", sums)
	}
	var size int64
	err := filepath.WalkDir(filepath.Join(root, "build/image/files-amd64"), func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().IsRegular() {
			size += info.Size()
		}
		return err
	})
	if err != nil || size == 0 || size > imageLimit {
		t.Errorf("the files of the image have %d bytes, %v", size, err)
	}

	dir := t.TempDir()
	buildah := func(args ...string) string {
		return run(t, dir, "buildah", append([]string{"--root", filepath.Join(dir, "root"), "--runroot", filepath.Join(dir, "run"), "--storage-driver", "vfs"}, args...)...)
	}
	container := strings.TrimSpace(buildah("from", "--quiet", "oci-archive:"+archive))
	if user := strings.TrimSpace(buildah("inspect", "--format", "{{.OCIv1.Config.User}} {{.OCIv1.Config.Entrypoint}}", container)); user != "65532:65532 [/usr/bin/softcsp]" {
		t.Errorf("the image runs as %q", user)
	}
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return file
	}
	run(t, dir, "gcc", "-Wall", "-Werror", "-I"+filepath.Join(root, "include/softcsp"), "-o", "host", write("host.c", imageHost), "-L"+filepath.Join(root, "build"), "-lsoftcsp")
	buildah("copy", "--chmod", "755", container, filepath.Join(dir, "host"), "/host")
	in := func(args ...string) string {
		return buildah(append([]string{"run", "--isolation", "chroot", "--env", "SO=87654321", "--env", "PIN=12345678", container, "--"}, args...)...)
	}
	in("/usr/bin/softcsp", "token", "init", "--label", "boxed", "--so-pin-env", "SO", "--pin-env", "PIN")
	if got := in("/host"); !strings.HasPrefix(got, "65532 boxed") {
		t.Errorf("the program says %q", got)
	}
	if got := in("/usr/bin/softcsp", "version"); !strings.HasPrefix(got, "softcsp "+version(t)+" ") {
		t.Errorf("the command says %q", got)
	}
}
