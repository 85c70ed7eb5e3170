package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/locked"
	"golang.org/x/sys/unix"
)

// openSlot opens a slot as a login does.
func openSlot(b keySlot, h *fixedHeader, u UserType, pin []byte) ([]byte, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	kek, err := b.derive(pin)
	if err != nil {
		return nil, err
	}
	return b.unwrap(h, u, kek)
}

// TestSlotCosts holds what a file may ask for.
func TestSlotCosts(t *testing.T) {
	h := &fixedHeader{kdf: kdfTest}
	for _, c := range []struct {
		passes, memory uint32
		lanes          byte
	}{
		{0, 64, 1}, {maxPasses + 1, 64, 1}, {1, maxMemory + 1, 1}, {1, 1 << 31, 1}, {1, 64, 0}, {1, 64, maxLanes + 1},
	} {
		b := newKeySlot(h)
		b = b.wrap(h, User, make([]byte, keySize), make([]byte, masterSize))
		binary.BigEndian.PutUint32(b[saltSize:], c.passes)
		binary.BigEndian.PutUint32(b[saltSize+4:], c.memory)
		b[saltSize+8] = c.lanes
		_, err := openSlot(b, h, User, userPIN)
		wants(t, err, ck.CKR_DEVICE_ERROR)
	}
	for n := range keySlotSize {
		_, err := openSlot(make(keySlot, n), h, User, userPIN)
		wants(t, err, ck.CKR_DEVICE_ERROR)
	}
}

// costlySlot returns a slot that asks for as much memory as it may.
func costlySlot() keySlot {
	b := newKeySlot(&fixedHeader{kdf: kdfTest})
	binary.BigEndian.PutUint32(b[saltSize+4:], maxMemory)
	return b
}

// TestDearSlots has several threads log in to what somebody has written, at once: they take no more memory together than one.
func TestDearSlots(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	runtime.GC()
	var all sync.WaitGroup
	var done atomic.Bool
	for range 3 {
		all.Go(func() {
			kek, err := costlySlot().derive(userPIN)
			wants(t, err, ck.CKR_OK)
			locked.Free(kek)
		})
	}
	go func() {
		all.Wait()
		done.Store(true)
	}()
	most := uint64(0)
	for !done.Load() {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		most = max(most, m.HeapInuse)
		time.Sleep(5 * time.Millisecond)
	}
	if most < maxMemory<<10 || most > 3*maxMemory<<10/2 {
		t.Errorf("%d MiB at once, %d for one", most>>20, maxMemory>>10)
	}
	if len(memoryShares) > 0 {
		t.Errorf("%d shares are not given back", len(memoryShares))
	}
}

// TestDearSlotsWithoutMemory does so in a process that may not have the memory for one: it answers and lives.
func TestDearSlotsWithoutMemory(t *testing.T) {
	p := newPlace(t, "bolt")
	tok, k := makeToken(t, p)
	k.Wipe()
	run(t, "dear:"+tok.uuid+":"+p.dir(), 0, func(said []string) {
		if len(said) != 2 || said[0] != "lives" || said[1] != "CKR_HOST_MEMORY" {
			t.Error(said)
		}
	})
}

// costlySlots is what a process does for that test.
func costlySlots() error {
	var now unix.Rlimit
	stat, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return err
	}
	pages, err := strconv.ParseUint(strings.Fields(string(stat))[0], 10, 64)
	if err == nil {
		err = unix.Getrlimit(unix.RLIMIT_AS, &now)
	}
	if err != nil {
		return err
	}
	now.Cur = pages*pageSize + 3*shareSize<<10
	if err := unix.Setrlimit(unix.RLIMIT_AS, &now); err != nil {
		return err
	}
	var all sync.WaitGroup
	answers := make(chan error, 4)
	for range cap(answers) {
		all.Go(func() {
			_, err := costlySlot().derive(userPIN)
			answers <- err
		})
	}
	all.Wait()
	fmt.Println("lives", ck.Code(<-answers))
	time.Sleep(time.Minute) // until it is killed
	return nil
}

// TestSlotIsBound holds that a slot opens with its PIN, for its way, in its token, and not otherwise.
func TestSlotIsBound(t *testing.T) {
	h := &fixedHeader{uuid: newUUID(), kdf: kdfTest}
	master := bytes.Repeat([]byte{7}, masterSize)
	b := newKeySlot(h)
	kek, err := b.derive(userPIN)
	wants(t, err, ck.CKR_OK)
	b = b.wrap(h, User, kek, master)
	got, err := openSlot(b, h, User, userPIN)
	if err != nil || !bytes.Equal(got, master) {
		t.Fatalf("opens to %x, %v", got, err)
	}
	era := *h
	era.initID[0]++
	uuid := *h
	uuid.uuid[0]++
	for _, c := range []struct {
		h   *fixedHeader
		u   UserType
		pin []byte
	}{{h, SO, userPIN}, {h, User, soPIN}, {&era, User, userPIN}, {&uuid, User, userPIN}} {
		_, err := openSlot(b, c.h, c.u, c.pin)
		wants(t, err, ck.CKR_PIN_INCORRECT)
	}
	for i := range b {
		b[i] ^= 1
		if i == keySlot1Size {
			wants(t, b.check(), ck.CKR_DEVICE_ERROR) // of a version that there is not
		} else if i < saltSize || i >= keySlotHead { // the costs are tested above
			_, err := openSlot(b, h, User, userPIN)
			wants(t, err, ck.CKR_PIN_INCORRECT)
		}
		b[i] ^= 1
	}
}
