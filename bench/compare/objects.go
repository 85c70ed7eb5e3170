package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/softcsp/softcsp/ck"
)

// An objectPlan is how much is measured of what depends on the number of objects in a token.
type objectPlan struct {
	sizes     []int
	peerMost  int     // objects that SoftHSM2 gets at most
	peerLimit float64 // seconds that it has for becoming so large, each time
	rounds    int
	seconds   float64 // for an operation that is repeated
	charts    string  // the directory of the charts
	command   string  // what one types
}

var (
	wholeObjects = objectPlan{sizes: []int{100, 1000, 10000, 100000}, peerMost: 10000, peerLimit: 300, rounds: 3, seconds: 0.05, charts: "docs", command: "make bench-scale"}
	quickObjects = objectPlan{sizes: []int{100, 1000}, peerMost: 1000, peerLimit: 60, rounds: 2, seconds: 0.02, charts: "build", command: "make bench-scale BENCHFLAGS=--quick"}
)

// A measure is what is measured at each number of objects.
type measure struct {
	op, title string
	unit      unit
}

type unit int

const (
	nanoseconds unit = iota
	bytesUnit
	times
)

// measures are the charts and the columns of the table. The last three are worked out from others: see points.
var measures = []measure{
	{"find-new", "find an object not seen before", nanoseconds},
	{"find-known", "find a known object", nanoseconds},
	{"open", "C_Initialize to C_OpenSession", nanoseconds},
	{"login", "C_Login, beside the PIN's cost", nanoseconds},
	{"create", "create an object (softcsp: durable)", nanoseconds},
	{"enumerate", "enumerate all objects", nanoseconds},
	{"resident", "resident after C_Login", bytesUnit},
	{"each", "of it for an object not in use", bytesUnit},
	{"file", "on the disk, times the contents", times},
}

// A point is what was measured of one module with so many objects: nanoseconds, bytes, or times.
type point struct {
	Module  string             `json:"module"`
	Objects int                `json:"objects"`
	Values  map[string]float64 `json:"values"`
}

// An emptied says what is left on the disk when all objects were destroyed, in bytes.
type emptied struct {
	Module   string `json:"module"`
	Objects  int    `json:"objects"`
	Fresh    int64  `json:"fresh"`
	Full     int64  `json:"full"`
	Emptied  int64  `json:"emptied"`
	Compact  int64  `json:"compacted,omitempty"`
	Contents int64  `json:"contents"`
}

// kinds are the objects of a CA: certificates, RSA and EC keys, and AES keys. Few RSA and EC keys are repeated, since making them takes long.
func kinds() ([]template, error) {
	cert, err := certificate()
	if err != nil {
		return nil, err
	}
	aes := template{"aes", append([]attribute{ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ulong(ck.CKA_KEY_TYPE, ck.CKK_AES), {ck.CKA_VALUE, make([]byte, 32)}},
		yes(ck.CKA_PRIVATE, ck.CKA_SENSITIVE, ck.CKA_ENCRYPT, ck.CKA_DECRYPT)...)}
	var out []template
	for i := range 4 {
		r, err := rsaPair("rsa", 2048)
		if err != nil {
			return nil, err
		}
		e, err := p256Pair("p256")
		if err != nil {
			return nil, err
		}
		out = append(out, r[0], cert, e[0], cert)
		if i%2 == 0 {
			out = append(out, aes)
		}
	}
	return out, nil
}

