package store

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/config"
	"github.com/softcsp/softcsp/internal/locked"
)

// childEnv tells the test binary to be a process that works on a token: "<job>:<uuid>:<directory>".
const childEnv = "SOFTCSP_TEST_STORE_CHILD"

func TestMain(m *testing.M) {
	if job := os.Getenv(childEnv); job != "" {
		if err := child(strings.SplitN(job, ":", 3)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child does a job until it is killed, and says on stdout what is done.
func child(args []string) error {
	p, err := OpenPlace(&config.Config{Store: "bolt", TokenDir: args[2]})
	if err != nil {
		return err
	}
	if args[0] == "hold" {
		return hold(args[2], args[1])
	}
	if args[0] == "dear" {
		return costlySlots()
	}
	if args[0] == "format" {
		return formatForever(p)
	}
	if args[0] == "list" {
		_, next, err := p.List()
		fmt.Println(next)
		return err
	}
	tok, err := p.Token(args[1])
	if err != nil {
		return err
	}
	if args[0] == "compact" {
		_, _, err := tok.Compact()
		fmt.Println("done")
		time.Sleep(time.Minute) // until it is killed
		return err
	}
	if args[0] == "guess" {
		for {
			if _, err := tok.Unlock(User, []byte("wrong")); ck.Code(err) != ck.CKR_PIN_INCORRECT {
				return err
			}
			fmt.Println("refused")
		}
	}
	k, err := tok.Unlock(User, userPIN)
	if err != nil {
		return err
	}
	if args[0] == "once" {
		r := private("x")
		err := tok.Create(k, r)
		fmt.Println("created", r.ID)
		time.Sleep(time.Minute) // until it is killed
		return err
	}
	var mine []ID
	for i := 0; ; i++ {
		batch := []*Record{private("x"), public("y")}
		if err := tok.Create(k, batch...); err != nil {
			return err
		}
		fmt.Println("created", batch[0].ID, batch[1].ID)
		mine = append(mine, batch[0].ID, batch[1].ID)
		if i%3 == 2 {
			fmt.Println("deleting", mine[0], mine[1])
			if err := tok.Delete(k, mine[:2]...); err != nil {
				return err
			}
			fmt.Println("deleted", mine[0], mine[1])
			mine = mine[2:]
		}
	}
}

// run starts a child, kills it after a time, and calls f with each line that it said.
func run(t *testing.T, job string, kill time.Duration, f func(fields []string)) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+job)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Error(err)
		return
	}
	if err := cmd.Start(); err != nil {
		t.Error(err)
		return
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Error("the child says nothing")
	} else {
		time.AfterFunc(kill, func() { _ = cmd.Process.Kill() })
		f(strings.Fields(lines.Text()))
	}
	for lines.Scan() {
		f(strings.Fields(lines.Text()))
	}
	if err := cmd.Wait(); cmd.ProcessState.Exited() {
		t.Errorf("the child ended by itself: %v", err)
	}
}

// TestKilledWriters kills processes that create and delete, two at a time, at random points: what was acknowledged is there,
// what was not is there wholly or not at all.
func TestKilledWriters(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes seconds")
	}
	p := newPlace(t, "bolt")
	tok, k := makeToken(t, p)
	var mu sync.Mutex
	there := map[ID]bool{} // acknowledged to be there or not; what is under way is in neither state
	pairs := map[ID]ID{}   // what was created in one commit
	commits := 0
	note := func(fields []string) {
		mu.Lock()
		defer mu.Unlock()
		ids := [2]ID{}
		for i := range ids {
			b, err := hex.DecodeString(fields[1+i])
			if err != nil || len(b) != 16 {
				t.Errorf("%q", fields)
				return
			}
			ids[i] = ID(b)
		}
		for _, id := range ids {
			switch fields[0] {
			case "created":
				there[id] = true
			case "deleted":
				there[id] = false
			case "deleting":
				delete(there, id)
			}
		}
		pairs[ids[0]] = ids[1]
		commits++
	}
	r := rand.New(rand.NewPCG(3, 4))
	// However slow the machine is, so many commits are tried.
	for round := 0; round < 20 || commits < 200 && round < 500; round++ {
		var wg sync.WaitGroup
		for range 2 {
			after := time.Duration(1+r.IntN(60)) * time.Millisecond
			wg.Go(func() { run(t, "work:"+tok.uuid+":"+p.dir(), after, note) })
		}
		wg.Wait()
		wantPairs(t, tok, k, there, pairs)
		if t.Failed() {
			break
		}
	}
	wantSound(t, tok)
	if commits < 200 {
		t.Errorf("only %d commits were tried", commits)
	}
	t.Logf("%d commits", commits)
}

// wantPairs fails the test unless the token has what it must have.
func wantPairs(t *testing.T, tok *Token, k *Keys, there map[ID]bool, pairs map[ID]ID) {
	t.Helper()
	got := map[ID]bool{}
	wants(t, tok.All(k, nil, func(r Record) error {
		got[r.ID] = true
		locked.Free(r.Sealed)
		return nil
	}), ck.CKR_OK)
	for id, want := range there {
		if got[id] != want {
			t.Errorf("object %v: there %v, want %v", id, got[id], want)
		}
	}
	for a, b := range pairs {
		if got[a] != got[b] {
			t.Errorf("half of a commit is there: %v %v, %v %v", a, got[a], b, got[b])
		}
	}
}

// TestKilledGuesses kills processes that guess a PIN: each guess whose outcome was seen is counted.
func TestKilledGuesses(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes seconds")
	}
	p := newPlace(t, "bolt")
	tok, err := p.Format("", Format{SOPIN: soPIN, KDF: "test", MaxTries: 1 << 20})
	wants(t, err, ck.CKR_OK)
	so := unlock(t, tok, SO, soPIN)
	defer so.Wipe()
	wants(t, tok.SetPIN(so, User, userPIN), ck.CKR_OK)
	seen := uint(0)
	r := rand.New(rand.NewPCG(5, 6))
	for range 20 {
		run(t, "guess:"+tok.uuid+":"+p.dir(), time.Duration(r.IntN(20))*time.Millisecond, func([]string) { seen++ })
		i, err := tok.Info()
		if err != nil || i.MaxTries-i.UserTries < seen {
			t.Fatalf("%d guesses were seen, %d counted, %v", seen, i.MaxTries-i.UserTries, err)
		}
	}
	wantSound(t, tok)
}

// TestOtherProcess holds that a process sees what another commits, at once and by the shared counter alone.
func TestOtherProcess(t *testing.T) {
	p := newPlace(t, "bolt")
	tok, k := makeToken(t, p)
	before := tok.Generation()
	if ids, err := tok.Find(k, []byte("class")); err != nil || len(ids) != 0 {
		t.Fatal(ids, err)
	}
	run(t, "once:"+tok.uuid+":"+p.dir(), 0, func(fields []string) {
		if tok.Generation() == before {
			t.Error("the generation has not changed")
		}
		ids, err := tok.Find(k, []byte("class"))
		if err != nil || !strings.Contains(fmt.Sprint(ids), fields[1]) {
			t.Errorf("Find: %v, %v, want %v", ids, err, fields[1])
		}
		changed, _, complete := tok.Changed(before)
		if !complete || !strings.Contains(fmt.Sprint(changed), fields[1]) {
			t.Errorf("Changed: %v %v, want %v", changed, complete, fields[1])
		}
	})
}
