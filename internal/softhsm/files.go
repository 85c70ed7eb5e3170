package softhsm

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/softcsp/softcsp/internal/foreignfile"
)

// Files of a token in the file store. Beside them are empty files whose names end in .lock, and "generation", which counts changes.
const (
	tokenFile    = "token.object"
	objectSuffix = ".object"
)

// files is the file store.
type files struct{ dir string }

func openFiles(dir string) (backend, error) { return files{dir}, nil }

func (f files) tokenObject() (object, error) { return f.object(tokenFile) }

func (f files) names() ([]string, error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, err
	}
	var list []string
	for _, e := range entries {
		if name := e.Name(); strings.HasSuffix(name, objectSuffix) && name != objectSuffix && name != tokenFile {
			list = append(list, name)
		}
	}
	return list, nil
}

func (f files) object(name string) (object, error) {
	b, err := readLocked(filepath.Join(f.dir, name))
	if err != nil {
		return nil, err
	}
	return parseObject(b)
}

// maxFile is how large the file of an object may be.
const maxFile = 64 << 20

// readLocked reads a file. SoftHSM2 empties one before it writes it anew, with all of it locked.
func readLocked(name string) ([]byte, error) {
	b, err := foreignfile.Read(name, foreignfile.Lock{}, maxFile, nil)
	if errors.Is(err, foreignfile.ErrUnfit) {
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return b, err
}
