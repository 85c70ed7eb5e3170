package config

import (
	"fmt"
	"strings"
)

// Reserved writes the text at pReserved that says the settings given, names and values by turns. Such a text is a configuration of its
// own: where it does not name a file it goes on with the one that is in force without it.
func Reserved(pairs ...string) (string, error) {
	if len(pairs) == 0 {
		return "", nil
	}
	named := false
	for i := 0; i < len(pairs); i += 2 {
		named = named || pairs[i] == "conf"
	}
	if !named {
		cfg, err := Load("")
		if err != nil {
			return "", err
		}
		defer cfg.Close()
		if cfg.File != "" {
			pairs = append(pairs[:len(pairs):len(pairs)], "conf", cfg.File)
		}
	}
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		quote := "'"
		if strings.Contains(pairs[i+1], quote) {
			quote = `"`
		}
		if strings.Contains(pairs[i+1], quote) {
			return "", fmt.Errorf("%s: a path with both kinds of quotes cannot be passed on", pairs[i])
		}
		fmt.Fprintf(&b, "%s=%s%s%[2]s ", pairs[i], quote, pairs[i+1])
	}
	return b.String(), nil
}