func certificate() (template, error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return template{}, err
	}
	name := pkix.Name{CommonName: "www.example.com", Organization: []string{"Example"}, Country: []string{"CH"}}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: name, NotBefore: time.Unix(1<<30, 0), NotAfter: time.Unix(1<<31, 0), DNSNames: []string{"www.example.com"}}
	value, err := x509.CreateCertificate(rand.Reader, c, c, &k.PublicKey, k)
	if err != nil {
		return template{}, err
	}
	subject, err := der(name.ToRDNSequence())
	if err != nil {
		return template{}, err
	}
	serial, err := der(c.SerialNumber)
	if err != nil {
		return template{}, err
	}
	return template{"certificate", []attribute{
		ulong(ck.CKA_CLASS, ck.CKO_CERTIFICATE), ulong(ck.CKA_CERTIFICATE_TYPE, ck.CKC_X_509), {ck.CKA_PRIVATE, []byte{0}},
		{ck.CKA_SUBJECT, subject}, {ck.CKA_ISSUER, subject}, {ck.CKA_SERIAL_NUMBER, serial}, {ck.CKA_VALUE, value},
	}}, nil
}

// A growth is one module's token as it gets more and more objects.
type growth struct {
	*module
	objects  int
	contents int64
	stopped  bool // it became too slow
	empty    emptied
}

const (
	grown   = "objects" // the name of the tokens
	relaxed = "kdf = 'test'\ndurability = 'relaxed'\n"
	durable = "kdf = 'test'\n"
)

// runObjects measures the modules with more and more objects, draws the charts and prints a table.
func runObjects(ctx context.Context, b *bench, modules []*module, s objectPlan, cli, jsonFile string) error {
	templates, err := kinds()
	if err != nil {
		return err
	}
	file := filepath.Join(b.dir, "kinds")
	if err := os.WriteFile(file, []byte(text(templates)), 0o600); err != nil {
		return err
	}
	var tokens []*growth
	for _, m := range modules {
		g := &growth{module: m}
		if err := b.setup(m, grown, relaxed); err != nil {
			return err
		}
		if g.empty.Fresh, err = onDisk(b.tokenDir(m, grown)); err != nil {
			return err
		}
		tokens = append(tokens, g)
	}
	var points []point
	for _, size := range append([]int{0}, s.sizes...) {
		p, err := b.grow(tokens, s, file, size)
		if err != nil {
			return err
		}
		points = append(points, p...)
	}
	var left []emptied
	for _, g := range tokens {
		if err := b.empty(ctx, g, cli); err != nil {
			return err
		}
		left = append(left, g.empty)
	}
	c := caption{machine(), s.command}
	printObjects(os.Stdout, c, points, left)
	if err := drawCharts(s, c, points); err != nil || jsonFile == "" {
		return err
	}
	return writeJSON(jsonFile, struct {
		Machine string    `json:"machine"`
		Command string    `json:"command"`
		Points  []point   `json:"points"`
		Emptied []emptied `json:"emptied"`
	}{c.machine, c.command, points, left})
}

// grow brings all tokens to a number of objects and measures them in turns.
func (b *bench) grow(tokens []*growth, s objectPlan, file string, size int) ([]point, error) {
	var growing []*growth
	for _, g := range tokens {
		if g.stopped || g.name == peer && size > s.peerMost {
			continue
		}
		if err := b.stock(g, s, file, size); err != nil {
			return nil, err
		}
		growing = append(growing, g)
	}
	for range s.rounds {
		for _, g := range growing {
			fmt.Fprintf(os.Stderr, "bench: %s with %d objects\n", g.name, g.objects)
			if err := b.call(g.module, grown, g.objects, "survey", file, strconv.Itoa(g.objects), seconds(s.seconds)); err != nil {
				return nil, err
			}
		}
	}
	var out []point
	for _, g := range growing {
		p, err := b.point(g)
		if err != nil {
			return nil, err
		}
		if g.objects > 0 {
			out = append(out, p)
		}
	}
	return out, nil
}

// stock makes objects. Meanwhile softcsp does not wait for the disk, which is no matter for what is measured then.
func (b *bench) stock(g *growth, s objectPlan, file string, size int) error {
	if err := b.configure(g.module, grown, relaxed); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "bench: %s: creating %d objects\n", g.name, size-g.objects)
	limit := 1e6
	if g.name == peer {
		limit = s.peerLimit
	}
	b.counted = 0
	if err := b.call(g.module, grown, size, "stock", file, strconv.Itoa(g.objects), strconv.Itoa(size), seconds(limit)); err != nil {
		return err
	}
	g.contents += int64(b.results[series{g.name, "stock", size}][0].median)
	g.objects, g.stopped = b.counted, b.counted < size
	return b.configure(g.module, grown, durable)
}

