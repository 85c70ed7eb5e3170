// Command release writes what goes with built programs: their bill of materials, and the licences of what is in them. It asks the
// programs themselves (go version -m) and reads the licences where Go keeps its modules.
//
//	release sbom VERSION PROGRAM...      an SPDX 2.3 document in JSON
//	release copyright LICENSE PROGRAM... a copyright file as Debian has it
//	release licences LICENSE PROGRAM...  the same with every licence whole, for where Debian's copies of them are not
//	release changelog PACKAGE VERSION-RELEASE MAINTAINER   a changelog as Debian has it
//
// $SOURCE_DATE_EPOCH is the time that all of it is from.
package main

import (
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

func main() {
	if err := run(os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(w io.Writer, args []string) error {
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	now := time.Unix(seconds, 0).UTC()
	switch {
	case len(args) > 2 && args[0] == "sbom":
		return writeSBOM(w, args[1], now, args[2:])
	case len(args) > 2 && args[0] == "copyright":
		return writeCopyright(w, args[1], args[2:], true)
	case len(args) > 2 && args[0] == "licences":
		return writeCopyright(w, args[1], args[2:], false)
	case len(args) == 4 && args[0] == "changelog":
		return writeChangelog(w, args[1], args[2], args[3], now)
	}
	return errors.New("usage: release sbom|copyright|changelog …; see its source")
}

// A component is a module that is in a program, or the standard library.
type component struct {
	Path, Version, Sum string
	Text               string // of its licence
	Licence            string // its name in SPDX
}

// components returns what is in programs, by their names.
func components(programs []string) ([]component, error) {
	found := make(map[string]component)
	for _, p := range programs {
		info, err := buildinfo.ReadFile(p)
		if err != nil {
			return nil, err
		}
		found["std"] = component{Path: "std", Version: strings.Fields(strings.TrimPrefix(info.GoVersion, "go"))[0]}
		for _, m := range info.Deps {
			if m.Replace != nil {
				return nil, fmt.Errorf("%s has %s in place of %s", p, m.Replace.Path, m.Path)
			}
			found[m.Path] = component{Path: m.Path, Version: m.Version, Sum: m.Sum}
		}
	}
	var list []component
	for _, c := range found {
		var err error
		if c.Text, err = licenceOf(c); err != nil {
			return nil, err
		}
		if c.Licence = licenceName(c.Text); c.Licence == "" {
			return nil, fmt.Errorf("%s has a licence that is not known here", c.Path)
		}
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b component) int { return strings.Compare(a.Path, b.Path) })
	return list, nil
}

// licenceOf reads the licence of a component.
func licenceOf(c component) (string, error) {
	ask := []string{"env", "GOROOT"}
	if c.Path != "std" {
		ask = []string{"list", "-m", "-f", "{{.Dir}}", c.Path}
	}
	out, err := exec.Command("go", ask...).Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w", strings.Join(ask, " "), err)
	}
	dir := strings.TrimSpace(string(out))
	for _, pattern := range []string{"LICEN[SC]E*", "COPYING*"} {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return "", err
		}
		if len(names) > 0 {
			text, err := os.ReadFile(names[0])
			return string(text), err
		}
	}
	return "", fmt.Errorf("%s has no licence in %s", c.Path, dir)
}

// licenceName tells the licences that there are apart.
func licenceName(text string) string {
	flat := strings.Join(strings.Fields(text), " ")
	for _, l := range []struct{ name, says string }{
		{"Apache-2.0", "Apache License Version 2.0"},
		{"BSD-3-Clause", "Neither the name of"},
		{"BSD-2-Clause", "Redistribution and use in source and binary forms"},
		{"ISC", "Permission to use, copy, modify, and/or distribute this software"},
		{"ISC", "Permission to use, copy, modify, and distribute this software"},
		{"MIT", "Permission is hereby granted, free of charge"},
	} {
		if strings.Contains(flat, l.says) {
			return l.name
		}
	}
	return ""
}

// writeChangelog writes the changelog of Debian's packaging, which points to that of the program.
func writeChangelog(w io.Writer, name, version, maintainer string, now time.Time) error {
	_, err := fmt.Fprintf(w, "%s (%s) unstable; urgency=medium\n\n  * What is new stands in changelog.gz.\n\n -- %s  %s\n",
		name, version, maintainer, now.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	return err
}

// writeJSON writes a document for people too.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
