package main

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// The parts of an SPDX 2.3 document that are used here (ISO/IEC 5962).
type (
	spdx struct {
		Version       string         `json:"spdxVersion"`
		DataLicense   string         `json:"dataLicense"`
		ID            string         `json:"SPDXID"`
		Name          string         `json:"name"`
		Namespace     string         `json:"documentNamespace"`
		Creation      creation       `json:"creationInfo"`
		Packages      []spdxPackage  `json:"packages"`
		Relationships []relationship `json:"relationships"`
	}
	creation struct {
		Created  string   `json:"created"`
		Creators []string `json:"creators"`
	}
	spdxPackage struct {
		ID        string      `json:"SPDXID"`
		Name      string      `json:"name"`
		Version   string      `json:"versionInfo"`
		File      string      `json:"packageFileName,omitempty"`
		Download  string      `json:"downloadLocation"`
		Analyzed  bool        `json:"filesAnalyzed"`
		Checksums []checksum  `json:"checksums,omitempty"`
		Concluded string      `json:"licenseConcluded"`
		Declared  string      `json:"licenseDeclared"`
		Copyright string      `json:"copyrightText"`
		Refs      []reference `json:"externalRefs,omitempty"`
		Comment   string      `json:"comment,omitempty"`
	}
	checksum struct {
		Algorithm string `json:"algorithm"`
		Value     string `json:"checksumValue"`
	}
	reference struct {
		Category string `json:"referenceCategory"`
		Type     string `json:"referenceType"`
		Locator  string `json:"referenceLocator"`
	}
	relationship struct {
		From string `json:"spdxElementId"`
		Type string `json:"relationshipType"`
		To   string `json:"relatedSpdxElement"`
	}
)

// notInIDs are the characters that an SPDX identifier does not have.
var notInIDs = regexp.MustCompile(`[^A-Za-z0-9.-]`)

// writeSBOM writes what is in each program: the modules that it was built from, and the standard library.
func writeSBOM(w io.Writer, version string, now time.Time, programs []string) error {
	all, err := components(programs)
	if err != nil {
		return err
	}
	d := spdx{
		Version: "SPDX-2.3", DataLicense: "CC0-1.0", ID: "SPDXRef-DOCUMENT", Name: "softcsp-" + version,
		Creation: creation{now.Format(time.RFC3339), []string{"Organization: The softcsp authors", "Tool: go version -m"}},
	}
	everything := sha256.New()
	for _, p := range programs {
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(b)
		everything.Write(sum[:])
		id := "SPDXRef-" + notInIDs.ReplaceAllString(filepath.Join(filepath.Base(filepath.Dir(p)), filepath.Base(p)), "-")
		d.Packages = append(d.Packages, spdxPackage{
			ID: id, Name: filepath.Base(p), Version: version, File: filepath.ToSlash(p), Download: "https://github.com/softcsp/softcsp",
			Checksums: []checksum{{"SHA256", hex.EncodeToString(sum[:])}}, Concluded: "NOASSERTION", Declared: "MIT", Copyright: "NOASSERTION",
		})
		d.Relationships = append(d.Relationships, relationship{d.ID, "DESCRIBES", id})
		inside, err := components([]string{p})
		if err != nil {
			return err
		}
		for _, c := range inside {
			d.Relationships = append(d.Relationships, relationship{id, "CONTAINS", c.id()})
		}
	}
	for _, c := range all {
		d.Packages = append(d.Packages, c.spdx())
	}
	d.Namespace = "https://github.com/softcsp/softcsp/spdx/" + version + "/" + hex.EncodeToString(everything.Sum(nil))
	return writeJSON(w, d)
}

func (c component) id() string {
	return "SPDXRef-module-" + notInIDs.ReplaceAllString(c.Path+"-"+c.Version, "-")
}

func (c component) spdx() spdxPackage {
	p := spdxPackage{
		ID: c.id(), Name: c.Path, Version: c.Version, Download: "https://" + c.Path, Concluded: "NOASSERTION", Declared: c.Licence, Copyright: "NOASSERTION",
		Refs: []reference{{"PACKAGE-MANAGER", "purl", "pkg:golang/" + c.Path + "@" + c.Version}},
	}
	if c.Path == "std" {
		p.Download = "https://go.dev/dl/"
	}
	if c.Sum != "" {
		p.Comment = "The sum of the module, as in go.sum: " + c.Sum
	}
	return p
}