// point sums up what was measured: the best of the rounds, and what follows from it.
func (b *bench) point(g *growth) (point, error) {
	p := point{g.name, g.objects, make(map[string]float64)}
	best := func(op string, objects int) float64 {
		return 1000 * summarise(b.results[series{g.name, op, objects}], false).best
	}
	for _, m := range append([]measure{{op: "destroy"}}, measures[:6]...) {
		p.Values[m.op] = best(m.op, g.objects)
	}
	for _, op := range []string{"resident", "resident-all"} {
		p.Values[op] = 1024 * best(op, g.objects)
	}
	if g.objects == 0 {
		return p, nil
	}
	size, err := onDisk(b.tokenDir(g.module, grown))
	if err != nil {
		return p, err
	}
	p.Values["each"] = max(0, p.Values["resident"]-1024*best("resident", 0)) / float64(g.objects)
	p.Values["bytes"], p.Values["contents"] = float64(size), float64(g.contents)
	p.Values["file"] = float64(size) / float64(g.contents)
	return p, nil
}

// empty destroys all objects and looks what the disk keeps, of softcsp also after `softcsp token compact`.
func (b *bench) empty(ctx context.Context, g *growth, cli string) error {
	dir := b.tokenDir(g.module, grown)
	e := &g.empty
	e.Module, e.Objects, e.Contents = g.name, g.objects, g.contents
	var err error
	if e.Full, err = onDisk(dir); err != nil {
		return err
	}
	if err := b.configure(g.module, grown, relaxed); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "bench: %s: destroying %d objects\n", g.name, g.objects)
	if err := b.call(g.module, grown, g.objects, "clear"); err != nil {
		return err
	}
	if e.Emptied, err = onDisk(dir); err != nil || g.name != ours {
		return err
	}
	cmd := exec.CommandContext(ctx, cli, "token", "compact", g.label)
	cmd.Env = b.environment(g.module, grown)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", cmd, err, strings.TrimSpace(string(out)))
	}
	e.Compact, err = onDisk(dir)
	return err
}

// onDisk is what the files below the tokens' directory take, in whole blocks.
func onDisk(dir string) (int64, error) {
	var n int64
	err := filepath.WalkDir(filepath.Join(dir, "tokens"), func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && !d.IsDir() {
			n += st.Blocks * 512
		}
		return nil
	})
	return n, err
}

// printObjects prints a line for each module and number of objects.
func printObjects(w io.Writer, c caption, points []point, left []emptied) {
	fmt.Fprintf(w, "%s\n%s\n\n", c.machine, c.command)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	head := []string{"objects", "module"}
	for _, m := range measures {
		head = append(head, m.op)
	}
	fmt.Fprintln(t, strings.Join(head, "\t"))
	for _, p := range points {
		cells := []string{strconv.Itoa(p.Objects), p.Module}
		for _, m := range measures {
			cells = append(cells, m.unit.text(p.Values[m.op]))
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	t.Flush()
	fmt.Fprintln(w)
	for _, m := range measures {
		fmt.Fprintf(w, "%-10s  %s\n", m.op, m.title)
	}
	fmt.Fprintln(w)
	for _, e := range left {
		fmt.Fprintf(w, "%s: %s on the disk without objects, %s with %d objects of %s, %s when all were destroyed", e.Module,
			bytesUnit.text(float64(e.Fresh)), bytesUnit.text(float64(e.Full)), e.Objects, bytesUnit.text(float64(e.Contents)), bytesUnit.text(float64(e.Emptied)))
		if e.Compact > 0 {
			fmt.Fprintf(w, ", %s after softcsp token compact", bytesUnit.text(float64(e.Compact)))
		}
		fmt.Fprintln(w)
	}
}
