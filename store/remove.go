package store

import (
	"errors"
	"io/fs"

	"github.com/softcsp/softcsp/ck"
)

// Remove removes a token, and with it everything in it: CKR_TOKEN_NOT_PRESENT where there is none. It needs no PIN, as little as removing its file does.
// Processes that use it find it gone with their next call that needs an object.
func (p *Place) Remove(uuid string) error {
	if _, err := parseUUID(uuid); err != nil {
		return err
	}
	if err := p.backend.remove(uuid); err != nil {
		return err
	}
	p.forget(uuid)
	return nil
}

// forget forgets what this process knows of a token that is gone, or has become another one.
func (p *Place) forget(uuid string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.tokens[uuid]; t != nil {
		t.ForgetPINs()
		delete(p.tokens, uuid)
	}
}

// remove implements placeBackend.
func (p *memoryPlace) remove(uuid string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tokens[uuid] == nil {
		return ck.CKR_TOKEN_NOT_PRESENT
	}
	delete(p.tokens, uuid)
	p.changed.Add(1)
	return nil
}

// remove implements placeBackend.
func (p *dirPlace) remove(uuid string) error {
	d, err := openDir(p.dir)
	if err != nil {
		return err
	}
	defer d.close()
	if d.fileMode(uuid+suffix) == 0 { // no lock need be made for it
		return fileError(p.file(uuid+suffix), fs.ErrNotExist)
	}
	if err := p.token(uuid).remove(); err != nil {
		return err
	}
	if c := p.counter.Load(); c != nil {
		c.add()
	}
	return nil
}

// remove removes the token's file, and then what stands beside it. Who is killed between leaves files that hold no token.
func (b *boltFile) remove() error {
	return b.withLock(true, true, func(ld *lockedDir) error {
		if _, err := b.existing(ld); err != nil {
			return err
		}
		if err := ld.lock.checkHeld(); err != nil {
			return err
		}
		if err := ld.remove(b.name); err != nil {
			return fileError(b.path, err)
		}
		b.announceRemoval(ld.lock)
		for _, name := range []string{b.sibling(".new"), b.sibling(".moved"), b.sidecar} {
			if err := ld.remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fileError(b.path, err)
			}
		}
		return fileError(b.path, ld.sync())
	})
}

// announceRemoval changes the shared counter, so that who has objects of the token in memory looks for the file, and does not find it.
func (b *boltFile) announceRemoval(l *lock) {
	if c, err := mapCounter(l.fd(), &l.st, l.readOnly); err == nil {
		c.store((c.load() | 1) + 1)
	}
}
