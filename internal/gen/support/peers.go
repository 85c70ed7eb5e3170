package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"strconv"
	"strings"

	"github.com/softcsp/softcsp/ck"
)

// A peer is a module that softcsp is laid beside, and its letter in peers.txt.
type peer struct {
	letter byte
	name   string
}

var peers = []peer{
	{'S', "SoftHSM2"}, {'K', "Kryoptic"}, {'N', "NSS"}, {'O', "openCryptoki"}, {'B', "BouncyHsm"},
}

//go:embed peers.txt
var peersText string

// A peerMechanism is a mechanism that peers have.
type peerMechanism struct {
	number ck.MechanismType
	vendor bool // it has no number in the standard
	name   string
	who    string
}

// readPeers reads peers.txt: the mechanisms in order, and for each function who lacks it.
func readPeers() (mechanisms []peerMechanism, lacking map[string]string, err error) {
	lacking = make(map[string]string)
	for line := range strings.Lines(peersText) {
		f := strings.Fields(line)
		switch {
		case len(f) == 0 || f[0] == "#":
		case len(f) == 2:
			lacking[f[0]] = f[1]
		case len(f) == 3 && f[0] == "-":
			mechanisms = append(mechanisms, peerMechanism{vendor: true, name: f[1], who: f[2]})
		case len(f) == 3:
			n, err := strconv.ParseUint(f[0], 0, 64)
			if err != nil {
				return nil, nil, fmt.Errorf("peers.txt: %w", err)
			}
			mechanisms = append(mechanisms, peerMechanism{number: ck.MechanismType(n), name: f[1], who: f[2]})
		default:
			return nil, nil, fmt.Errorf("peers.txt: %q", line)
		}
	}
	return mechanisms, lacking, nil
}

// peerHeads are the titles of the columns of peers, and the line below them.
func peerHeads() (titles, line string) {
	for _, p := range peers {
		titles += " " + p.name + " |"
		line += "---|"
	}
	return titles, line
}

// peerCells are the columns of a row: a word where a peer has the thing.
func peerCells(who string) string {
	var b strings.Builder
	for _, p := range peers {
		if strings.IndexByte(who, p.letter) >= 0 {
			b.WriteString(" yes |")
		} else {
			b.WriteString(" |")
		}
	}
	return b.String()
}

// without is everybody but those who lack something.
func without(lacking string) string {
	var who []byte
	for _, p := range peers {
		if strings.IndexByte(lacking, p.letter) < 0 {
			who = append(who, p.letter)
		}
	}
	return string(who)
}

// writeMissing tells which mechanisms peers have and softcsp does not, and counts.
func writeMissing(b *bytes.Buffer, all []peerMechanism, have map[ck.MechanismType]bool) {
	counts := make([]int, len(peers))
	vendors := make([]int, len(peers))
	shared, missing := 0, 0
	titles, line := peerHeads()
	var rows bytes.Buffer
	for _, m := range all {
		for i, p := range peers {
			if strings.IndexByte(m.who, p.letter) < 0 {
				continue
			}
			if counts[i]++; m.vendor {
				vendors[i]++
			}
		}
		if m.vendor {
			continue
		}
		if len(m.who) > 1 {
			shared++
		}
		if !have[m.number] {
			missing++
			fmt.Fprintf(&rows, "| `%s` |%s\n", m.name, peerCells(m.who))
		}
	}
	fmt.Fprintf(b, "\n### What peers have and softcsp does not\n\nTwo or more of them share %d mechanisms of the standard. Of all that one of them has, %d are not here; docs/limits.md says why.\n", shared, missing)
	b.WriteString("Mechanisms that a vendor numbered are not compared.\n\n| mechanism |" + titles + "\n|---|" + line + "\n")
	b.Write(rows.Bytes())
	b.WriteString("| *mechanisms in all* |")
	for _, n := range counts {
		fmt.Fprintf(b, " %d |", n)
	}
	b.WriteString("\n| *of them a vendor's own* |")
	for _, n := range vendors {
		fmt.Fprintf(b, " %d |", n)
	}
	b.WriteString("\n")
}
