package main

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// A caption says below charts where their numbers are from.
type caption struct{ machine, command string }

// machine names the processor and how many there are.
func machine() string {
	name := "unknown processor"
	cpuinfo, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		for line := range strings.Lines(string(cpuinfo)) {
			if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
				name = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%s, %d processors, %s/%s", name, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
}

// text prints a value with its unit.
func (u unit) text(v float64) string {
	if v == 0 {
		return "-"
	}
	switch {
	case u == times:
		return fmt.Sprintf("%.3g", v)
	case u == bytesUnit:
		return scaled(v, "B", "kB", "MB", "GB")
	}
	return scaled(v, "ns", "µs", "ms", "s")
}

func scaled(v float64, units ...string) string {
	for _, u := range units[:len(units)-1] {
		if v < 999.5 {
			return fmt.Sprintf("%.3g %s", v, u)
		}
		v /= 1000
	}
	return fmt.Sprintf("%.4g %s", v, units[len(units)-1])
}

// A theme is the colours of a chart.
type theme struct{ name, ground, text, grid, ours, peer string }

var themes = []theme{
	{"light", "#ffffff", "#1f2328", "#d9dee3", "#0969da", "#bc4c00"},
	{"dark", "#0d1117", "#e6edf3", "#30363d", "#58a6ff", "#f0883e"},
}

// The measures of a picture, in pixels: panels in columns, and the plot within a panel.
const (
	columns               = 3
	panelWide, panelHigh  = 300, 220
	plotLeft, plotTop     = 58, 34
	plotWide, plotHigh    = 222, 140
	headHigh, captionHigh = 36, 48
)

// drawCharts writes a picture for light and one for dark pages.
func drawCharts(s objectPlan, c caption, points []point) error {
	for _, t := range themes {
		var b bytes.Buffer
		draw(&b, t, c, points)
		if err := os.WriteFile(filepath.Join(s.charts, "scale-"+t.name+".svg"), b.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// draw draws a panel for each measure, ours beside theirs. Both axes are logarithmic.
func draw(w io.Writer, t theme, c caption, points []point) {
	rows := (len(measures) + columns - 1) / columns
	wide, high := columns*panelWide, headHigh+rows*panelHigh+captionHigh
	fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11" fill="%s">`+"\n", wide, high, wide, high, t.text)
	fmt.Fprintf(w, `<title>softcsp beside SoftHSM2, by the number of objects in the token</title>`+"\n")
	fmt.Fprintf(w, `<rect width="%d" height="%d" fill="%s"/>`+"\n", wide, high, t.ground)
	for i, m := range []string{ours, peer} {
		x := 20 + 110*i
		fmt.Fprintf(w, `<path d="M%d 20h24" stroke="%s" stroke-width="2"/><circle cx="%d" cy="20" r="3" fill="%s"/><text x="%d" y="24">%s</text>`+"\n",
			x, t.of(m), x+12, t.of(m), x+30, m)
	}
	for i, m := range measures {
		fmt.Fprintf(w, `<g transform="translate(%d %d)">`+"\n", i%columns*panelWide, headHigh+i/columns*panelHigh)
		drawPanel(w, t, m, points)
		fmt.Fprintln(w, `</g>`)
	}
	for i, line := range []string{c.machine, c.command} {
		fmt.Fprintf(w, `<text x="20" y="%d">%s</text>`+"\n", high-captionHigh+20+16*i, html.EscapeString(line))
	}
	fmt.Fprintln(w, `</svg>`)
}

func (t theme) of(module string) string {
	if module == ours {
		return t.ours
	}
	return t.peer
}

// An axis is a range of powers of ten, and how long it is.
type axis struct {
	low, high int
	length    float64
}

// newAxis spans all values, and one power of ten at least. Values that are not above 0 have no place.
func newAxis(values []float64, length float64) axis {
	a := axis{math.MaxInt32, math.MinInt32, length}
	for _, v := range values {
		if v > 0 {
			a.low, a.high = min(a.low, int(math.Floor(math.Log10(v)))), max(a.high, int(math.Ceil(math.Log10(v))))
		}
	}
	if a.low > a.high {
		a.low, a.high = 0, 1
	}
	if a.low == a.high {
		a.high++
	}
	return a
}

func (a axis) at(v float64) float64 {
	return (math.Log10(v) - float64(a.low)) / float64(a.high-a.low) * a.length
}

func drawPanel(w io.Writer, t theme, m measure, points []point) {
	var xs, ys []float64
	for _, p := range points {
		xs, ys = append(xs, float64(p.Objects)), append(ys, p.Values[m.op])
	}
	x, y := newAxis(xs, plotWide), newAxis(ys, plotHigh)
	fmt.Fprintf(w, `<text x="%d" y="%d" font-weight="bold">%s</text>`+"\n", plotLeft, plotTop-12, html.EscapeString(m.title))
	fmt.Fprintf(w, `<g transform="translate(%d %d)">`+"\n", plotLeft, plotTop)
	for e := y.low; e <= y.high; e++ {
		v := math.Pow10(e)
		fmt.Fprintf(w, `<path d="M0 %.1fh%d" stroke="%s"/><text x="-6" y="%.1f" text-anchor="end">%s</text>`+"\n", plotHigh-y.at(v), plotWide, t.grid, plotHigh-y.at(v)+4, m.unit.text(v))
	}
	for e := x.low; e <= x.high; e++ {
		v := math.Pow10(e)
		fmt.Fprintf(w, `<path d="M%.1f 0v%d" stroke="%s"/><text x="%.1f" y="%d" text-anchor="middle">%.0f</text>`+"\n", x.at(v), plotHigh, t.grid, x.at(v), plotHigh+16, v)
	}
	for _, module := range []string{peer, ours} {
		drawLine(w, t.of(module), module, m, points, x, y)
	}
	fmt.Fprintln(w, `</g>`)
}

// drawLine draws the points of one module, each with its value for who points at it.
func drawLine(w io.Writer, colour, module string, m measure, points []point, x, y axis) {
	var path, dots strings.Builder
	for _, p := range points {
		v := p.Values[m.op]
		if p.Module != module || v <= 0 {
			continue
		}
		px, py := x.at(float64(p.Objects)), plotHigh-y.at(v)
		command := 'L'
		if path.Len() == 0 {
			command = 'M'
		}
		fmt.Fprintf(&path, "%c%.1f %.1f", command, px, py)
		fmt.Fprintf(&dots, `<circle cx="%.1f" cy="%.1f" r="3"><title>%s, %d objects: %s</title></circle>`+"\n", px, py, module, p.Objects, m.unit.text(v))
	}
	if path.Len() > 0 {
		fmt.Fprintf(w, `<path d="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n"+`<g fill="%s">`+"\n%s</g>\n", &path, colour, colour, &dots)
	}
}
